// Every shape that can't be done is refused, each with its reason and the way out.
#include <gtest/gtest.h>

#include "sql/support_test.h"

namespace millrace::sql {
namespace {

using testing::refusal;

class RefusalTest : public ::testing::Test {
 protected:
  RefusalTest() {
    const Schema schema =
        database_.parse_schema("k VARCHAR, v INTEGER, u BIGINT, ts TIMESTAMP, l INTEGER[]");
    database_.declare("events", schema, Shape::stream);
    database_.declare("clicks", schema, Shape::stream);
    database_.declare("dim", database_.parse_schema("u BIGINT, name VARCHAR"), Shape::table);
  }

  void expect(const std::string& sql, const std::string& words) {
    const std::string text = refusal(database_, sql);
    EXPECT_NE(text.find(words), std::string::npos) << sql << "\n" << text;
  }

  Database database_{{.threads = 1, .memory_limit_bytes = 0, .temp_directory = ""}};
};

TEST_F(RefusalTest, WholeStreamOperators) {
  expect("SELECT * FROM events ORDER BY ts", "ORDER BY over a stream");
  expect("SELECT * FROM events ORDER BY ts LIMIT 3", "over a stream");
  expect("SELECT * FROM events LIMIT 3", "LIMIT over a stream");
  expect("SELECT DISTINCT ON (k) k, v FROM events ORDER BY k, v", "ORDER BY over a stream");
  expect("SELECT k, row_number() OVER () AS r FROM events", "window function");
  expect("SELECT k FROM events QUALIFY row_number() OVER (PARTITION BY k) = 1", "window function");
  expect("SELECT * FROM events USING SAMPLE 10%", "TABLESAMPLE");
  expect("SELECT * FROM events TABLESAMPLE 10%", "TABLESAMPLE");
  expect("PIVOT events ON v USING sum(u)", "a dataset is a SELECT");
  expect(
      "WITH RECURSIVE r AS (SELECT v FROM events UNION ALL SELECT v + 1 FROM r WHERE v < 3) "
      "SELECT * FROM r",
      "RECURSIVE");
}

TEST_F(RefusalTest, SetOperations) {
  expect("SELECT k FROM events UNION SELECT k FROM clicks", "UNION ALL");
  expect("SELECT k FROM events EXCEPT SELECT 'a'", "EXCEPT");
  expect("SELECT k FROM events INTERSECT SELECT 'a'", "INTERSECT");
  expect("SELECT k FROM events UNION ALL SELECT name FROM dim", "in every batch");
  expect("SELECT k FROM events UNION ALL SELECT 'x'", "in every batch");
}

TEST_F(RefusalTest, Joins) {
  expect("SELECT a.k FROM events a JOIN clicks b USING (k)", "joining a stream with a stream");
  expect("SELECT a.k FROM events a, events b WHERE a.v < b.v", "joining a stream with a stream");
  expect("SELECT k FROM events WHERE k IN (SELECT k FROM clicks)",
         "joining a stream with a stream");
  expect("SELECT k, (SELECT max(v) FROM events e2 WHERE e2.k = e.k) AS m FROM events e", "stream");
  expect("SELECT k FROM events WHERE v > (SELECT avg(v) FROM events)", "dataset of its own");
  expect("SELECT k, name FROM events FULL JOIN dim USING (u)", "FULL JOIN");
  expect("SELECT k, name FROM dim LEFT JOIN events USING (u)", "stream LEFT JOIN table");
  expect("SELECT name FROM dim WHERE u IN (SELECT u FROM events)", "table");
  expect("SELECT k FROM events ASOF JOIN dim ON events.u >= dim.u", "ASOF");
  expect("SELECT k FROM events POSITIONAL JOIN dim", "POSITIONAL");
}

TEST_F(RefusalTest, Aggregates) {
  expect("SELECT u, string_agg(k, ',' ORDER BY v) AS s FROM events GROUP BY u", "ORDER BY");
  expect("SELECT u, list(k ORDER BY v) AS s FROM events GROUP BY u", "ORDER BY");
  expect("SELECT approx_quantile(v, 0.5) AS q FROM events", "after a restart");
  expect("SELECT approx_top_k(k, 3) AS q FROM events", "after a restart");
  expect("SELECT reservoir_quantile(v, 0.5) AS q FROM events", "after a restart");
}

TEST_F(RefusalTest, WhatCannotBeRepeated) {
  expect("SELECT setseed(0.5) AS s FROM events", "setseed()");
  expect("SELECT k, localtimestamp AS r FROM events", "use now()");
  expect("SELECT k, txid_current() AS r FROM events", "txid_current()");
}

TEST_F(RefusalTest, WhatWouldReadOutside) {
  expect("SELECT * FROM read_csv('x.csv')", "declare a source");
  expect("SELECT * FROM 'x.csv'", "declare a source");
  expect("SELECT * FROM 'x.parquet'", "declare a source");
  expect("SELECT * FROM events WHERE k IN (SELECT k FROM read_parquet('x.parquet'))",
         "declare a source");
  expect("WITH a AS (SELECT * FROM glob('*')) SELECT * FROM a", "declare a source");
  expect("SELECT * FROM duckdb_tables()", "declare a source");
  expect("SELECT * FROM information_schema.tables", "declare a source");
  database_.query("CREATE TABLE inside AS SELECT 1 AS x");
  expect("SELECT * FROM inside", "declare a source");
}

TEST_F(RefusalTest, Statements) {
  expect("", "no SELECT");
  expect("CREATE TABLE x(i INT)", "a dataset is a SELECT");
  expect("SELECT 1 AS x; SELECT 2 AS y", "one SELECT");
  expect("SELECT k FROM events WHERE v = ?", "parameters");
  expect("SELECT k, v AS K FROM events", "two columns");
}

TEST_F(RefusalTest, MistakesHaveAPlace) {
  const auto position_of = [&](const std::string& sql) -> std::optional<std::size_t> {
    try {
      const auto plan = database_.plan("test", sql);
    } catch (const SqlError& error) {
      EXPECT_EQ(std::string(error.what()).find("LINE"), std::string::npos) << error.what();
      return error.position();
    }
    return std::nullopt;
  };
  EXPECT_EQ(position_of("SELECT k,\n  wrong FROM events"), 12U);
  EXPECT_EQ(position_of("SELECT k FORM events"), 14U);
  EXPECT_EQ(position_of("SELECT k FROM evnts"), 14U);
  EXPECT_EQ(position_of("SELECT k, setseed(0.1) AS r FROM events"), 10U);
  EXPECT_EQ(position_of("SELECT nofunc(k) FROM events"), 7U);
  expect("SELECT k FROM evnts", "there is no source or dataset called `evnts`");
}

TEST_F(RefusalTest, UpdateNeedsConditionsThatStayTrue) {
  const auto refuses = [&](const std::string& having) {
    const auto plan = database_.plan(
        "test", "SELECT k, count(*) AS c, max(v) AS m FROM events GROUP BY k HAVING " + having);
    return plan->refuses(OutputMode::update).has_value();
  };
  for (const char* good :
       {"count(*) > 5", "count(v) >= 5", "5 < count(*)", "count(DISTINCT u) > 2", "max(v) > 3",
        "min(v) < 3", "bool_or(v > 3)", "count(*) > 5 AND max(v) > 3",
        "count(*) > 5 OR min(v) <= 3", "max(v) IS NOT NULL", "k > 'b'", "count(*) > 2.5",
        "count(*) FILTER (WHERE v > 3) > 2"}) {
    EXPECT_FALSE(refuses(good)) << good;
  }
  for (const char* bad : {"count(*) < 5", "sum(v) > 3", "avg(v) > 3", "max(v) < 3", "min(v) > 3",
                          "count(*) = 5", "count(*) BETWEEN 2 AND 9", "max(v) IS NULL",
                          "count(*) > 5 OR sum(v) > 3", "count(*) > min(v)", "NOT bool_or(v > 3)",
                          "max(ts) > now()::TIMESTAMP", "last(v) IS NOT NULL"}) {
    EXPECT_TRUE(refuses(bad)) << bad;
  }
}

TEST_F(RefusalTest, UpdateOfMoreThanGroups) {
  for (const char* sql :
       {"SELECT k, count(*) AS c FROM events GROUP BY k ORDER BY c",
        "SELECT k, count(*) AS c FROM events GROUP BY k LIMIT 3",
        "SELECT count(*) AS n FROM (SELECT k, count(*) FROM events GROUP BY k)",
        "WITH a AS MATERIALIZED (SELECT k, count(*) c FROM events GROUP BY k) SELECT c, count(*) "
        "AS "
        "n FROM a GROUP BY c",
        "SELECT a.k, a.c, b.c AS d FROM (SELECT k, count(*) c FROM events GROUP BY k) a JOIN "
        "(SELECT "
        "k, count(*) c FROM clicks GROUP BY k) b USING (k)",
        "SELECT k, name FROM (SELECT k, max(u) AS u FROM events GROUP BY k) JOIN dim USING (u)",
        "SELECT name, count(*) AS n FROM dim GROUP BY name"}) {
    const auto plan = database_.plan("test", sql);
    EXPECT_NE(plan->refuses(OutputMode::update), std::nullopt) << sql;
    EXPECT_NE(plan->refuses(OutputMode::append), std::nullopt) << sql;
    EXPECT_EQ(plan->refuses(OutputMode::complete), std::nullopt) << sql;
  }
}

TEST_F(RefusalTest, KeyIsOnlyWhatIdentifiesARow) {
  const auto key = [&](const std::string& sql) { return database_.plan("test", sql)->key(); };
  using Names = std::vector<std::string>;
  EXPECT_EQ(key("SELECT u AS who, k, count(*) AS c FROM events GROUP BY k, u"),
            (Names{"who", "k"}));
  EXPECT_EQ(key("SELECT v % 10 AS d, sum(v) AS s FROM events GROUP BY d"), Names{"d"});
  EXPECT_EQ(key("SELECT k, count(*) AS c FROM events GROUP BY k, u"), std::nullopt);
  EXPECT_EQ(key("SELECT upper(k) AS k, count(*) AS c FROM events GROUP BY events.k"), std::nullopt);
  EXPECT_EQ(key("SELECT k, u, count(*) AS c FROM events GROUP BY ROLLUP (k, u)"), std::nullopt);
  EXPECT_EQ(key("SELECT count(*) AS c FROM events"), Names{});
  EXPECT_EQ(key("SELECT k, unnest(x) AS x FROM (SELECT k, list(v) AS x FROM events GROUP BY k)"),
            std::nullopt);
  EXPECT_EQ(key("SELECT k, c FROM (SELECT k, count(*) c FROM events GROUP BY k) WHERE c > 3 ORDER "
                "BY c LIMIT 3"),
            Names{"k"});
}

}  // namespace
}  // namespace millrace::sql
