#include "sql/live_tables.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "sql/render.h"
#include "sql/support_test.h"

namespace millrace::sql {
namespace {

using testing::Rows;

/// What a row of the tests has: an id, a kind, and a value that may be NULL (negative).
struct Item {
  std::int64_t id = 0;
  std::string kind;
  int value = 0;
};

const Schema kSchema{{{"id", "BIGINT", Physical::i64},
                      {"kind", "VARCHAR", Physical::string},
                      {"value", "INTEGER", Physical::i32}}};

class Items final : public RowReader {
 public:
  explicit Items(const std::vector<Item>& items) : items_(items) {}
  std::size_t read(ChunkWriter& to) override {
    std::size_t row = 0;
    for (; at_ < items_.size() && row < kChunkRows; ++at_, ++row) {
      to.values<std::int64_t>(0)[row] = items_[at_].id;
      to.set_string(1, row, items_[at_].kind);
      if (items_[at_].value < 0) {
        to.set_null(2, row);
      } else {
        to.values<std::int32_t>(2)[row] = items_[at_].value;
      }
    }
    return row;
  }

 private:
  const std::vector<Item>& items_;
  std::size_t at_ = 0;
};

Batch batch_of(const std::vector<Item>& items) {
  Batch batch(kSchema);
  Items reader(items);
  batch.read(reader);
  return batch;
}

std::string text_of(const std::vector<std::optional<std::string>>& row) {
  std::string text;
  for (const auto& value : row) {
    text += (text.empty() ? "" : "|") + value.value_or("NULL");
  }
  return text;
}

/// Of one row; render() does all of a chunk.
std::string text_of(const Chunk& chunk, std::size_t row) {
  const auto& columns = chunk.columns;
  return text_of(
      {std::to_string(columns[0].values<std::int64_t>()[row]), std::string(columns[1].string(row)),
       columns[2].is_null(row)
           ? std::nullopt
           : std::optional<std::string>(std::to_string(columns[2].values<std::int32_t>()[row]))});
}

std::string text_of(const Item& item) {
  return text_of(
      {std::to_string(item.id), item.kind,
       item.value < 0 ? std::nullopt : std::optional<std::string>(std::to_string(item.value))});
}

Rows rows_of(const LiveSnapshot& snapshot, const LiveTable& table) {
  Rows rows;
  snapshot.for_each(table, [&](const Chunk& chunk) {
    for (std::size_t row = 0; row < chunk.rows; ++row) {
      rows.push_back(text_of(chunk, row));
    }
  });
  std::ranges::sort(rows);
  return rows;
}

std::string found(const LiveSnapshot& snapshot, const LiveTable& table,
                  const std::vector<ReadValue>& key) {
  std::string text = "none";
  const bool there = snapshot.find(table, key, [&](const Chunk& chunk, std::size_t row) {
    text = table.schema() == kSchema ? text_of(chunk, row) : text_of(render(chunk)[row]);
  });
  EXPECT_EQ(there, text != "none");
  return text;
}

/// What follows from changes(): "+row" and "-row", sorted; "unknown".
Rows changes(const LiveSnapshot& snapshot, const LiveTable& table, std::int64_t after) {
  Rows out;
  const bool known = snapshot.changes(table, after, [&](const Chunk& rows, bool gone) {
    for (const auto& row : render(rows)) {
      out.push_back((gone ? "-" : "+") + text_of(row));
    }
  });
  if (!known) {
    EXPECT_TRUE(out.empty());
    return {"unknown"};
  }
  std::ranges::sort(out);
  return out;
}

class LiveTablesTest : public ::testing::Test {
 protected:
  void upsert(const std::vector<Item>& items, std::int64_t batch) {
    table_->upsert(batch_of(items), batch);
  }
  void replace(const std::vector<Item>& items, std::int64_t batch) {
    table_->replace(batch_of(items), batch);
  }
  void commit(std::int64_t batch) { tables_.commit({.batch = batch, .time_us = batch * 10}); }
  [[nodiscard]] Rows now() const { return rows_of(tables_.snapshot(), *table_); }

  LiveTables tables_;
  std::shared_ptr<LiveTable> table_ = tables_.open("items", kSchema, {0});
};

TEST_F(LiveTablesTest, NothingIsThereBeforeACommit) {
  EXPECT_EQ(tables_.snapshot().version().batch, -1);
  upsert({{1, "a", 1}}, 0);
  EXPECT_EQ(now(), Rows{});
  EXPECT_EQ(found(tables_.snapshot(), *table_, {std::int64_t{1}}), "none");
  EXPECT_EQ(tables_.snapshot().changed_at(*table_), -1);
  commit(0);
  EXPECT_EQ(now(), Rows{"1|a|1"});
  EXPECT_EQ(found(tables_.snapshot(), *table_, {std::int64_t{1}}), "1|a|1");
  EXPECT_EQ(tables_.snapshot().version().time_us, 0);
  EXPECT_EQ(table_->rows(), 1);
  EXPECT_GT(table_->bytes(), 0);
}

TEST_F(LiveTablesTest, ASnapshotKeepsWhatItSaw) {
  upsert({{1, "a", 1}, {2, "b", 2}}, 0);
  commit(0);
  const auto first = tables_.snapshot();
  upsert({{1, "a", 5}, {3, "c", -1}}, 1);
  commit(1);
  const auto second = tables_.snapshot();
  replace({{3, "c", -1}}, 2);
  EXPECT_EQ(rows_of(second, *table_), (Rows{"1|a|5", "2|b|2", "3|c|NULL"}));
  commit(2);
  EXPECT_EQ(rows_of(first, *table_), (Rows{"1|a|1", "2|b|2"}));
  EXPECT_EQ(rows_of(second, *table_), (Rows{"1|a|5", "2|b|2", "3|c|NULL"}));
  EXPECT_EQ(now(), Rows{"3|c|NULL"});
  EXPECT_EQ(found(first, *table_, {std::int64_t{1}}), "1|a|1");
  EXPECT_EQ(found(second, *table_, {std::int64_t{1}}), "1|a|5");
  EXPECT_EQ(found(tables_.snapshot(), *table_, {std::int64_t{1}}), "none");
  EXPECT_EQ(found(first, *table_, {std::int64_t{3}}), "none");
  EXPECT_EQ(found(tables_.snapshot(), *table_, {std::int64_t{3}}), "3|c|NULL");
  EXPECT_EQ(second.rows(*table_), 3);
}

// An attempt that fails between publish and commit leaves rows behind that nobody may see.
TEST_F(LiveTablesTest, WhatWasNotCommittedIsDropped) {
  upsert({{1, "a", 1}, {2, "b", 2}}, 0);
  commit(0);
  upsert({{1, "a", 99}, {9, "x", 9}}, 1);  // an attempt ends here
  EXPECT_EQ(now(), (Rows{"1|a|1", "2|b|2"}));
  upsert({{1, "a", 10}}, 1);  // the same batch once more
  commit(1);
  EXPECT_EQ(now(), (Rows{"1|a|10", "2|b|2"}));
  EXPECT_EQ(found(tables_.snapshot(), *table_, {std::int64_t{9}}), "none");

  replace({}, 2);  // and here, before a batch in which the table has nothing new
  commit(3);
  EXPECT_EQ(now(), (Rows{"1|a|10", "2|b|2"}));
  upsert({{2, "b", 3}}, 4);
  replace({{1, "a", 10}, {2, "b", 2}, {3, "c", 3}}, 3);  // as the checkpoint has it: a new attempt
  commit(3);
  EXPECT_EQ(now(), (Rows{"1|a|10", "2|b|2", "3|c|3"}));
}

TEST_F(LiveTablesTest, OfRowsWithOneKeyTheLastCounts) {
  upsert({{1, "a", 1}, {2, "b", 2}, {1, "a", 3}}, 0);
  commit(0);
  EXPECT_EQ(now(), (Rows{"1|a|3", "2|b|2"}));
}

TEST_F(LiveTablesTest, RowsAsTheyWereAreNoChange) {
  replace({{1, "a", 1}, {2, "b", -1}}, 0);
  commit(0);
  const auto stamp = tables_.snapshot().stamp(*table_);
  replace({{2, "b", -1}, {1, "a", 1}}, 1);
  commit(1);
  upsert({{1, "a", 1}}, 2);
  commit(2);
  EXPECT_EQ(tables_.snapshot().changed_at(*table_), 0);
  EXPECT_EQ(tables_.snapshot().stamp(*table_), stamp);
  EXPECT_EQ(changes(tables_.snapshot(), *table_, 0), Rows{});
  replace({{1, "a", 2}, {2, "b", -1}}, 2);  // a batch once more, with other rows: a rebuild
  commit(2);
  EXPECT_EQ(tables_.snapshot().changed_at(*table_), 2);
  EXPECT_NE(tables_.snapshot().stamp(*table_), stamp);
  EXPECT_EQ(changes(tables_.snapshot(), *table_, 2), Rows{"+1|a|2"});  // who saw 2 then
}

TEST_F(LiveTablesTest, ChangesTellWhatIsNewAndGone) {
  upsert({{1, "a", 1}, {2, "b", 2}, {3, "c", 3}}, 4);
  commit(4);
  upsert({{2, "b", 20}}, 5);
  commit(5);
  replace({{1, "a", 1}, {2, "b", 20}}, 6);
  commit(6);
  upsert({{3, "c", 30}}, 7);
  commit(7);
  replace({{1, "a", 1}, {3, "c", 30}}, 8);
  commit(8);
  const auto last = tables_.snapshot();
  EXPECT_EQ(changes(last, *table_, 8), Rows{});
  EXPECT_EQ(changes(last, *table_, 7), Rows{"-2|b|20"});
  EXPECT_EQ(changes(last, *table_, 6), (Rows{"+3|c|30", "-2|b|20"}));
  EXPECT_EQ(changes(last, *table_, 4), (Rows{"+3|c|30", "-2|b|20"}));
  EXPECT_EQ(changes(last, *table_, 3), Rows{"unknown"});
  EXPECT_EQ(changes(last, *table_, -1), (Rows{"+1|a|1", "+3|c|30"}));
}

TEST_F(LiveTablesTest, ATableWithoutAKeyIsComparedByItsRows) {
  table_ = tables_.open("plain", kSchema, {});
  replace({{1, "a", 1}, {1, "a", 1}, {2, "b", 2}}, 0);
  commit(0);
  EXPECT_EQ(now(), (Rows{"1|a|1", "1|a|1", "2|b|2"}));
  replace({{2, "b", 2}, {1, "a", 1}, {3, "c", 3}, {3, "c", 3}}, 1);
  commit(1);
  EXPECT_EQ(now(), (Rows{"1|a|1", "2|b|2", "3|c|3", "3|c|3"}));
  EXPECT_EQ(changes(tables_.snapshot(), *table_, 0), (Rows{"+3|c|3", "+3|c|3", "-1|a|1"}));
  EXPECT_THROW(upsert({{1, "a", 1}}, 2), Error);
}

TEST_F(LiveTablesTest, HistoryIsBounded) {
  LiveTables tables(/*history_bytes=*/64 << 10);
  const auto table = tables.open("items", kSchema, {0});
  for (int batch = 0; batch < 400; ++batch) {
    std::vector<Item> items;
    items.reserve(50);
    for (int i = 0; i < 50; ++i) {
      items.push_back({batch * 50 + i, "k", i});
    }
    table->replace(batch_of(items), batch);
    tables.commit({.batch = batch});
  }
  const auto last = tables.snapshot();
  EXPECT_EQ(changes(last, *table, 10), Rows{"unknown"});
  EXPECT_EQ(changes(last, *table, 398).size(), 100U);
  EXPECT_LT(table->bytes(), 1 << 20);
}

TEST_F(LiveTablesTest, TablesSwitchAtOnceAndAreFoundByName) {
  const auto other = tables_.open("Other", kSchema, {0, 1});
  EXPECT_EQ(tables_.find("OTHER"), other);
  EXPECT_EQ(tables_.find("none"), nullptr);
  EXPECT_EQ(tables_.open("other", kSchema, {0, 1}), other);
  upsert({{1, "a", 1}}, 0);
  other->upsert(batch_of({{1, "b", 1}, {1, "c", 2}}), 0);
  commit(0);
  EXPECT_EQ(found(tables_.snapshot(), *other, {std::int64_t{1}, std::string("c")}), "1|c|2");
  EXPECT_EQ(found(tables_.snapshot(), *other, {std::int64_t{1}, std::monostate()}), "none");
  const auto before = tables_.snapshot();
  const auto renewed = tables_.open("other", kSchema, {0});  // the query has changed
  EXPECT_NE(renewed, other);
  renewed->upsert(batch_of({{7, "x", 7}}), 1);
  commit(1);
  EXPECT_EQ(rows_of(tables_.snapshot(), *renewed), Rows{"7|x|7"});
  EXPECT_EQ(rows_of(tables_.snapshot(), *other), Rows{});
  EXPECT_EQ(rows_of(before, *other), (Rows{"1|b|1", "1|c|2"}));
}

TEST_F(LiveTablesTest, KeysOfAllTypesAreFound) {
  Database database({.threads = 1});
  const auto schema = database.parse_schema(
      "i INTEGER, d DATE, t TIMESTAMP, m DECIMAL(10,2), u UUID, b BOOLEAN, l INTEGER[], "
      "s STRUCT(a INTEGER, b VARCHAR), h UTINYINT, long VARCHAR");
  const auto table = tables_.open("types", schema, {0, 1, 2, 3, 4, 5, 8, 9});
  const auto rows = testing::batch_of(
      database, schema,
      "SELECT r::INTEGER, DATE '2024-02-29' + r::INTEGER, TIMESTAMP '2024-01-01' + INTERVAL (r) "
      "HOUR, (r / 4)::DECIMAL(10,2), '00000000-0000-0000-0000-00000000000a'::UUID, r % 2 = 0, "
      "[r, NULL], {'a': r, 'b': 'text that is long enough ' || r}, 200, "
      "'a key that is longer than twelve bytes ' || r FROM range(5000) t(r)");
  table->upsert(std::move(*rows), 0);
  commit(0);
  const auto key = [](std::int64_t r) {
    return std::vector<ReadValue>{r,
                                  DateValue{19782 + static_cast<std::int32_t>(r)},
                                  TimestampValue{1'704'067'200'000'000 + r * 3'600'000'000},
                                  static_cast<double>(r) / 4,
                                  std::string("00000000-0000-0000-0000-00000000000A"),
                                  r % 2 == 0,
                                  std::int64_t{200},
                                  "a key that is longer than twelve bytes " + std::to_string(r)};
  };
  EXPECT_EQ(found(tables_.snapshot(), *table, key(4321)).substr(0, 27),
            "4321|2035-12-29|2024-06-29 ");
  EXPECT_NE(found(tables_.snapshot(), *table, key(0)), "none");
  EXPECT_EQ(found(tables_.snapshot(), *table, key(5000)), "none");
  auto wrong = key(1);
  wrong[0] = std::int64_t{1} << 40;
  EXPECT_EQ(found(tables_.snapshot(), *table, wrong), "none");
  wrong = key(1);
  wrong[1] = std::string("no date");
  EXPECT_THROW((void)tables_.snapshot().find(*table, wrong, [](const Chunk&, std::size_t) {}),
               Error);
  EXPECT_EQ(tables_.snapshot().rows(*table), 5000);
  Rows nested;
  tables_.snapshot().for_each(
      *table, [&](const Chunk& chunk) { nested.push_back(render(chunk)[0][6].value_or("NULL")); });
  EXPECT_EQ(nested, (Rows{"[0, NULL]", "[2048, NULL]", "[4096, NULL]"}));
}

// Random batches beside a map that does the same; snapshots that are held for a while.
TEST_F(LiveTablesTest, AgreesWithAMap) {
  struct Held {
    LiveSnapshot snapshot;
    std::map<std::int64_t, Item> expected;
  };
  for (int seed = 0; seed < 4; ++seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    LiveTables tables;
    const auto table = tables.open("items", kSchema, {0});
    std::map<std::int64_t, Item> model;
    std::vector<Held> held;
    for (int batch = 0; batch < 80; ++batch) {
      const auto before = model;
      if (below(4) > 0) {
        std::vector<Item> items;
        const int keys = seed < 2 ? 300 : 5'000;
        for (int i = below(2) == 0 ? below(5) : below(2000); i > 0; --i) {
          const Item item{below(keys), "kind of item " + std::to_string(below(3)), below(9) - 1};
          items.push_back(item);
          model[item.id] = item;
        }
        table->upsert(batch_of(items), batch);
      } else {
        std::erase_if(model, [&](const auto&) { return below(10) == 0; });
        for (int i = below(50); i > 0; --i) {
          model[below(300)] = {0, "new", below(3)};
        }
        std::vector<Item> items;
        for (auto& [id, item] : model) {
          item.id = id;
          items.push_back(item);
        }
        table->replace(batch_of(items), batch);
      }
      if (below(10) == 0) {  // it fails, and leaves nothing
        model = before;
        table->replace(batch_of({}), batch);
        tables.commit({.batch = batch, .time_us = 0});
        model.clear();
      } else {
        tables.commit({.batch = batch, .time_us = 0});
      }
      held.push_back({tables.snapshot(), model});
      if (held.size() > 5) {
        held.erase(held.begin() + below(6));
      }
      for (const auto& [snapshot, expected] : held) {
        if (below(3) == 0) {
          Rows rows;
          for (const auto& [id, item] : expected) {
            rows.push_back(text_of(item));
          }
          std::ranges::sort(rows);
          ASSERT_EQ(rows_of(snapshot, *table), rows) << seed << " " << batch;
        }
        for (int i = 0; i < 20; ++i) {
          const std::int64_t id = below(400);
          const auto there = expected.find(id);
          ASSERT_EQ(found(snapshot, *table, {id}),
                    there == expected.end() ? "none" : text_of(there->second));
        }
        // Who has an older moment and follows comes to the last one.
        std::map<std::string, std::string> followed;
        for (const auto& [id, item] : expected) {
          followed[std::to_string(id)] = text_of(item);
        }
        ASSERT_TRUE(held.back().snapshot.changes(
            *table, snapshot.version().batch, [&](const Chunk& rows, bool gone) {
              for (std::size_t row = 0; row < rows.rows; ++row) {
                const auto id = std::to_string(rows.columns[0].values<std::int64_t>()[row]);
                if (gone) {
                  followed.erase(id);
                } else {
                  followed[id] = text_of(rows, row);
                }
              }
            }));
        ASSERT_EQ(followed.size(), held.back().expected.size());
        for (const auto& [id, item] : held.back().expected) {
          ASSERT_EQ(followed[std::to_string(id)], text_of(item));
        }
      }
    }
  }
}

// Every batch moves one unit from one account to another: no reader may see it in between.
TEST_F(LiveTablesTest, ReadersBesideTheWriterSeeWholeBatches) {
  constexpr int kAccounts = 1000;
  constexpr int kBatches = 300;
  std::vector<Item> accounts;
  accounts.reserve(kAccounts);
  for (int i = 0; i < kAccounts; ++i) {
    accounts.push_back({i, "account", 100});
  }
  upsert(accounts, 0);
  commit(0);
  std::atomic<bool> done = false;
  std::atomic<int> reads = 0;
  std::vector<std::jthread> readers;
  readers.reserve(4);
  for (unsigned r = 0; r < 4; ++r) {
    readers.emplace_back([&, r] {
      std::mt19937 random(r);
      while (!done || reads < 8) {
        const auto snapshot = tables_.snapshot();
        std::int64_t sum = 0;
        std::int64_t rows = 0;
        snapshot.for_each(*table_, [&](const Chunk& chunk) {
          rows += static_cast<std::int64_t>(chunk.rows);
          for (std::size_t i = 0; i < chunk.rows; ++i) {
            sum += chunk.columns[2].values<std::int32_t>()[i];
          }
        });
        EXPECT_EQ(rows, kAccounts);
        EXPECT_EQ(sum, kAccounts * 100);
        std::int64_t by_key = 0;
        for (std::int64_t id = 0; id < kAccounts; ++id) {
          const ReadValue key = id;
          EXPECT_TRUE(snapshot.find(*table_, {&key, 1}, [&](const Chunk& chunk, std::size_t row) {
            by_key += chunk.columns[2].values<std::int32_t>()[row];
          }));
        }
        EXPECT_EQ(by_key, kAccounts * 100);
        reads++;
      }
    });
  }
  std::mt19937 random(7);
  for (int batch = 1; batch <= kBatches; ++batch) {
    std::map<std::size_t, Item> changed;
    for (int i = 0; i < 20; ++i) {
      const auto from = random() % kAccounts;
      const auto to = random() % kAccounts;
      if (accounts[from].value > 0) {
        accounts[from].value--;
        accounts[to].value++;
        changed[from] = accounts[from];
        changed[to] = accounts[to];
      }
    }
    std::vector<Item> items;
    items.reserve(changed.size());
    for (const auto& [place, item] : changed) {
      items.push_back(item);
    }
    upsert(items, batch);
    commit(batch);
  }
  done = true;
}

TEST_F(LiveTablesTest, MemoryStaysBounded) {
  std::mt19937 random(3);
  std::vector<Item> items;
  items.reserve(20'000);
  for (int i = 0; i < 20'000; ++i) {
    items.push_back({i, "some longer text for the heap", 0});
  }
  upsert(items, 0);
  commit(0);
  const auto first = table_->bytes();
  for (int batch = 1; batch <= 10'000; ++batch) {
    items.clear();
    for (int i = 0; i < 20; ++i) {
      items.push_back(
          {static_cast<std::int64_t>(random() % 20'000), "some longer text for the heap", batch});
    }
    upsert(items, batch);
    commit(batch);
  }
  EXPECT_EQ(table_->rows(), 20'000);
  EXPECT_LT(table_->bytes(), first * 5 / 2);
}

TEST_F(LiveTablesTest, WaitsAndCallsBack) {
  std::vector<std::int64_t> seen;
  auto handle =
      tables_.on_commit([&](const LiveVersion& version) { seen.push_back(version.batch); });
  std::jthread writer([&] { commit(3); });
  EXPECT_TRUE(tables_.wait_for(3, std::chrono::steady_clock::now() + std::chrono::minutes(1), {}));
  EXPECT_FALSE(tables_.wait_for(4, std::chrono::steady_clock::now(), {}));
  writer.join();
  handle.reset();
  commit(4);
  EXPECT_EQ(seen, std::vector<std::int64_t>{3});
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(tables_.wait_for(9, std::chrono::steady_clock::now() + std::chrono::minutes(1),
                                stop.get_token()));
}

}  // namespace
}  // namespace millrace::sql
