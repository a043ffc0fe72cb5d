#include "sql/read_query.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/test_folder.h"
#include "sql/render.h"
#include "sql/support_test.h"

namespace millrace::sql {
namespace {

using testing::Rows;

class ReadQueryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    items_ = fill("items", "id BIGINT, kind VARCHAR, price DECIMAL(10,2), day DATE", {0},
                  "SELECT r, 'kind ' || r % 3, r / 4, DATE '2024-01-01' + (r % 10)::INTEGER "
                  "FROM range(5000) t(r)");
    kinds_ = fill("kinds", "kind VARCHAR, title VARCHAR", {0},
                  "SELECT 'kind ' || r, 'Title ' || r FROM range(3) t(r)");
    tables_.commit({.batch = 0});
    relations_ = {
        {.name = "items", .kind = Relation::Kind::live, .live = items_},
        {.name = "kinds", .kind = Relation::Kind::live, .live = kinds_},
        {.name = "brought",
         .kind = Relation::Kind::rows,
         .schema = database_.parse_schema("id BIGINT, note VARCHAR")},
        {.name = "kept", .kind = Relation::Kind::fixed, .select = "SELECT * FROM main.kept_table"},
        {.name = "lake",
         .kind = Relation::Kind::fresh,
         .schema = database_.parse_schema("id BIGINT, part VARCHAR, day DATE")}};
    (void)database_.query("CREATE TABLE kept_table AS SELECT 7 AS id, 'seven' AS name");
  }

  std::shared_ptr<LiveTable> fill(const std::string& name, const std::string& columns,
                                  const std::vector<std::size_t>& key, const std::string& sql) {
    const auto schema = database_.parse_schema(columns);
    const auto table = tables_.open(name, schema, key);
    table->replace(std::move(*testing::batch_of(database_, schema, sql)), 0);
    return table;
  }
  [[nodiscard]] ReadQuery query(const std::string& sql,
                                const std::vector<ReadParameter>& parameters = {}) {
    return ReadQuery(database_, sql, relations_, parameters);
  }
  Rows run(const ReadQuery& query, const std::vector<ReadValue>& values = {},
           std::int64_t limit = 100'000) {
    auto moment = moment_;
    moment.snapshot = tables_.snapshot();
    auto batch = runner_.run(query, values, moment, limit);
    Rows rows;
    batch.for_each([&](const Chunk& chunk) {
      for (const auto& row : render(chunk)) {
        std::string text;
        for (const auto& value : row) {
          text += (text.empty() ? "" : "|") + value.value_or("NULL");
        }
        rows.push_back(text);
      }
    });
    return rows;
  }
  Rows run(const std::string& sql, const std::vector<ReadParameter>& parameters = {},
           const std::vector<ReadValue>& values = {}) {
    return run(query(sql, parameters), values);
  }
  std::string refusal(const std::string& sql, const std::vector<ReadParameter>& parameters = {}) {
    try {
      (void)query(sql, parameters);
    } catch (const SqlError& error) {
      return error.what();
    }
    ADD_FAILURE() << "not refused: " << sql;
    return "";
  }

  Database database_{{.threads = 2}};
  LiveTables tables_;
  std::shared_ptr<LiveTable> items_;
  std::shared_ptr<LiveTable> kinds_;
  std::vector<Relation> relations_;
  ReadMoment moment_;
  QueryRunner runner_{database_};
};

TEST_F(ReadQueryTest, APlanServesAllValues) {
  const std::vector<ReadParameter> parameters{{"n", "BIGINT"}, {"kind", "VARCHAR"}};
  for (const std::string sql :
       {"SELECT id, kind FROM items WHERE id >= $n AND kind = $kind ORDER BY id DESC LIMIT $n",
        "SELECT day, sum(price) AS total FROM items WHERE id < $n GROUP BY day ORDER BY ALL",
        "SELECT title, id FROM items JOIN kinds USING (kind) WHERE id < $n ORDER BY ALL",
        "SELECT id, row_number() OVER (ORDER BY id DESC) AS r FROM items WHERE id < $n ORDER BY r",
        "SELECT count(*) AS c FROM items WHERE id IN (SELECT id * 2 FROM items WHERE id < $n)",
        R"(WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < $n)
           SELECT i, kind FROM r JOIN items ON i = id ORDER BY i)",
        "SELECT id, $kind AS k FROM items WHERE id = $n OR kind = $kind || 'x'"}) {
    const auto planned = query(sql, parameters);
    for (const std::int64_t n : {7, 0, 3, 4999, 7}) {
      const std::vector<ReadValue> values{n, "kind " + std::to_string(n % 3)};
      const auto rows = run(planned, values);
      EXPECT_EQ(rows, run(query(sql, parameters), values)) << sql;
      auto text = sql;  // with the values in it, for DuckDB to plan anew
      for (const auto& [name, value] :
           {std::pair("$n", std::to_string(n)),
            std::pair("$kind", "'kind " + std::to_string(n % 3) + "'")}) {
        for (auto at = text.find(name); at != std::string::npos; at = text.find(name)) {
          text.replace(at, std::string_view(name).size(), value);
        }
      }
      EXPECT_EQ(rows, run(text)) << text;
    }
  }
}

TEST_F(ReadQueryTest, LimitsAreOfTheRunHoweverManyThereAre) {
  const auto first =
      query("SELECT id FROM items ORDER BY id DESC LIMIT $n OFFSET $n", {{"n", "BIGINT"}});
  for (int times = 0; times < 2; ++times) {
    for (std::int64_t n = 0; n < 20; ++n) {
      const auto rows = run(first, {n});
      ASSERT_EQ(std::ssize(rows), n);
      EXPECT_TRUE(n == 0 || rows.front() == std::to_string(4999 - n));
    }
  }
  EXPECT_THROW((void)run(first, {std::int64_t{-1}}), Error);
  EXPECT_EQ(
      run(query("SELECT id FROM items LIMIT $n", {{"n", "BIGINT"}}), {std::monostate()}).size(),
      5000)
      << "LIMIT NULL is none";
}

TEST_F(ReadQueryTest, ManyRowsAreReadAsFewAre) {
  const auto many = fill("many", "id BIGINT, part INTEGER", {0},
                         "SELECT r, (r % 7)::INTEGER FROM range(300000) t(r)");
  relations_.push_back({.name = "many", .kind = Relation::Kind::live, .live = many});
  const auto parts = query(
      "SELECT part, count(*) AS n, sum(id) AS ids FROM many WHERE id < $n GROUP BY part "
      "ORDER BY part LIMIT $limit",
      {{"n", "BIGINT"}, {"limit", "BIGINT"}});
  const auto ask = [&] { return run(parts, {std::int64_t{20}, std::int64_t{2}}); };
  EXPECT_EQ(ask(), Rows()) << "nothing is committed";
  tables_.commit({.batch = 0});
  EXPECT_EQ(ask(), (Rows{"0|3|21", "1|3|24"}));
  (void)fill("many", "id BIGINT, part INTEGER", {0},
             "SELECT r, (r % 7)::INTEGER FROM range(8) t(r)");
  tables_.commit({.batch = 0});
  EXPECT_EQ(ask(), (Rows{"0|2|7", "1|1|1"}));
}

TEST_F(ReadQueryTest, TheTimeIsThatOfTheRun) {
  const auto now =
      query("SELECT now()::TIMESTAMP::VARCHAR AS t, $n AS n FROM kinds LIMIT 1", {{"n", "BIGINT"}});
  const auto first = run(now, {std::int64_t{1}});
  EXPECT_NE(run(now, {std::int64_t{1}}), first);
}

TEST_F(ReadQueryTest, ReadsLiveTables) {
  EXPECT_EQ(run("SELECT count(*), min(price), max(day) FROM items"), Rows{"5000|0.00|2024-01-10"});
  EXPECT_EQ(run("SELECT title, count(*) AS n FROM items JOIN kinds USING (kind) GROUP BY title "
                "ORDER BY title"),
            (Rows{"Title 0|1667", "Title 1|1667", "Title 2|1666"}));
  EXPECT_EQ(run("WITH items AS (SELECT 1 AS one) FROM items"), Rows{"1"});
  EXPECT_EQ(run("WITH items AS (SELECT * FROM items WHERE id < 2) SELECT count(*) AS n FROM items"),
            Rows{"2"});
  EXPECT_EQ(run("WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 3) "
                "SELECT count(*) AS n FROM r JOIN items ON i = id"),
            Rows{"3"});
  EXPECT_EQ(run("SELECT i.id FROM items AS i WHERE id IN (SELECT id + 1 FROM Items WHERE id = 3)"),
            Rows{"4"});
  EXPECT_EQ(run("SELECT x FROM items AS t(x) WHERE x = 12"), Rows{"12"});
  const auto reads = query("SELECT 1 AS n FROM kinds, (SELECT * FROM items) AS i");
  EXPECT_EQ(reads.reads(), (std::vector<std::string>{"items", "kinds"}));
}

TEST_F(ReadQueryTest, SeesTheMomentOfTheRun) {
  const auto count = query("SELECT count(*) AS n FROM kinds");
  const auto before = tables_.snapshot();
  const auto schema = kinds_->schema();
  kinds_->replace(std::move(*testing::batch_of(database_, schema, "SELECT 'kind 1', 'one'")), 1);
  EXPECT_EQ(run(count), Rows{"3"});
  tables_.commit({.batch = 1});
  EXPECT_EQ(run(count), Rows{"1"});
  ReadMoment moment{.snapshot = before, .rows = {}, .selects = {}};
  auto rows = runner_.run(count, {}, moment, 10);
  rows.for_each([](const Chunk& chunk) { EXPECT_EQ(render(chunk)[0][0], "3"); });
}

TEST_F(ReadQueryTest, ParametersAreValues) {
  const auto by_kind = query("SELECT count(*) AS n FROM items WHERE kind = $kind AND id < $below",
                             {{"kind", "VARCHAR"}, {"below", "BIGINT"}});
  EXPECT_EQ(run(by_kind, {std::string("kind 1"), std::int64_t{30}}), Rows{"10"});
  EXPECT_EQ(run(by_kind, {std::string("kind 1"), std::string("30")}), Rows{"10"});
  EXPECT_EQ(run(by_kind, {std::string("kind 1"), std::monostate()}), Rows{"0"});
  for (const char* attack :
       {"' OR '1'='1", "kind 1'; DROP TABLE items; --", "$kind", "'' OR 1=1", "\" OR 1=1 --"}) {
    EXPECT_EQ(run(by_kind, {std::string(attack), std::int64_t{30}}), Rows{"0"}) << attack;
    EXPECT_EQ(run("SELECT $t AS t", {{"t", "VARCHAR"}}, {std::string(attack)}), Rows{attack});
  }
  EXPECT_EQ(run("SELECT count(*) AS n FROM items WHERE day BETWEEN $from AND $to",
                {{"from", "DATE"}, {"to", "DATE"}}, {std::string("2024-01-02"), DateValue{19725}}),
            Rows{"1000"});
  EXPECT_EQ(run("SELECT id FROM items ORDER BY id LIMIT $n OFFSET $skip",
                {{"n", "BIGINT"}, {"skip", "BIGINT"}}, {std::int64_t{2}, std::int64_t{5}}),
            (Rows{"5", "6"}));
  try {
    (void)run(by_kind, {std::string("a"), std::string("no number")});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), "parameter below: `no number` is no BIGINT");
    EXPECT_EQ(error.blame(), Blame::user);
  }
}

TEST_F(ReadQueryTest, RefusesWhatIsNoQueryOfTheRelations) {
  EXPECT_EQ(refusal("SELECT * FROM nothing"),
            "there is no `nothing` that could be read here; there is: items, kinds, brought, kept, "
            "lake");
  EXPECT_EQ(
      refusal("FROM range($n)", {{"n", "BIGINT"}}),
      "the type of the result depends on the value of a parameter; cast it ($name::BIGINT), or, "
      "where a function after FROM gets it, write SELECT unnest(range($name)) instead");
  EXPECT_EQ(run("SELECT unnest(range($n)) AS i", {{"n", "BIGINT"}}, {std::int64_t{2}}),
            (Rows{"0", "1"}));
  database_.declare("stream", items_->schema(), Shape::stream);
  for (const char* sql :
       {"SELECT * FROM stream",
        "SELECT * FROM kept_table",
        "SELECT * FROM main.kept_table",
        "SELECT * FROM 'file.parquet'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "FROM glob('/*')",
        "FROM duckdb_settings()",
        "SELECT * FROM information_schema.tables",
        "FROM duckdb_tables",
        "FROM sqlite_master",
        "FROM query('SELECT 1')",
        "FROM query_table('kept_table')",
        "FROM duckdb_secrets()",
        "SELECT current_setting('threads')",
        "SELECT getvariable('x')",
        "SELECT nextval('s')",
        "SELECT (SELECT count(*) FROM read_text('/etc/passwd')) AS n",
        "SELECT id FROM items WHERE EXISTS (FROM glob('/*'))",
        "WITH x AS (FROM read_blob('/etc/passwd')) SELECT 1 AS n FROM x",
        "SELECT * FROM range((SELECT count(*) FROM glob('/*')))",
        "SELECT list_transform([1], lambda x: (SELECT count(*) FROM glob('/*'))) AS n",
        "SELECT 1 AS n ORDER BY (SELECT count(*) FROM glob('/*'))",
        "FROM millrace_read(0)",
        "FROM millrace_scan('stream')",
        "DESCRIBE items",
        "SUMMARIZE items",
        "SHOW TABLES",
        "FROM (SHOW TABLES)",
        "FROM (DESCRIBE kept_table)",
        "INSERT INTO items VALUES (1)",
        "DROP TABLE kept_table",
        "ATTACH 'x.db'",
        "COPY items TO '/tmp/x.csv'",
        "SET threads = 1",
        "PRAGMA version",
        "CALL duckdb_tables()",
        "EXPLAIN SELECT 1",
        "SELECT 1; SELECT 2",
        "",
        "SELECT",
        "SELECT nothing FROM items",
        "SELECT id, id FROM items",
        "LOAD httpfs",
        "EXPORT DATABASE '/tmp/x'",
        "CREATE TABLE x AS SELECT 1",
        "PIVOT items ON kind",
        "EXECUTE x",
        "SELECT ? AS a",
        "SELECT $1 AS a"}) {
    EXPECT_NE(refusal(sql), "") << sql;
  }
  EXPECT_EQ(refusal("SELECT $x AS x", {{"y", "DATE"}}), "there is no parameter $x; there is: y");
  try {
    (void)query("SELECT id FROM items, nowhere");
    FAIL();
  } catch (const SqlError& error) {
    EXPECT_EQ(error.position(), 22U);
  }
  EXPECT_EQ(run("SELECT sum(range) AS n FROM range(4)"), Rows{"6"});
  EXPECT_EQ(run("SELECT count(*) > 0 AS n FROM items WHERE day < now() AND random() >= 0"),
            Rows{"true"});
}

TEST_F(ReadQueryTest, RelationsOfAllKinds) {
  const auto schema = relations_[2].schema;
  moment_.rows = {{"brought", testing::batch_of(database_, schema,
                                                "SELECT 3, 'three' UNION ALL SELECT 4, 'x'")}};
  EXPECT_EQ(run("SELECT note, price FROM brought JOIN items USING (id) WHERE id = 3"),
            Rows{"three|0.75"});
  EXPECT_EQ(run("SELECT name FROM kept"), Rows{"seven"});
  (void)database_.query("INSERT INTO kept_table VALUES (8, 'eight')");
  EXPECT_EQ(run("SELECT count(*) AS n FROM kept k WHERE k.id > $id", {{"id", "INTEGER"}},
                {std::int64_t{7}}),
            Rows{"1"});
}

TEST_F(ReadQueryTest, FilesThatNeedNotBeReadAreNot) {
  const TempFolder temporary;
  const std::filesystem::path folder = temporary.path();
  (void)database_.query(
      "COPY (SELECT r AS id, 'p' || r % 4 AS part, DATE '2024-01-01' + (r % 7)::INTEGER "
      "AS day FROM range(4000) t(r)) TO '" +
      folder.string() + "/lake' (FORMAT parquet, PARTITION_BY (part))");
  // A file of another partition that can't be read: whoever opens it fails.
  std::filesystem::create_directories(folder / "lake/part=broken");
  std::ofstream(folder / "lake/part=broken/x.parquet") << "no parquet";
  moment_.selects = {{"lake", "SELECT * FROM read_parquet('" + folder.string() +
                                  "/lake/*/*.parquet', hive_partitioning = true, "
                                  "hive_types = {'part': VARCHAR})"}};
  const auto by_part = query("SELECT count(*) AS n, min(id) AS first FROM lake WHERE part = $part",
                             {{"part", "VARCHAR"}});
  // The list's first file tells the columns, which is the one of p0 or the broken one.
  std::filesystem::rename(folder / "lake/part=broken", folder / "lake/part=zz");
  EXPECT_EQ(run(by_part, {std::string("p1")}), Rows{"1000|1"});
  EXPECT_EQ(run(by_part, {std::string("' OR 1=1")}), Rows{"0|NULL"});
  EXPECT_THROW((void)run("SELECT count(*) AS n FROM lake"), Error);
}

TEST_F(ReadQueryTest, TellsWhatItDemands) {
  const auto demands = [&](const std::string& sql) {
    const auto of = query(sql, {{"a", "DATE"}, {"b", "DATE"}, {"p", "VARCHAR"}});
    Rows out;
    for (const auto& d : of.demands()) {
      out.push_back(d.relation + "." + d.column + " " +
                    std::string(1, "=<l>g"[static_cast<int>(d.op)]) + " " + d.parameter);
    }
    return out;
  };
  EXPECT_EQ(demands("SELECT * FROM lake WHERE day >= $a AND $b > day AND (part = $p)"),
            (Rows{"lake.day g a", "lake.day < b", "lake.part = p"}));
  EXPECT_EQ(demands("SELECT * FROM lake l WHERE l.day BETWEEN $a AND CAST($b AS DATE)"),
            (Rows{"lake.day g a", "lake.day l b"}));
  EXPECT_EQ(demands("SELECT id FROM lake WHERE day = $a OR part = $p"), Rows{});
  EXPECT_EQ(demands("SELECT id FROM lake WHERE NOT day = $a AND lower(part) = $p"), Rows{});
  EXPECT_EQ(demands("SELECT note, part FROM lake JOIN brought b ON lake.id = b.id WHERE part = $p "
                    "AND day < $a AND b.note = $p"),
            (Rows{"lake.part = p", "lake.day < a", "brought.note = p"}));
  // Another mention needs other rows.
  EXPECT_EQ(demands("SELECT a.id FROM lake a JOIN lake b ON a.id = b.id WHERE a.day = $a"), Rows{});
  EXPECT_EQ(demands("SELECT id FROM lake WHERE day = $a AND id NOT IN (SELECT id FROM lake)"),
            Rows{});
  // Both have the column.
  EXPECT_EQ(demands("SELECT lake.id FROM lake, items WHERE items.day = $a AND lake.part = $p"),
            (Rows{"items.day = a", "lake.part = p"}));
}

TEST_F(ReadQueryTest, RecognisesLookUpsByKey) {
  const std::vector<ReadParameter> parameters{
      {"id", "BIGINT"}, {"small", "INTEGER"}, {"text", "VARCHAR"}};
  const auto by_key = [&](const std::string& sql) { return query(sql, parameters).by_key(); };
  const auto found = by_key("SELECT price AS p, ID FROM items i WHERE $id = i.id");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->table, items_);
  EXPECT_EQ(found->columns, (std::vector<std::size_t>{2, 0}));
  EXPECT_EQ(found->parameters, std::vector<std::size_t>{0});
  EXPECT_EQ(by_key("SELECT * FROM items WHERE id = $small")->columns.size(), 4U);
  EXPECT_TRUE(by_key("FROM kinds WHERE kind = $text"));
  for (const char* sql :
       {"SELECT * FROM items WHERE id = $text", "SELECT * FROM items WHERE id > $id",
        "SELECT * FROM items", "SELECT * FROM items WHERE id = $id AND kind = $text",
        "SELECT * FROM items WHERE id = $id LIMIT 1", "SELECT count(*) FROM items WHERE id = $id",
        "SELECT DISTINCT * FROM items WHERE id = $id", "SELECT id + 1 FROM items WHERE id = $id",
        "SELECT * FROM items WHERE kind = $text", "SELECT * FROM items WHERE id = $id OR id = 3",
        "SELECT max(id) FROM items WHERE id = $id GROUP BY kind",
        "SELECT * EXCLUDE (day) FROM items WHERE id = $id"}) {
    EXPECT_FALSE(by_key(sql)) << sql;
  }
}

TEST_F(ReadQueryTest, ResultsAreBounded) {
  const auto all = query("SELECT a.id FROM items a, items b");
  EXPECT_EQ(run(all, {}, 10).size(), 10U);
  EXPECT_EQ(run(query("SELECT id FROM items ORDER BY id DESC"), {}, 3),
            (Rows{"4999", "4998", "4997"}));
  QueryRunner small(database_, 1 << 20);
  ReadMoment moment{.snapshot = tables_.snapshot(), .rows = {}, .selects = {}};
  EXPECT_THROW((void)small.run(all, {}, moment, 1'000'000'000), Error);
  EXPECT_EQ(small.run(query("SELECT 1 AS n"), {}, moment, 10).rows(), 1);
}

TEST_F(ReadQueryTest, AStopEndsARun) {
  const auto endless =
      query("SELECT count(*) AS n FROM range(1000000000000) a WHERE a.range % 7 = 3");
  std::stop_source stop;
  ReadMoment moment{.snapshot = tables_.snapshot(), .rows = {}, .selects = {}};
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_THROW((void)runner_.run(endless, {}, moment, 10, stop.get_token()), Stopped);
  EXPECT_EQ(run("SELECT 1 AS n"), Rows{"1"});
}

TEST_F(ReadQueryTest, ErrorsOfARunAreTheUsers) {
  const auto fails = query("SELECT CAST(kind AS INTEGER) AS n FROM items");
  try {
    (void)run(fails);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.blame(), Blame::user);
  }
  EXPECT_EQ(run("SELECT 1 AS n"), Rows{"1"});
}

TEST_F(ReadQueryTest, ManyRunnersBesideTheWriter) {
  std::atomic<bool> done = false;
  const auto sum = query("SELECT count(*) AS n, sum(price) AS total FROM items WHERE id >= $id",
                         {{"id", "BIGINT"}});
  std::vector<std::jthread> readers;
  readers.reserve(3);
  for (int r = 0; r < 3; ++r) {
    readers.emplace_back([&] {
      QueryRunner runner(database_);
      while (!done) {
        ReadMoment moment{.snapshot = tables_.snapshot(), .rows = {}, .selects = {}};
        const std::vector<ReadValue> values{std::int64_t{0}};
        auto rows = runner.run(sum, values, moment, 10);
        rows.for_each([](const Chunk& chunk) { EXPECT_EQ(render(chunk)[0][0], "5000"); });
      }
    });
  }
  const auto schema = items_->schema();
  for (int batch = 1; batch < 50; ++batch) {
    items_->upsert(std::move(*testing::batch_of(database_, schema,
                                                "SELECT r * 7, 'k', " + std::to_string(batch) +
                                                    ", DATE '2024-01-01' FROM range(500) t(r)")),
                   batch);
    tables_.commit({.batch = batch});
  }
  done = true;
}

// Not a test of time: how long a run takes is printed.
TEST_F(ReadQueryTest, AFilterOverAFewThousandRowsIsQuick) {
  const auto filter =
      query("SELECT id, kind, price FROM items WHERE price = $p", {{"p", "DECIMAL(10,2)"}});
  (void)run(filter, {1.25});
  constexpr int kRuns = 300;
  ReadMoment moment{.snapshot = tables_.snapshot(), .rows = {}, .selects = {}};
  const std::vector<ReadValue> values{1.25};
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRuns; ++i) {
    ASSERT_EQ(runner_.run(filter, values, moment, 100).rows(), 1);
  }
  const auto took = std::chrono::steady_clock::now() - start;
  std::printf("a run takes %.0f us\n",
              std::chrono::duration<double, std::micro>(took).count() / kRuns);
}

}  // namespace
}  // namespace millrace::sql
