// What queries find in the kept rows of a lake's files is what DuckDB finds in the files.
#include "serve/lake.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>

#include "base/strings.h"
#include "base/test_folder.h"
#include "spec/test_support.h"

namespace millrace::serve {
namespace {

/// A query, and the column that it demands a value of.
struct Asked {
  std::string column;
  std::string type;  ///< of the parameter
  std::string op = "=";
  std::string parameter = "$key";
};

class KeptLakeTest : public ::testing::Test {
 protected:
  static constexpr int kDays = 12;
  static constexpr int kFirstDay = 19723;  // 2024-01-01

  KeptLakeTest() {
    tables_.commit({.batch = 0});
    for (int day = 0; day < kDays; ++day) {
      write(day, 0);
      if (any(3) == 0) {
        write(day, 1);
      }
    }
  }

  int any(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

  /// A file of a day whose columns differ from those of others: in order and type, and one may be
  /// missing. Written again it has other rows.
  void write(int day, int number) {
    static constexpr std::array<const char*, 3> kInts = {"SMALLINT", "INTEGER", "BIGINT"};
    std::vector<std::string> columns = {
        fmt::format("CASE WHEN r % 13 > 0 THEN (hash(r, {}) % 40)::{} END AS id", random_() % 1000,
                    kInts[static_cast<std::size_t>(any(3))]),
        "CASE WHEN r % 7 > 0 THEN 'name ' || (r % 50) END AS name",
        "TIMESTAMP '2024-05-05 00:00:00' + to_hours((r % 30)::BIGINT) AS seen",
        fmt::format("(r % 3 + {})::DOUBLE AS amount", any(5)),
        "DATE '2024-03-01' + (r % 20)::INTEGER AS born"};
    std::ranges::shuffle(columns, random_);
    if (any(4) == 0 && !columns.back().ends_with(" id")) {
      columns.pop_back();
    }
    const auto date =
        day == 0 ? std::string("__HIVE_DEFAULT_PARTITION__") : fmt::format("2024-01-{:02}", day);
    auto path =
        folder_.write(fmt::format("lake/date={}/{}-{}.parquet", date, number, ++written_), "");
    database_.query(fmt::format("COPY (SELECT {} FROM range({}) t(r)) TO '{}' (FORMAT parquet)",
                                join(columns, ", "), any(3000), path));
    auto& of = files_[{day, number}];
    of = {.path = std::move(path), .size = written_};
  }

  [[nodiscard]] ReadableFiles readable() const {
    ReadableFiles all{{}, "read_parquet", "union_by_name = true"};
    for (const auto& [place, file] : files_) {
      all.files.push_back(file);
    }
    return all;
  }
  [[nodiscard]] std::string all_files() const {
    std::vector<std::string> paths;
    paths.reserve(files_.size());
    for (const auto& [place, file] : files_) {
      paths.push_back(sql::quote_text(file.path));
    }
    return fmt::format(
        "(SELECT id::INTEGER AS id, name, seen, amount, born, date FROM read_parquet([{}], "
        "union_by_name = true, hive_partitioning = true, hive_types = {{date: DATE}}))",
        join(paths, ", "));
  }
  static std::string select(const std::string& from, const std::string& where) {
    return fmt::format(
        "SELECT array_to_string(list_sort(list(concat_ws(',', coalesce(id::VARCHAR, '-'), "
        "coalesce(name, '-'), "
        "coalesce(seen::VARCHAR, '-'), coalesce(amount::VARCHAR, '-'), coalesce(born::VARCHAR, "
        "'-'), coalesce(date::VARCHAR, '-')))), '|') AS found FROM {} WHERE {}",
        from, where);
  }
  sql::ReadValue any_value(const Asked& asked) {
    if (asked.type == "BIGINT") {
      return any(20) == 0 ? sql::ReadValue(std::int64_t{1} << 40) : std::int64_t{any(45) - 2};
    }
    if (asked.type == "VARCHAR") {
      return any(9) == 0 ? std::string("' OR true --") : fmt::format("name {}", any(55));
    }
    if (asked.type == "DATE") {
      return sql::DateValue{asked.column == "date" ? kFirstDay + any(kDays) : 19783 + any(22)};
    }
    return sql::TimestampValue{(std::int64_t{19848} * 24 + any(32)) * 3'600'000'000};
  }
  static std::string literal(const sql::ReadValue& value) {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      return std::to_string(*whole);
    }
    if (const auto* text = std::get_if<std::string>(&value)) {
      return sql::quote_text(*text);
    }
    if (const auto* date = std::get_if<sql::DateValue>(&value)) {
      return fmt::format("DATE '1970-01-01' + {}", date->days);
    }
    if (const auto* time = std::get_if<sql::TimestampValue>(&value)) {
      return fmt::format("make_timestamp({})", time->us);
    }
    return "NULL";
  }

  /// Asks the lake as an endpoint does, and DuckDB. Returns whether rows in memory were used.
  bool ask(Lake& lake, const Asked& asked) {
    const std::string where = fmt::format("{} {} {} AND date >= $from AND date <= $to",
                                          asked.column, asked.op, asked.parameter);
    const std::vector<sql::ReadParameter> parameters{
        {"key", asked.type}, {"from", "DATE"}, {"to", "DATE"}};
    const std::vector<std::string> names{"key", "from", "to"};
    const int from = kFirstDay + any(kDays);
    const std::vector<sql::ReadValue> values{any(30) == 0 ? sql::ReadValue() : any_value(asked),
                                             sql::DateValue{from}, sql::DateValue{from + any(5)}};
    const auto snapshot = tables_.snapshot();
    lake.look(snapshot);
    const sql::ReadQuery fresh(database_, select("lake", where), {lake.relation()}, parameters);
    const auto relation = lake.kept_relation(fresh);
    sql::ReadMoment moment{.snapshot = snapshot};
    const bool is_kept = relation && lake.bring_kept({fresh, names, values}, moment);
    std::string got;
    const auto run = [&](const sql::ReadQuery& query) {
      auto rows = sql::QueryRunner(database_).run(query, values, moment, 2);
      rows.for_each([&](const Chunk& chunk) {
        got = chunk.columns[0].is_null(0) ? "NULL" : chunk.columns[0].string(0);
      });
    };
    if (is_kept) {
      run(sql::ReadQuery(database_, select("lake", where), {*relation}, parameters));
    } else {
      lake.bring({fresh, names, values}, moment);
      run(fresh);
    }
    auto plain = where;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto at = plain.find("$" + names[i]);
      plain.replace(at, names[i].size() + 1, "(" + literal(values[i]) + ")");
    }
    const auto expected =
        database_.query(select(all_files(), plain)).rows.at(0).at(0).value_or("NULL");
    EXPECT_EQ(got, expected) << plain << (is_kept ? " in memory" : " by a query");
    return is_kept;
  }

  TempFolder folder_;
  sql::Database database_{{.threads = 2}};
  sql::LiveTables tables_;
  std::mt19937 random_{7};
  int written_ = 0;
  std::map<std::pair<int, int>, FileScan::File> files_;
};

TEST_F(KeptLakeTest, FindsWhatDuckDbFinds) {
  const Schema schema = database_.parse_schema(
      "id INTEGER, name VARCHAR, seen TIMESTAMP, amount DOUBLE, born DATE, date DATE");
  for (const std::int64_t bytes : {64 << 20, 300 << 10}) {
    sql::KeptFiles kept(database_, bytes);
    std::int64_t batch = tables_.snapshot().version().batch;
    Lake lake("lake", schema, std::nullopt, [&](std::int64_t) { return readable(); }, &kept);
    std::map<std::string, int> in_memory;
    const std::vector<Asked> all{
        {"id", "BIGINT"}, {"name", "VARCHAR"}, {"seen", "TIMESTAMP"}, {"born", "DATE"}};
    for (int i = 0; i < 240; ++i) {
      const Asked& asked = all[static_cast<std::size_t>(any(4))];
      in_memory[asked.column] += ask(lake, asked) ? 1 : 0;
      if (i % 20 == 0) {
        kept.settle();
      }
      if (i % 40 == 39) {  // a batch replaces a file, takes one away and adds one
        write(any(kDays), 0);
        files_.erase(std::prev(files_.end()));
        write(any(kDays), 2 + (i / 40));
        tables_.commit({.batch = ++batch});
      }
    }
    for (const Asked& asked : all) {
      EXPECT_GT(in_memory[asked.column], bytes > 1 << 20 ? 15 : 0) << asked.column;
    }
    EXPECT_LE(kept.stats().bytes, bytes);
  }
}

TEST_F(KeptLakeTest, WhatIsComparedAnotherWayIsAQueryOverTheFiles) {
  const Schema schema = database_.parse_schema(
      "id INTEGER, name VARCHAR, seen TIMESTAMP, amount DOUBLE, born DATE, date DATE");
  sql::KeptFiles kept(database_, 64 << 20);
  Lake lake("lake", schema, std::nullopt, [&](std::int64_t) { return readable(); }, &kept);
  const std::vector<Asked> others{{"date", "DATE"},
                                  {"id", "BIGINT", ">="},
                                  {"id", "BIGINT", "=", "($key % 2)"},
                                  {"id", "BIGINT", "=", "$key::BOOLEAN::INTEGER"},
                                  {"amount", "BIGINT"},
                                  {"seen", "DATE"}};
  for (int round = 0; round < 5; ++round) {
    for (const Asked& asked : others) {
      EXPECT_FALSE(ask(lake, asked)) << asked.column << asked.op << asked.parameter;
    }
    kept.settle();
  }
  EXPECT_EQ(kept.stats().files, 0);
}

// Else every second list would be made when it is too old, while all who ask wait.
TEST(LakeLooks, WhoAsksDuringALookDoesNotKeepTheNextOneAway) {
  Lake* asked = nullptr;
  int lists = 0;
  Lake lake("lake", Schema{}, std::chrono::milliseconds(0), [&](std::int64_t) {
    ++lists;
    if (asked != nullptr) {
      (void)asked->wants_look();
    }
    return ReadableFiles{{}, "read_parquet", ""};
  });
  lake.look({});
  asked = &lake;
  EXPECT_TRUE(lake.wants_look());
  EXPECT_FALSE(lake.wants_look()) << "one is to look";
  lake.look({});
  EXPECT_EQ(lists, 2);
  EXPECT_TRUE(lake.wants_look());
}

}  // namespace
}  // namespace millrace::serve
