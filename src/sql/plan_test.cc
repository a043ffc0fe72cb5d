// Plans over batches give what one DuckDB query over all the batches gives.
#include "sql/plan.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sql/support_test.h"

namespace millrace::sql {
namespace {

using namespace testing;

/// A database with a stream and a table, and batches of rows for them.
class PlanTest : public ::testing::TestWithParam<int> {
 protected:
  PlanTest() {
    database_.declare("events", events_, Shape::stream);
    database_.declare("dim", dim_, Shape::table);
  }

  static std::string batch_sql(int b) {
    return fmt::format(
        "SELECT CASE WHEN i % 11 = 0 THEN NULL ELSE 'key' || (i*7919 % 50) END AS k, "
        "CASE WHEN i % 13 = 0 THEN NULL ELSE ((i*31 + {}) % 100 - 10)::INT END AS v, "
        "'string-value-' || ((i * 104729 + {}) % 1000) AS str, (i * 13 % 40)::BIGINT AS u, "
        "TIMESTAMP '2026-01-01' + INTERVAL ({} * 300 + i % 300) SECOND AS ts, "
        "[i % 3, i % 5] AS l FROM range({}) t(i)",
        b * 7, b * 3, b, b == 2 ? 1 : 5000 * (b + 1));
  }
  static std::string dim_sql(int b) {
    return fmt::format("SELECT (i * 2)::BIGINT AS u, 'name' || (i % 5) AS name FROM range({}) t(i)",
                       10 + b * 5);
  }

  std::shared_ptr<Batch> events(const std::string& sql) {
    return batch_of(database_, events_, sql);
  }

  RunCounts run(Plan& plan, sql::Run what, const std::shared_ptr<Batch>& rows, Collect& to,
                int tables_of = 0) {
    for (const auto& input : plan.inputs()) {
      if (input.shape == Shape::stream) {
        plan.give(input.name, rows);
      } else {
        plan.give(input.name, batch_of(database_, dim_, dim_sql(tables_of)));
      }
    }
    const RunCounts counts = plan.run(what, to);
    if (!plan.inputs().empty() && plan.inputs()[0].shape == Shape::stream) {
      expect_rows_add_up(counts);
    }
    return counts;
  }

  Database database_{{.threads = GetParam(), .memory_limit_bytes = 0, .temp_directory = ""}};
  Schema events_ = database_.parse_schema(
      "k VARCHAR, v INTEGER, str VARCHAR, u BIGINT, ts TIMESTAMP, l BIGINT[]");
  Schema dim_ = database_.parse_schema("u BIGINT, name VARCHAR");
};

INSTANTIATE_TEST_SUITE_P(Threads, PlanTest, ::testing::Values(1, 2),
                         [](const auto& threads) { return fmt::format("{}", threads.param); });

/// Hands what a plan gives out on to a feed, as the engine does.
class Forward final : public Receiver {
 public:
  explicit Forward(Feed& to) : to_(to) {}
  std::unique_ptr<SinkWriter> writer() override { return to_.writer(); }

 private:
  Feed& to_;
};

// Row by row up to the state or the result, however often the stream is scanned.
TEST_P(PlanTest, FeedingEqualsRunning) {
  const std::string union_below_state = R"(
      SELECT k, sum(n) AS s
      FROM (SELECT k, 1 AS n FROM events UNION ALL SELECT str, v FROM events) GROUP BY k)";
  for (const std::string& sql :
       {std::string("SELECT k, v + 1 AS w FROM events WHERE v > 5"),
        std::string("SELECT k, unnest(l) AS x FROM events"),
        std::string("SELECT k FROM events UNION ALL SELECT str FROM events WHERE v < 50"),
        std::string("SELECT k, count(*) AS n, count(DISTINCT str) AS d FROM events "
                    "WHERE u < 20 GROUP BY k"),
        union_below_state}) {
    auto all = database_.plan("all", "SELECT * FROM events");
    auto fed = database_.plan("fed", sql);
    auto ran = database_.plan("ran", sql);
    ASSERT_TRUE(fed->feedable()) << sql;
    for (int b = 0; b < 3; ++b) {
      const auto rows = events(batch_sql(b));
      for (auto* plan : {all.get(), fed.get(), ran.get()}) {
        plan->begin_batch(b, 0);
      }
      Collect got;
      {
        const auto feed = fed->feed(got);
        Forward forward(*feed);
        all->give("events", rows);
        all->run(Run::rows, forward);
        const RunCounts counts = feed->end();
        EXPECT_EQ(counts.scanned, rows->rows() * fed->inputs()[0].scans) << sql;
        expect_rows_add_up(counts);
      }
      if (fed->has_state()) {
        fed->run(Run::complete, got);
      }
      Collect want;
      run(*ran, ran->has_state() ? Run::complete : Run::rows, rows, want);
      EXPECT_EQ(got.sorted(), want.sorted()) << sql;
      EXPECT_TRUE(b == 2 || !want.rows().empty()) << sql;  // batch 2 is one row, which may go
    }
  }
}

// These need more than the rows of one chunk.
TEST_P(PlanTest, WhatCantBeFed) {
  for (const std::string sql :
       {"SELECT e.k, dim.name FROM events AS e JOIN dim USING (u)",
        "WITH a AS MATERIALIZED (SELECT k FROM events) SELECT k FROM a UNION ALL SELECT k FROM a",
        "SELECT name FROM dim"}) {
    EXPECT_FALSE(database_.plan("p", sql)->feedable()) << sql;
  }
}

TEST_P(PlanTest, StatelessIsRowByRow) {
  for (const std::string sql :
       {"SELECT k, v + 1 AS w, upper(str) AS s FROM %s", "SELECT * FROM %s WHERE v > 5",
        "SELECT k, unnest(l) AS x FROM %s WHERE u < 20",
        "SELECT k FROM %s WHERE v > 5 UNION ALL SELECT str FROM %s WHERE v < 50",
        R"(WITH a AS (SELECT k, v FROM %s WHERE v > 10)
          SELECT * FROM a UNION ALL SELECT k, -v FROM a)",
        R"(WITH a AS MATERIALIZED (SELECT k, v FROM %s WHERE v > 10)
          SELECT * FROM a UNION ALL SELECT k, -v FROM a WHERE k <> 'key1')",
        "SELECT k FROM %s WHERE v IN (1, 2, 3, 5, 8, 13, 21, 34)",
        "SELECT e.k, x.i FROM %s e, unnest(e.l) AS x(i)", "SELECT k, v FROM %s WHERE 1 = 0"}) {
    const auto plan = database_.plan("test", over(sql, "events"));
    EXPECT_EQ(plan->shape(), Shape::stream) << sql;
    EXPECT_FALSE(plan->has_state());
    EXPECT_TRUE(plan->splittable());
    EXPECT_EQ(plan->refuses(OutputMode::append), std::nullopt);
    EXPECT_NE(plan->refuses(OutputMode::update), std::nullopt);
    for (int b = 0; b < 3; ++b) {
      plan->begin_batch(b, 0);
      Collect out;
      run(*plan, Run::rows, events(batch_sql(b)), out);
      EXPECT_EQ(out.sorted(), rows_of(database_, over(sql, "(" + batch_sql(b) + ")"))) << sql;
      EXPECT_EQ(out.writers, out.finished);
    }
  }
}

TEST_P(PlanTest, StreamLooksUpTables) {
  for (const std::string sql :
       {"SELECT e.k, e.u, d.name FROM %s e JOIN %d d ON e.u = d.u",
        "SELECT k, name FROM %s e LEFT JOIN %d d USING (u)",
        "SELECT k, u FROM %s WHERE u IN (SELECT u FROM %d)",
        "SELECT k, u FROM %s e WHERE NOT EXISTS (SELECT 1 FROM %d d WHERE d.u = e.u)",
        "SELECT k, (SELECT max(name) FROM %d d WHERE d.u = e.u) AS m FROM %s e",
        "SELECT k, (SELECT count(*) FROM %d d WHERE d.u < e.u) AS m FROM %s e WHERE v > 80",
        "SELECT k, v * (SELECT count(*) FROM %d) AS m FROM %s",
        "SELECT e.k, d.name FROM %d d RIGHT JOIN %s e ON e.u = d.u",
        "SELECT k, name FROM %s, %d WHERE v > 85"}) {
    const auto plan = database_.plan("test", over(sql, "events", "dim"));
    EXPECT_EQ(plan->shape(), Shape::stream) << sql;
    EXPECT_FALSE(plan->splittable());
    for (int b = 0; b < 3; ++b) {
      plan->begin_batch(b, 0);
      Collect out;
      run(*plan, Run::rows, events(batch_sql(b)), out, b);
      const auto want = over(sql, "(" + batch_sql(b) + ")", "(" + dim_sql(b) + ")");
      EXPECT_EQ(out.sorted(), rows_of(database_, want)) << sql;
    }
  }
}

constexpr const char* kMain =
    "SELECT k, count(*) c, sum(v) s, avg(v) a, min(str) m, count(DISTINCT u) d, sum(v) FILTER "
    "(WHERE u < 20) f, count(DISTINCT str) FILTER (WHERE v < 50) df FROM %s WHERE v > 0 GROUP BY k "
    "HAVING count(*) > 1";

TEST_P(PlanTest, CompleteGivesTheWholeTable) {
  for (
      const std::string sql :
      {kMain,
       "SELECT upper(k) || '!' AS kk, c * 2 AS cc FROM (SELECT k, count(*) c, max(v) FROM %s GROUP "
       "BY k) WHERE c % 3 <> 1 ORDER BY cc DESC, kk LIMIT 7",
       "SELECT k, u, count(*) AS c, sum(v) AS s, grouping(k, u) AS g FROM %s GROUP BY GROUPING "
       "SETS "
       "((k, u), (k), ())",
       "SELECT u, k, count(*) AS c FROM %s GROUP BY ROLLUP (u, k)",
       "SELECT count(*) AS c, sum(v) AS s, min(str) AS m, count(DISTINCT u) AS d FROM %s",
       "SELECT k, list_sort(list(u)) AS l FROM %s GROUP BY k",
       "SELECT u, first(str ORDER BY str, v) AS f, max(v) AS m FROM %s GROUP BY u",
       "SELECT u, mode(v % 3) AS m, quantile_cont(v, 0.5) AS q, histogram(v) AS h, median(v) AS md "
       "FROM %s GROUP BY u",
       "SELECT [k, 'x'] AS l, {'a': k, 'b': u % 5} AS st, count(*) AS c, sum(v) AS s FROM %s GROUP "
       "BY ALL",
       "SELECT [u, u + 1]::BIGINT[2] AS a, count(*) AS c FROM %s GROUP BY a",
       "SELECT v, count(*) AS c, count(v) AS cv FROM %s GROUP BY v",
       "SELECT x, count(*) AS c FROM (SELECT unnest(l) AS x FROM %s) GROUP BY x",
       "SELECT c, count(*) AS n FROM (SELECT k, count(*) AS c FROM %s GROUP BY k) GROUP BY c",
       "WITH a AS MATERIALIZED (SELECT k, count(*) c FROM %s GROUP BY k) SELECT a.k, b.c FROM a "
       "JOIN "
       "a b USING (k)",
       "SELECT a.k, a.c, b.s FROM (SELECT k, count(*) c FROM %s GROUP BY k) a LEFT JOIN (SELECT k, "
       "sum(v) s FROM %s WHERE v > 50 GROUP BY k) b USING (k)",
       "SELECT k, c, rank() OVER (ORDER BY c DESC, k) AS r FROM (SELECT k, count(*) c FROM %s "
       "GROUP "
       "BY k)",
       "SELECT k, count(*) AS c FROM %s GROUP BY k UNION ALL SELECT 'all', count(*) FROM %s",
       "SELECT k, sum(v) * 100 / (SELECT sum(v) FROM %s) AS share FROM %s GROUP BY k",
       "SELECT DISTINCT c FROM (SELECT k, count(*) AS c FROM %s GROUP BY k)",
       "FROM (PIVOT (SELECT k, v % 4 AS w, u FROM %s WHERE v > 0) ON w IN (1, 2, 3) USING sum(u) "
       "GROUP BY k)"}) {
    const auto plan = database_.plan("test", over(sql, "events"));
    EXPECT_EQ(plan->shape(), Shape::table) << sql;
    EXPECT_TRUE(plan->has_state());
    std::string all;
    for (int b = 0; b < 5; ++b) {
      const auto part = batch_sql(b) + (b == 1 ? " WHERE i < 0" : "");  // one batch is empty
      all += (b > 0 ? " UNION ALL " : "") + part;
      plan->begin_batch(b, 0);
      Collect out;
      run(*plan, Run::complete, events(part), out);
      EXPECT_EQ(out.sorted(), rows_of(database_, over(sql, "(" + all + ")"))) << sql;
    }
  }
}

TEST_P(PlanTest, CompleteKeepsTheOrder) {
  const std::string sql =
      "SELECT coalesce(k, '') || coalesce(v, 0) || ts AS t, str, count(*) AS c FROM %s GROUP BY "
      "ALL ORDER BY c DESC, str, t";
  const auto plan = database_.plan("test", over(sql, "events"));
  plan->begin_batch(0, 0);
  Collect out;
  run(*plan, Run::complete, events(batch_sql(4)), out);
  Rows want;
  for (const auto& row : database_.query(over(sql, "(" + batch_sql(4) + ")")).rows) {
    want.push_back(fmt::format("{}|{}|{}", *row[0], *row[1], *row[2]));
  }
  EXPECT_EQ(out.rows(), want);
  EXPECT_GT(want.size(), 4096U);
  EXPECT_EQ(out.writers, 1);
}

TEST_P(PlanTest, UpdateGivesTouchedGroups) {
  const auto plan = database_.plan("test", over(kMain, "events"));
  EXPECT_EQ(plan->refuses(OutputMode::update), std::nullopt);
  EXPECT_NE(plan->refuses(OutputMode::append), std::nullopt);
  EXPECT_EQ(plan->key(), (std::vector<std::string>{"k"}));
  std::string all;
  for (int b = 0; b < 4; ++b) {
    all += (b > 0 ? " UNION ALL " : "") + batch_sql(b);
    plan->begin_batch(b, 0);
    Collect out;
    run(*plan, Run::update, events(batch_sql(b)), out);
    const auto touched = "SELECT * FROM (" + over(kMain, "(" + all + ")") +
                         ") a WHERE EXISTS (SELECT 1 FROM (" + batch_sql(b) +
                         ") b WHERE b.v > 0 AND a.k IS NOT DISTINCT FROM b.k)";
    EXPECT_EQ(out.sorted(), rows_of(database_, touched)) << b;
  }
}

TEST_P(PlanTest, SplitsOfABatchAreOneBatch) {
  const std::string sql = "SELECT k, count(*) AS c, count(DISTINCT v) AS d FROM %s GROUP BY k";
  const auto plan = database_.plan("test", over(sql, "events"));
  plan->begin_batch(0, 0);
  std::string all;
  for (int split = 0; split < 7; ++split) {
    const auto part = fmt::format("SELECT * FROM ({}) WHERE u % 7 = {}", batch_sql(1), split);
    all += (split > 0 ? " UNION ALL " : "") + part;
    Collect nothing;
    const auto counts = run(*plan, Run::absorb, events(part), nothing);
    EXPECT_EQ(counts.scanned, counts.absorbed);
    EXPECT_TRUE(nothing.rows().empty());
  }
  Collect out;
  run(*plan, Run::update, events(batch_sql(1) + " WHERE false"), out);
  EXPECT_EQ(out.sorted(), rows_of(database_, over(sql, "(" + all + ")")));
}

TEST_P(PlanTest, AbsorbingGivesNothingEvenAboveAnAggregate) {
  const auto plan = database_.plan(
      "test", "SELECT count(*) AS n FROM (SELECT k, count(*) FROM events GROUP BY k)");
  plan->begin_batch(0, 0);
  Collect out;
  run(*plan, Run::absorb, events(batch_sql(0)), out);
  EXPECT_TRUE(out.rows().empty());
  run(*plan, Run::complete, nullptr, out);
  EXPECT_EQ(out.rows(), Rows{"51"});
}

TEST_P(PlanTest, GlobalAggregateHasARowWithoutInput) {
  const auto plan = database_.plan("test", "SELECT count(*) AS c, max(v) AS m FROM events");
  EXPECT_EQ(plan->key(), std::vector<std::string>());
  for (int b = 0; b < 2; ++b) {
    plan->begin_batch(b, 0);
    Collect out;
    plan->run(Run::complete, out);
    EXPECT_EQ(out.rows(), Rows{"0|NULL"});
  }
  plan->clear_state();
  plan->begin_batch(2, 0);
  Collect out;
  plan->run(Run::complete, out);
  EXPECT_EQ(out.rows(), Rows{"0|NULL"});
}

TEST_P(PlanTest, StreamJoinedWithATableIsAggregated) {
  const std::string sql =
      "SELECT coalesce(name, 'none') AS n, count(*) AS c, min(str) AS m FROM %s e LEFT JOIN %d d "
      "USING (u) GROUP BY n";
  const auto plan = database_.plan("test", over(sql, "events", "dim"));
  std::string all;
  for (int b = 0; b < 3; ++b) {
    all += (b > 0 ? " UNION ALL " : "") + batch_sql(b);
    plan->begin_batch(b, 0);
    Collect out;
    run(*plan, Run::complete, events(batch_sql(b)), out);
    EXPECT_EQ(out.sorted(), rows_of(database_, over(sql, "(" + all + ")", "(" + dim_sql(0) + ")")));
  }
}

TEST_P(PlanTest, DerivedTable) {
  const auto plan = database_.plan(
      "test", "SELECT name, count(*) AS c FROM dim GROUP BY name ORDER BY c DESC, name LIMIT 3");
  EXPECT_EQ(plan->shape(), Shape::table);
  EXPECT_FALSE(plan->has_state());
  EXPECT_NE(plan->refuses(OutputMode::update), std::nullopt);
  EXPECT_NE(plan->refuses(OutputMode::append), std::nullopt);
  EXPECT_EQ(plan->refuses(OutputMode::complete), std::nullopt);
  for (int b = 0; b < 2; ++b) {
    plan->begin_batch(b, 0);
    Collect out;
    const auto counts = run(*plan, Run::complete, nullptr, out, b);
    EXPECT_EQ(counts.looked_up, 10 + b * 5);
    EXPECT_EQ(counts.looked_up, counts.cut + counts.out);
    EXPECT_EQ(out.rows().size(), 3U);
  }
}

TEST_P(PlanTest, CountsAreMeasured) {
  const auto plan = database_.plan("test", "SELECT k, unnest(l) AS x FROM events WHERE u < 20");
  plan->begin_batch(0, 0);
  Collect out;
  const auto counts = run(*plan, Run::rows, events(batch_sql(0)), out);
  EXPECT_EQ(counts.scanned, 5000);
  EXPECT_EQ(counts.filtered, 2500);
  EXPECT_EQ(counts.expanded, 2500);
  EXPECT_EQ(counts.out, 5000);
  const auto sums = database_.plan(
      "test",
      "SELECT u, count(*) AS c FROM events WHERE u < 20 GROUP BY GROUPING SETS ((u), ()) "
      "HAVING count(*) > 200");
  sums->begin_batch(0, 0);
  Collect groups;
  const auto of_sums = run(*sums, Run::complete, events(batch_sql(0)), groups);
  EXPECT_EQ(of_sums.absorbed, 2500);  // each row once, though there are two grouping sets
  EXPECT_EQ(of_sums.emitted, 21);
  EXPECT_EQ(of_sums.out, 1);
  EXPECT_EQ(of_sums.cut, 20);
}

TEST_P(PlanTest, InputsTellWhatIsRead) {
  const auto plan =
      database_.plan("test", "SELECT name FROM Events e JOIN dim USING (u) WHERE v > 3");
  ASSERT_EQ(plan->inputs().size(), 2U);
  EXPECT_EQ(plan->inputs()[0].name, "events");
  EXPECT_EQ(plan->inputs()[0].columns, (std::vector<bool>{false, true, false, true, false, false}));
  EXPECT_EQ(plan->inputs()[1].columns, (std::vector<bool>{true, true}));
  const auto count = database_.plan("test", "SELECT count(*) AS c FROM events");
  EXPECT_EQ(count->inputs()[0].columns, std::vector<bool>(6, false));
}

TEST_P(PlanTest, ColumnsNotReadAreNotKept) {
  const auto plan = database_.plan("test", "SELECT sum(v) AS s FROM events");
  Batch batch(events_, plan->inputs()[0].columns);
  const auto full = events(batch_sql(0));
  Collect copy;
  copy.on_write = [&](const Chunk& chunk) { batch.append(chunk); };
  const auto all = database_.plan("all", "FROM events");
  all->begin_batch(0, 0);
  run(*all, Run::rows, full, copy);
  EXPECT_LT(batch.bytes() * 10, full->bytes());
  plan->begin_batch(0, 0);
  Collect out;
  run(*plan, Run::complete, std::make_shared<Batch>(std::move(batch)), out);
  EXPECT_EQ(out.rows(), rows_of(database_, "SELECT sum(v) FROM (" + batch_sql(0) + ")"));
}

TEST_P(PlanTest, GivenAsSqlOverAStore) {
  const auto plan = database_.plan("test", "SELECT u, count(*) AS c FROM events GROUP BY u");
  plan->begin_batch(0, 0);
  plan->give("events",
             "SELECT ts, str, v::BIGINT AS v, k, u::INTEGER AS u, l FROM (" + batch_sql(1) + ")");
  Collect out;
  const auto counts = plan->run(Run::complete, out);
  EXPECT_EQ(counts.scanned, 10000);
  EXPECT_EQ(out.sorted(),
            rows_of(database_, "SELECT u, count(*) FROM (" + batch_sql(1) + ") GROUP BY u"));
  plan->give("events", "SELECT * FROM nowhere");
  EXPECT_THROW(plan->run(Run::complete, out), Error);
}

TEST_P(PlanTest, NowIsTheBatchesTime) {
  const auto plan =
      database_.plan("test",
                     "SELECT now()::TIMESTAMP AS n, current_date AS d FROM events WHERE v >= 0 AND "
                     "ts < now()::TIMESTAMP");
  for (const int year : {2027, 2025, 2028}) {
    plan->begin_batch(0, (year - 1970) * 31'557'600'000'000LL);
    Collect out;
    run(*plan, Run::rows,
        events("SELECT 'a', 1, 'b', 2::BIGINT, TIMESTAMP '2026-01-01', [1::BIGINT]"), out);
    if (year == 2025) {
      EXPECT_TRUE(out.rows().empty());
    } else {
      ASSERT_EQ(out.rows().size(), 1U);
      EXPECT_EQ(out.rows()[0].substr(0, 5), fmt::format("{}-", year));
    }
  }
}

}  // namespace
}  // namespace millrace::sql
