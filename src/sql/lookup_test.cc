// Joins with tables that are looked up give what the same joins give with the tables read whole.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iterator>
#include <mutex>
#include <set>

#include "base/error.h"
#include "sql/lookup_table.h"
#include "sql/support_test.h"

namespace millrace::sql {
namespace {

using namespace testing;
using std::chrono::milliseconds;

/// Customers: 100 ids, of which some have several rows, and some regions that differ in case only.
struct Customer {
  std::int64_t id = 0;
  std::string region;
  std::optional<std::string> name;
  std::int32_t score = 0;
};

constexpr const char* kCustomers =
    "SELECT i::BIGINT AS id, r AS region, CASE WHEN i % 7 = 0 THEN NULL ELSE 'name of ' || i END "
    "AS name, (i * 31 % 50)::INT AS score, [r, NULL, 'x'] AS tags FROM range(0, 100, 2) t(i), "
    "(VALUES ('eu'), ('EU'), ('us')) regions(r) WHERE r = 'eu' OR (r = 'EU' AND i % 3 = 0) OR "
    "(r = 'us' AND i % 10 = 0)";

std::vector<Customer> customers() {
  std::vector<Customer> all;
  for (std::int64_t i = 0; i < 100; i += 2) {
    for (const char* region : {"eu", "EU", "us"}) {
      const std::string r = region;
      if (r == "eu" || (r == "EU" && i % 3 == 0) || (r == "us" && i % 10 == 0)) {
        all.push_back({i, r,
                       i % 7 == 0 ? std::nullopt : std::optional(fmt::format("name of {}", i)),
                       static_cast<std::int32_t>(i * 31 % 50)});
      }
    }
  }
  return all;
}

/// What a source would do, less its network. It compares texts without regard to case.
class Server final : public KeyLookup {
 public:
  /// `by_region`: the key has this column, too.
  explicit Server(bool by_region) : by_region_(by_region) {}

  std::unique_ptr<RowReader> look_up(const Chunk& keys, MalformedReceiver& /*m*/) override {
    std::vector<Customer> found;
    const std::lock_guard guard(lock);
    ++calls;
    if (fails > 0) {
      --fails;
      throw Error(Blame::external, "the server is away", Retry::yes);
    }
    for (std::size_t row = 0; row < keys.rows; ++row) {
      const auto id = keys.columns[0].values<std::int64_t>()[row];
      EXPECT_TRUE(asked_now.emplace(id).second || by_region_) << "twice: " << id;
      asked.insert(id);
      for (const Customer& each : rows) {
        if (each.id == id &&
            (!by_region_ || (each.region == "us") == (keys.columns[1].string(row) == "us"))) {
          found.push_back(each);
        }
      }
    }
    asked_now.clear();
    return std::make_unique<Reader>(std::move(found));
  }

  std::vector<Customer> rows = customers();
  std::mutex lock;
  std::multiset<std::int64_t> asked;
  std::set<std::int64_t> asked_now;
  int calls = 0;
  int fails = 0;

 private:
  class Reader final : public RowReader {
   public:
    explicit Reader(std::vector<Customer> rows) : rows_(std::move(rows)) {}
    std::size_t read(ChunkWriter& to) override {
      std::size_t count = 0;
      for (; count < kChunkRows && next_ < rows_.size(); ++count, ++next_) {
        const Customer& row = rows_[next_];
        to.values<std::int64_t>(0)[count] = row.id;
        to.set_string(1, count, row.region);
        if (row.name) {
          to.set_string(2, count, *row.name);
        } else {
          to.set_null(2, count);
        }
        to.values<std::int32_t>(3)[count] = row.score;
        write_tags(to.column(4), count, row.region);
      }
      return count;
    }

   private:
    static void write_tags(ColumnWriter* tags, std::size_t row, const std::string& region) {
      if (tags == nullptr) {
        return;
      }
      tags->begin_list(row);
      tags->parts()[0]->set_string(tags->add_element(row), region);
      tags->parts()[0]->set_null(tags->add_element(row));
      tags->parts()[0]->set_string(tags->add_element(row), "x");
    }
    std::vector<Customer> rows_;
    std::size_t next_ = 0;
  };

  bool by_region_;
};

class NoMalformed final : public MalformedReceiver {
 public:
  void add(const MalformedRow& row) override { ADD_FAILURE() << row.reason; }
};

class LookupTest : public ::testing::TestWithParam<int> {
 protected:
  LookupTest() {
    database_.declare("events", events_, Shape::stream);
    database_.declare("whole", dim_, Shape::table);
    database_.declare("other", database_.parse_schema("a BIGINT, b BIGINT"), Shape::table);
    by_id_ = make("customers", {0}, 100'000);
    by_both_ = make("regional", {0, 1}, 100'000);
  }

  Server* make(const std::string& name, std::vector<std::size_t> key, std::int64_t max_rows,
               std::int64_t max_bytes = 64LL << 20) {
    auto server = std::make_unique<Server>(key.size() > 1);
    Server* made = server.get();
    tables_[name] = std::make_shared<LookupTable>(name, dim_,
                                                  LookupOptions{.key = std::move(key),
                                                                .ttl = milliseconds(1000),
                                                                .max_rows = max_rows,
                                                                .max_bytes = max_bytes},
                                                  std::move(server), [this] { return now_; });
    database_.declare(tables_[name]);
    return made;
  }

  std::shared_ptr<Batch> events(int count, int from = 0) {
    return batch_of(database_, events_,
                    fmt::format("SELECT CASE WHEN i % 11 = 0 THEN NULL ELSE i * 7919 % 120 END, "
                                "(i * 31 % 60)::INT, CASE i % 4 WHEN 0 THEN 'eu' WHEN 1 THEN 'EU' "
                                "WHEN 2 THEN 'us' END, i::VARCHAR FROM range({}, {}) t(i)",
                                from, from + count));
  }

  void begin_batch() {
    for (auto& [name, table] : tables_) {
      table->begin_batch(no_malformed_);
    }
  }

  Rows run(Plan& plan, const std::shared_ptr<Batch>& rows, RunCounts* counted = nullptr) {
    begin_batch();
    plan.begin_batch(0, 1'000'000);
    for (const auto& input : plan.inputs()) {
      if (input.name == "events") {
        plan.give(input.name, rows);
      } else if (input.name == "whole") {
        plan.give(input.name, batch_of(database_, dim_, kCustomers));
      } else {
        plan.give(input.name, batch_of(database_, database_.parse_schema("a BIGINT, b BIGINT"),
                                       "SELECT i, i * 2 FROM range(60) t(i)"));
      }
    }
    Collect to;
    const auto what = plan.shape() == Shape::stream ? Run::rows : Run::complete;
    const RunCounts counts = plan.run(what, to);
    expect_rows_add_up(counts);
    if (counted != nullptr) {
      *counted = counts;
    }
    return to.sorted();
  }

  /// Runs the SQL with the table read whole, and looked up; by feeding it as well.
  void expect_equal(const std::string& sql, const std::string& lookup, int rows = 5000) {
    const auto batch = events(rows);
    const auto expected = run(*database_.plan("whole", over(sql, "events", "whole")), batch);
    std::unique_ptr<Plan> plan;
    try {
      plan = database_.plan("looked", over(sql, "events", lookup));
    } catch (const Error& error) {
      ADD_FAILURE() << sql << "\n" << error.what();
      return;
    }
    EXPECT_EQ(plan->lookups(), std::vector<std::string>{lookup}) << sql;
    EXPECT_EQ(difference(run(*plan, batch), expected), "") << sql << "\n" << plan->explain();
    EXPECT_FALSE(expected.empty()) << sql;
    if (plan->feedable() && plan->shape() == Shape::stream) {
      ++fed_;
      Collect to;
      const auto feed = plan->feed(to);
      const auto writer = feed->writer();
      batch->for_each([&](const Chunk& chunk) { writer->write(chunk); });
      writer->finish();
      expect_rows_add_up(feed->end());
      EXPECT_EQ(difference(to.sorted(), expected), "") << sql;
    }
  }

  /// Of two sorted results; empty: there is none.
  static std::string difference(const Rows& got, const Rows& expected) {
    Rows more;
    Rows missing;
    std::ranges::set_difference(got, expected, std::back_inserter(more));
    std::ranges::set_difference(expected, got, std::back_inserter(missing));
    std::string text;
    for (const auto& [rows, what] :
         {std::pair(&more, "too much"), std::pair(&missing, "missing")}) {
      for (std::size_t i = 0; i < std::min<std::size_t>(rows->size(), 5); ++i) {
        text += fmt::format("{}: {} ({} in all)\n", what, (*rows)[i], rows->size());
      }
    }
    return text;
  }

  void expect_refused(const std::string& sql, const std::string& words) {
    const std::string text = refusal(database_, sql);
    EXPECT_NE(text.find(words), std::string::npos) << sql << "\n" << text;
  }

  std::chrono::steady_clock::time_point now_{std::chrono::hours(1)};
  NoMalformed no_malformed_;
  Database database_{{.threads = GetParam(), .memory_limit_bytes = 0, .temp_directory = ""}};
  Schema events_ = database_.parse_schema("u BIGINT, v INTEGER, region VARCHAR, t VARCHAR");
  Schema dim_ = database_.parse_schema(
      "id BIGINT, region VARCHAR, name VARCHAR, score INTEGER, tags VARCHAR[]");
  std::map<std::string, std::shared_ptr<LookupTable>> tables_;
  Server* by_id_ = nullptr;
  Server* by_both_ = nullptr;
  int fed_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Threads, LookupTest, ::testing::Values(1, 2),
                         [](const auto& threads) { return fmt::format("{}", threads.param); });

TEST_P(LookupTest, JoinsEqualThoseOfTheWholeTable) {
  for (const std::string sql : {
           "SELECT u, v, name, d.region AS r, tags FROM %s JOIN %d d ON u = d.id",
           "SELECT u, v, name, d.region AS r, tags FROM %s LEFT JOIN %d d ON u = d.id",
           "SELECT u, v, name FROM %s, %d d WHERE u = d.id AND v > 20",
           "SELECT u, v, name FROM %d d JOIN %s ON u = d.id",
           "SELECT u, v, name FROM %d d RIGHT JOIN %s ON u = d.id",
           "SELECT * FROM (SELECT u AS id, v FROM %s) e JOIN %d c USING (id)",
           "SELECT * FROM (SELECT u AS id, v FROM %s) e LEFT JOIN %d c USING (id)",
           // Further conditions, on either side and on both.
           "SELECT u, v, name FROM %s e JOIN %d d ON u = d.id AND e.region = d.region",
           "SELECT u, v, name FROM %s e LEFT JOIN %d d ON u = d.id AND e.region = d.region",
           "SELECT u, v, score FROM %s LEFT JOIN %d d ON u = d.id AND v < score",
           "SELECT u, v, score FROM %s LEFT JOIN %d d ON u = d.id AND v > 30 AND score > 20",
           "SELECT u, v, score FROM %s LEFT JOIN %d d ON u = d.id AND (v + score) % 2 = 0",
           "SELECT u, v, score FROM %s LEFT JOIN %d d ON u = d.id WHERE score IS NULL OR v > score",
           "SELECT u, v, score FROM %s LEFT JOIN %d d ON u = d.id AND name IS NULL",
           R"(SELECT u, v, score FROM %s JOIN %d d ON u = d.id WHERE d.region IN
              ('eu', 'us', 'a', 'b', 'c', 'd', 'e', 'f'))",
           R"(SELECT u, v, n FROM %s LEFT JOIN (SELECT id, upper(name) AS n, score FROM %d WHERE
              score > 10) d ON u = d.id AND d.score < 40)",
           R"(SELECT u, v, n FROM %s LEFT JOIN (SELECT id AS i, coalesce(name, '?') AS n FROM %d) d
              ON u = i)",
           // Keys that are computed, or of other types.
           "SELECT u, v, name FROM %s JOIN %d d ON u * 2 = d.id",
           "SELECT u, v, name FROM %s JOIN %d d ON v = d.id",
           "SELECT u, v, name FROM %s LEFT JOIN %d d ON v::DECIMAL(20, 1) = d.id",
           "SELECT u, v, name FROM %s JOIN %d d ON t::BIGINT = d.id",
           "SELECT u, v, name FROM %s JOIN %d d ON u::HUGEINT = d.id",
           // Twice, and beside a table.
           R"(SELECT u, a.name AS x, b.score AS y FROM %s LEFT JOIN %d a ON u = a.id LEFT JOIN %d b
              ON v = b.id)",
           "SELECT u, o.b, c.name FROM %s JOIN other o ON u = o.a JOIN %d c ON o.b = c.id",
           "SELECT u, o.b, c.name FROM %s JOIN %d c ON u = c.id JOIN other o ON c.score = o.a",
           // Whether there is one.
           "SELECT u, v FROM %s WHERE u IN (SELECT id FROM %d)",
           "SELECT u, v FROM %s WHERE u IN (SELECT id FROM %d WHERE score > 25)",
           "SELECT u, v FROM %s e WHERE EXISTS (SELECT 1 FROM %d d WHERE d.id = e.u)",
           "SELECT u, v FROM %s e WHERE NOT EXISTS (SELECT 1 FROM %d d WHERE d.id = e.u)",
           "SELECT u, v, u IN (SELECT id FROM %d) AS known FROM %s",
           "SELECT u, v FROM %s SEMI JOIN %d d ON u = d.id",
           "SELECT u, v FROM %s ANTI JOIN %d d ON u = d.id",
           "SELECT u, v FROM %s LEFT JOIN %d d ON u = d.id WHERE d.id IS NULL",
           // Within more.
           "SELECT count(*) AS n, sum(score) AS s FROM %s JOIN %d d ON u = d.id",
           R"(SELECT d.region AS r, count(*) AS n, sum(v) AS s FROM %s LEFT JOIN %d d ON u = d.id
              GROUP BY ALL)",
           R"(WITH c AS (SELECT id, name FROM %d), e AS (SELECT u, v FROM %s WHERE v > 5) SELECT *
              FROM e LEFT JOIN c ON e.u = c.id)",
           "SELECT u, v, name FROM %s JOIN %d d ON u = d.id WHERE u = 42 OR u = 44",
           "SELECT u, v, name FROM %s JOIN %d d ON u = d.id WHERE u = 42",
       }) {
    expect_equal(sql, "customers");
  }
  EXPECT_GT(fed_, 20);
}

TEST_P(LookupTest, KeysOfSeveralColumns) {
  for (const std::string sql : {
           "SELECT u, e.region AS r, name FROM %s e JOIN %d d ON u = d.id AND e.region = d.region",
           R"(SELECT u, d.region AS r, name FROM %s e LEFT JOIN %d d ON u = d.id AND e.region =
              d.region AND score > v)",
           R"(SELECT id, region, v, name FROM (SELECT u AS id, region, v FROM %s) e LEFT JOIN %d d
              USING (id, region))",
           "SELECT u, name FROM %s e JOIN %d d ON u = d.id AND 'eu' = d.region",
       }) {
    expect_equal(sql, "regional");
  }
}

// Look-ups below windows of event time, and above them.
TEST_P(LookupTest, WindowsBesideLookups) {
  const Schema timed = database_.parse_schema("ts TIMESTAMP, u BIGINT");
  database_.declare("timed", timed, Shape::stream, std::nullopt, {{0, {1'000'000}}});
  const auto rows = batch_of(database_, timed,
                             "SELECT TIMESTAMP '2026-01-01' + INTERVAL (i % 100) SECOND, i % 120 "
                             "FROM range(5000) t(i)");
  const std::int64_t end = 1'767'225'600'000'000 + 90'000'000;
  for (const std::string sql : {
           R"(SELECT tumble(ts, INTERVAL 7 SECONDS) AS w, region, count(*) AS n FROM timed LEFT JOIN
              %d d ON u = d.id GROUP BY ALL)",
           R"(SELECT w, n, name, region FROM (SELECT tumble(ts, INTERVAL 7 SECONDS) AS w, u,
              count(*) AS n FROM timed GROUP BY ALL) c LEFT JOIN %d d ON c.u = d.id)",
       }) {
    Rows results[2];
    for (const std::string table : {"whole", "customers"}) {
      const auto plan = database_.plan("p", over(sql, "", table));
      begin_batch();
      plan->begin_batch(0, end);
      plan->give("timed", rows);
      if (table == "whole") {
        plan->give("whole", batch_of(database_, dim_, kCustomers));
      }
      plan->give_bounds("timed", {{0, end}});
      Collect to;
      expect_rows_add_up(plan->run(Run::finish, to));
      results[table == "whole" ? 0 : 1] = to.sorted();
    }
    EXPECT_EQ(difference(results[1], results[0]), "") << sql;
    EXPECT_GT(results[0].size(), 12U);
  }
}

TEST_P(LookupTest, ReadsEachKeyOnceUntilItIsOld) {
  const auto plan =
      database_.plan("looked", "SELECT u, name FROM events LEFT JOIN customers ON u = id");
  RunCounts counts;
  const auto first = run(*plan, events(20'000), &counts);
  EXPECT_EQ(counts.scanned, 20'000);
  EXPECT_GT(counts.looked_up, 5'000);
  EXPECT_EQ(by_id_->asked.size(), 120U);  // those without a row, too
  auto stats = tables_["customers"]->stats();
  EXPECT_EQ(stats.keys_read, 120);
  EXPECT_EQ(stats.rows_read, 77);
  EXPECT_EQ(stats.rows, 77 + 70);
  EXPECT_GE(stats.keys, 1000);

  now_ += milliseconds(999);
  by_id_->rows[0].name = "another";
  EXPECT_EQ(run(*plan, events(20'000)), first);
  EXPECT_EQ(by_id_->asked.size(), 120U);
  EXPECT_EQ(tables_["customers"]->stats().keys_read, 0);

  now_ += milliseconds(1);
  EXPECT_NE(run(*plan, events(20'000)), first);
  EXPECT_EQ(by_id_->asked.size(), 240U);
  run(*plan, events(0));
  EXPECT_EQ(by_id_->asked.size(), 240U);
}

TEST_P(LookupTest, WhatIsRememberedIsBounded) {
  struct Bounds {
    std::int64_t rows;
    std::int64_t bytes;
  };
  const std::string sql = "SELECT u, v, name FROM %s LEFT JOIN %d d ON u = d.id";
  for (const Bounds bounds :
       {Bounds{1, 1 << 20}, {3, 1 << 20}, {50, 1 << 20}, {1000, 1}, {1000, 2000}}) {
    make("small", {0}, bounds.rows, bounds.bytes);
    expect_equal(sql, "small");
    const auto stats = tables_["small"]->stats();
    EXPECT_LE(stats.rows, bounds.rows);
    EXPECT_LE(stats.bytes, bounds.bytes);
    EXPECT_GT(stats.keys_read, 120);
  }
  // Those not used for longest go first.
  Server* server = make("small", {0}, 10);
  const auto plan = database_.plan("looked", "SELECT u, score FROM events JOIN small ON u = id");
  const auto one = [&](int id) {
    run(*plan, batch_of(database_, events_, fmt::format("SELECT {}, 0, 'eu', ''", id)));
  };
  for (int i = 0; i < 9; ++i) {
    one(1001 + i);
    one(1);
  }
  server->asked.clear();
  one(1);
  one(1009);
  EXPECT_EQ(server->asked.size(), 0U);
  one(1010);
  one(1001);
  one(1);
  EXPECT_EQ(server->asked.size(), 2U);
}

TEST_P(LookupTest, AKeyOfTooManyRowsIsNone) {
  Server* server = make("many", {0}, 5);
  server->rows.assign(20'000, {.id = 3, .region = "eu", .name = "x", .score = 1});
  const auto plan = database_.plan("looked", "SELECT u, score FROM events JOIN many ON u = id");
  try {
    run(*plan, events(200));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("more than 10000 rows have the same id"),
              std::string::npos)
        << error.what();
  }
  server->rows.resize(9'000);  // more than a chunk, and than are remembered
  EXPECT_EQ(run(*plan, batch_of(database_, events_, "SELECT 3, 0, 'eu', '' FROM range(2)")).size(),
            18'000U);
}

TEST_P(LookupTest, ErrorsEndTheRunAndNothingStaysUnderWay) {
  const auto plan =
      database_.plan("looked", "SELECT u, score FROM events JOIN customers ON u = id");
  by_id_->fails = 1;
  try {
    run(*plan, events(20'000));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "the server is away");
    EXPECT_EQ(error.retry(), Retry::yes);
  }
  EXPECT_FALSE(run(*plan, events(20'000)).empty());
}

TEST_P(LookupTest, OtherUsesAreRefused) {
  expect_refused("SELECT * FROM customers", "it can be read only where a stream is joined with it");
  expect_refused("SELECT count(*) FROM customers", "`as: table`");
  expect_refused("SELECT u, name FROM events JOIN customers ON u < id", "`as: table`");
  expect_refused("SELECT u, name FROM events JOIN customers ON name = t", "compare customers.id");
  expect_refused("SELECT u, name FROM events LEFT JOIN customers ON u / 2 = id",
                 "all of its values");
  expect_refused("SELECT u, name FROM events LEFT JOIN customers ON v > 3", "`as: table`");
  expect_refused("SELECT u, name FROM events CROSS JOIN customers", "`as: table`");
  expect_refused("SELECT u, name FROM events JOIN customers ON u = id OR v = id", "`as: table`");
  expect_refused("SELECT u, name FROM events JOIN regional ON u = id", "regional.region");
  expect_refused("SELECT u, name FROM events JOIN customers ON t = id::VARCHAR",
                 "a type that holds all of its values");
  expect_refused("SELECT u, name FROM events FULL JOIN customers ON u = id", "FULL JOIN");
  expect_refused("SELECT u, name FROM customers LEFT JOIN events ON u = id", "LEFT JOIN");
  expect_refused("SELECT a, name FROM other JOIN customers ON a = id", "is a table");
  expect_refused("SELECT u, name FROM other, customers, events WHERE a = id AND u = b", "table");
  expect_refused("SELECT a.id FROM customers a JOIN customers b USING (id)", "`as: table`");
  expect_refused("SELECT u, (SELECT max(score) FROM customers) AS m FROM events", "`as: table`");
  expect_refused(
      "SELECT u FROM events JOIN (SELECT id, count(*) AS n FROM customers GROUP BY id) "
      "ON u = id",
      "`as: table`");
  expect_refused("SELECT u FROM events WHERE (u, region) NOT IN (SELECT id, region FROM regional)",
                 "regional");
}

TEST_P(LookupTest, WhatAKeyCanBe) {
  const Schema schema = database_.parse_schema("a DOUBLE, b INTERVAL, c INTEGER[], d UUID");
  for (const std::size_t column : {0, 1, 2}) {
    EXPECT_THROW(LookupTable("t", schema, {.key = {column}}, nullptr), Error);
  }
  EXPECT_EQ(LookupTable("t", schema, {.key = {3}}, nullptr).key_text(), "d");
}

TEST_P(LookupTest, OnlyWhatIsReadIsKept) {
  const auto plan = database_.plan("a", "SELECT u FROM events SEMI JOIN customers ON u = id");
  run(*plan, events(1000));
  const auto little = tables_["customers"]->stats().bytes;
  make("again", {0}, 100'000);
  const auto all = database_.plan("b", "SELECT u, c.* FROM events JOIN again c ON u = id");
  run(*all, events(1000));
  EXPECT_GT(tables_["again"]->stats().bytes, little + 77 * 20);
}

}  // namespace
}  // namespace millrace::sql
