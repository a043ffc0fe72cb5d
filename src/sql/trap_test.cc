// The traps that the prototype found (its README, section 3), one test each, and what else could go
// wrong from batch to batch.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <utility>

#include "sql/support_test.h"

namespace millrace::sql {
namespace {

using namespace testing;

class TrapTest : public ::testing::TestWithParam<int> {
 protected:
  TrapTest() {
    database_.declare("events", schema_, Shape::stream);
    database_.declare("dim", schema_, Shape::table);
  }
  std::shared_ptr<Batch> rows(const std::string& sql) { return batch_of(database_, schema_, sql); }

  Collect run(Plan& plan, sql::Run what, const std::shared_ptr<Batch>& batch) {
    plan.begin_batch(++batch_, 0);
    plan.give("events", batch);
    Collect out;
    plan.run(what, out);
    return out;
  }

  Database database_{{.threads = GetParam(), .memory_limit_bytes = 0, .temp_directory = ""}};
  Schema schema_ = database_.parse_schema("k BIGINT, v BIGINT, s VARCHAR");
  int batch_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Threads, TrapTest, ::testing::Values(1, 2),
                         [](const auto& threads) { return fmt::format("{}", threads.param); });

long resident_kb() {
  malloc_trim(0);
  long pages = 0;
  long resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  EXPECT_GT(resident, 0);
  return resident * 4;
}

// 1. Combining DuckDB's way keeps the memory of every batch forever.
TEST_P(TrapTest, ManyBatchesDoNotGrow) {
  const auto plan = database_.plan(
      "test",
      "SELECT k, count(*) AS c, sum(v) AS s, min(s) AS m, count(DISTINCT v) AS d, max(s) "
      "FILTER (WHERE v > 5) AS x FROM events GROUP BY k");
  const auto local =
      database_.plan("local", "SELECT k % 3 AS g, sum(v) AS s FROM events GROUP BY g");
  const auto batch = rows("SELECT i, i, 'some long string value ' || i FROM range(100) t(i)");
  const auto large = rows("SELECT i, i, NULL FROM range(20000) t(i)");
  const auto batches = [&](int count) {
    for (int i = 0; i < count; ++i) {
      EXPECT_EQ(run(*plan, sql::Run::update, batch).rows().size(), 100U);
      if (i % 100 == 0) {
        plan->write_changes([](std::string_view) {});
        run(*local, sql::Run::update, large);
      }
    }
  };
  batches(500);
  const long before = resident_kb();
  batches(3000);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // these keep freed memory
  EXPECT_LT(resident_kb() - before, 2000);
#else
  (void)before;
#endif
}

// 2. Pre-aggregated states that point into memory of the batch.
TEST_P(TrapTest, PreaggregationIsRight) {
  for (const char* keys : {"i % 5", "i", "i % 25000"}) {
    const std::string sql = fmt::format(
        "SELECT k, count(*) AS c, sum(v) AS s, min(v) AS mi, max(v) FILTER (WHERE v % 3 = 0) AS "
        "ma, "
        "avg(v) AS a FROM %s GROUP BY k");
    const std::string texts =
        "SELECT k, first(s) = s0 AS f, min(s) AS mi, last(s) IS NOT NULL AS l, "
        "any_value(s) IS NOT NULL AS a FROM (SELECT *, s AS s0 FROM %s) GROUP "
        "BY k, s0";
    const std::string input = fmt::format(
        "SELECT {} AS k, i * 7919 % 1009 AS v, 'a string that is long ' || {} AS s FROM "
        "range(60000) t(i)",
        keys, keys);
    for (const auto& query : {sql, texts}) {
      const auto plan = database_.plan("test", over(query, "events"));
      const auto batch = rows(input);
      run(*plan, sql::Run::absorb, batch);
      const auto out = run(*plan, sql::Run::complete, batch);
      EXPECT_EQ(out.sorted(),
                rows_of(database_, over(query, fmt::format("({0} UNION ALL {0})", input))));
    }
  }
}

// 3. finalize() of some aggregates destroys their state: results must be the same when asked again.
TEST_P(TrapTest, ResultsCanBeAskedForAgain) {
  const auto plan = database_.plan(
      "test",
      "SELECT k % 3 AS g, min(v, 3) AS a, max(s, 3) AS b, arg_min(s, v, 3) AS c, arg_max(v, "
      "v, 2) AS d, first(s ORDER BY v) AS e, quantile_disc(v, 0.3) AS f FROM events GROUP BY g");
  const auto first =
      run(*plan, sql::Run::complete, rows("SELECT i, i * 7 % 31, 's' || i FROM range(100) t(i)"));
  for (int again = 0; again < 3; ++again) {
    EXPECT_EQ(run(*plan, sql::Run::complete, nullptr).sorted(), first.sorted());
    plan->write_snapshot([](std::string_view) {});
  }
}

// 4. Statistics of tables must not be frozen into the plan.
TEST_P(TrapTest, TablesMayGrowBeyondWhatTheyWere) {
  for (const std::string sql :
       {"SELECT e.k, d.s FROM events e JOIN dim d USING (k) WHERE d.k > 100",
        "SELECT e.k, d.s FROM events e LEFT JOIN dim d ON e.k = d.k AND d.v < 1000",
        "SELECT d.s, count(*) AS c FROM events e JOIN dim d USING (k) WHERE d.k > 100 GROUP BY "
        "d.s"}) {
    const auto plan = database_.plan("test", sql);
    const auto what = plan->has_state() ? sql::Run::complete : sql::Run::rows;
    const auto events = rows("SELECT i, i, NULL FROM range(300) t(i)");
    const std::size_t none = plan->has_state() || sql.find("LEFT") == std::string::npos ? 0 : 300;
    plan->give("dim", rows("SELECT i, i, 'n' || i FROM range(5) t(i)"));
    EXPECT_EQ(run(*plan, what, events).rows().size(), none) << sql;
    plan->give("dim", rows("SELECT 200, 5, 'n200' UNION ALL SELECT 201, 5, 'n201'"));
    const auto out = run(*plan, what, events);
    EXPECT_EQ(
        std::ranges::count_if(out.rows(), [](const auto& row) { return row.contains("n20"); }), 2)
        << sql;
  }
}

// 5. DuckDB must not re-bind the original SQL when the catalog changes.
TEST_P(TrapTest, CatalogChangesDoNotReplaceThePlan) {
  const auto plan = database_.plan("test", "SELECT count(*) AS c FROM events");
  const auto batch = rows("SELECT i, i, NULL FROM range(10) t(i)");
  for (int i = 1; i < 5; ++i) {
    EXPECT_EQ(run(*plan, sql::Run::complete, batch).rows(), Rows{std::to_string(10 * i)});
    database_.query("CREATE OR REPLACE TABLE other AS SELECT 1 AS x");
    database_.query("CREATE OR REPLACE TABLE events AS SELECT 1 AS x");
    database_.query("CREATE OR REPLACE MACRO f(x) AS x + 1");
    database_.query("ATTACH ':memory:' AS extra");
    database_.query("DETACH extra");
  }
}

// 6. An aggregate that reads a CTE reads the stream too.
TEST_P(TrapTest, AggregateOverAStreamingCteHasState) {
  const auto plan = database_.plan(
      "test",
      "WITH a AS MATERIALIZED (SELECT k % 2 AS g, v FROM events) SELECT x.g, x.c, y.m FROM "
      "(SELECT g, count(*) c FROM a GROUP BY g) x JOIN (SELECT g, max(v) m FROM a GROUP BY g) "
      "y USING (g)");
  EXPECT_TRUE(plan->has_state());
  const auto batch = rows("SELECT i, i, NULL FROM range(10) t(i)");
  run(*plan, sql::Run::absorb, batch);
  EXPECT_EQ(run(*plan, sql::Run::complete, batch).sorted(), (Rows{"0|10|8", "1|10|9"}));
}

// 7. The optimizer removes the stream: what the dataset is was decided before.
TEST_P(TrapTest, StreamThatIsOptimizedAway) {
  const auto stream = database_.plan("test", "SELECT k FROM events WHERE 1 = 0");
  EXPECT_EQ(stream->shape(), Shape::stream);
  EXPECT_EQ(stream->inputs().size(), 1U);
  const auto table =
      database_.plan("test", "SELECT k, count(*) AS c FROM events WHERE 1 = 0 GROUP BY k");
  EXPECT_EQ(table->shape(), Shape::table);
  const auto batch = rows("SELECT i, i, NULL FROM range(10) t(i)");
  EXPECT_TRUE(run(*table, sql::Run::absorb, batch).rows().empty());
  EXPECT_TRUE(run(*table, sql::Run::complete, batch).rows().empty());
  EXPECT_TRUE(run(*stream, sql::Run::rows, batch).rows().empty());
}

// 8. A stacked aggregation is computed over the whole table below it, never incrementally.
TEST_P(TrapTest, StackedAggregatesForgetWhatChanged) {
  const auto plan = database_.plan(
      "test",
      "SELECT c, count(*) AS n FROM (SELECT k, count(*) AS c FROM events GROUP BY k) GROUP BY c");
  EXPECT_NE(plan->refuses(OutputMode::update), std::nullopt);
  const auto batch = rows("SELECT i, i, NULL FROM range(10) t(i)");
  EXPECT_EQ(run(*plan, sql::Run::complete, batch).rows(), Rows{"1|10"});
  EXPECT_EQ(run(*plan, sql::Run::complete, batch).rows(), Rows{"2|10"});
}

// 9. Groups take memory that is accounted for, and given back when the state is cleared.
TEST_P(TrapTest, StateSizeIsKnown) {
  const auto plan =
      database_.plan("test", "SELECT k, count(*) AS c, min(s) AS m FROM events GROUP BY k");
  run(*plan, sql::Run::absorb,
      rows("SELECT i, i, 'a text of some length' FROM range(100000) t(i)"));
  const auto stats = plan->state_stats();
  EXPECT_EQ(stats.rows, 100'000);
  EXPECT_EQ(stats.changed, 100'000);
  EXPECT_GT(stats.bytes, 5'000'000);
  EXPECT_LT(stats.bytes, 50'000'000);
  EXPECT_GT(database_.memory_bytes(), 4'000'000);
  plan->begin_batch(100, 0);
  EXPECT_EQ(plan->state_stats().changed, 0);
  plan->clear_state();
  EXPECT_EQ(plan->state_stats().rows, 0);
  EXPECT_LT(database_.memory_bytes(), 1'000'000);
}

// 10. An error in a run must leave the database, and other plans, usable.
// An error above the aggregate leaves the state half advanced: it is cleared and restored.
TEST_P(TrapTest, ErrorInARunThenRestored) {
  const auto plan = database_.plan(
      "test",
      "SELECT k, CASE WHEN c > 2 THEN error('boom')::VARCHAR ELSE c::VARCHAR END AS c FROM "
      "(SELECT k, count(*) AS c FROM events GROUP BY k)");
  const auto batch = rows("SELECT i, i, NULL FROM range(3) t(i)");
  run(*plan, sql::Run::update, batch);
  Pieces state;
  plan->write_snapshot(state.put());
  run(*plan, sql::Run::update, batch);
  for (int again = 0; again < 3; ++again) {
    try {
      run(*plan, sql::Run::update, batch);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.blame(), Blame::user);
      EXPECT_NE(std::string(error.what()).find("boom"), std::string::npos) << error.what();
    }
    plan->clear_state();
    plan->apply(state.get());
    EXPECT_EQ(run(*plan, sql::Run::update, batch).sorted(), (Rows{"0|2", "1|2", "2|2"}));
  }
  EXPECT_EQ(database_.query("SELECT 42 AS x").rows.size(), 1U);
}

TEST_P(TrapTest, ErrorBelowTheAggregate) {
  const auto plan = database_.plan(
      "test", "SELECT k % 10 AS g, sum(CAST(s AS INTEGER)) AS c FROM events GROUP BY g");
  Pieces state;
  plan->write_snapshot(state.put());
  const auto bad =
      rows("SELECT i, i, CASE WHEN i = 90000 THEN 'x' ELSE '1' END FROM range(100000) t(i)");
  EXPECT_THROW(run(*plan, sql::Run::complete, bad), Error);
  plan->clear_state();
  plan->apply(state.get());
  EXPECT_EQ(
      run(*plan, sql::Run::complete, rows("SELECT i, i, '1' FROM range(10) t(i)")).rows().size(),
      10U);
}

// The receiver's own error comes out as it was thrown: whose fault it is, and whether to retry.
TEST_P(TrapTest, ErrorOfAReceiver) {
  const auto plan = database_.plan("test", "SELECT k FROM events");
  const auto batch = rows("SELECT i, i, NULL FROM range(200000) t(i)");
  plan->begin_batch(1, 0);
  plan->give("events", batch);
  Collect out;
  out.on_write = [](const Chunk&) { throw Error(Blame::external, "disk full", Retry::yes); };
  try {
    plan->run(sql::Run::rows, out);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "disk full");
    EXPECT_EQ(error.blame(), Blame::external);
    EXPECT_EQ(error.retry(), Retry::yes);
  }
  EXPECT_EQ(out.finished, 0);
  EXPECT_EQ(run(*plan, sql::Run::rows, batch).rows().size(), 200'000U);
}

// The engine runs a plan from inside the writer of another when a batch is larger than its limits.
TEST_P(TrapTest, PlanRunsInsideAnotherPlansWriter) {
  database_.declare("clean", schema_, Shape::stream);
  const auto outer = database_.plan("clean", "SELECT k, v, s FROM events WHERE v % 2 = 0");
  const auto inner =
      database_.plan("sums", "SELECT k % 7 AS g, count(*) AS c, sum(v) AS s FROM clean GROUP BY g");
  const std::string input = "SELECT i AS k, i AS v, 'text ' || i AS s FROM range(400000) t(i)";
  std::mutex lock;
  std::atomic<int> runs = 0;
  Collect nothing;
  inner->begin_batch(1, 0);
  outer->begin_batch(1, 0);
  outer->give("events", rows(input));
  Collect out;
  out.on_write = [&](const Chunk& chunk) {
    auto part = std::make_shared<Batch>(schema_);
    for (int copies = 0; copies < 40; ++copies) {  // enough for two threads inside
      part->append(chunk);
    }
    const std::lock_guard guard(lock);
    inner->give("clean", std::move(part));
    inner->run(sql::Run::absorb, nothing);
    ++runs;
  };
  outer->run(sql::Run::rows, out);
  EXPECT_GT(runs, 100);
  Collect sums;
  inner->run(sql::Run::complete, sums);
  EXPECT_EQ(sums.sorted(), rows_of(database_, "SELECT k % 7, count(*) * 40, sum(v) * 40 FROM (" +
                                                  input + ") WHERE v % 2 = 0 GROUP BY 1"));
}

TEST_P(TrapTest, StateOfAnotherQueryIsRecognised) {
  const auto one = database_.plan("test", "SELECT k, sum(v) AS s FROM events GROUP BY k");
  const auto other = database_.plan("test", "SELECT k, sum(k) AS s FROM events GROUP BY k");
  const auto same = database_.plan("test", "SELECT sum(v) AS total, k FROM events GROUP BY k");
  run(*one, sql::Run::absorb, rows("SELECT i, i, NULL FROM range(5) t(i)"));
  Pieces state;
  one->write_snapshot(state.put());
  EXPECT_NE(one->state_schema(), other->state_schema());
  EXPECT_EQ(one->state_schema(), same->state_schema());
  EXPECT_NE(one->state_schema().find("v1.5.5"), std::string::npos);
  EXPECT_THROW(other->apply(state.get()), Error);
  same->apply(state.get());
  EXPECT_EQ(same->state_stats().rows, 5);
  EXPECT_EQ(one->state_text(), "grouped aggregation by k: 1 aggregate");
}

TEST_P(TrapTest, DamagedStateIsRecognised) {
  const auto plan =
      database_.plan("test", "SELECT k, sum(v) AS s, min(s) AS m FROM events GROUP BY k");
  run(*plan, sql::Run::absorb, rows("SELECT i, i, 'text' FROM range(500) t(i)"));
  Pieces state;
  plan->write_snapshot(state.put());
  for (const auto& piece : state.all()) {
    bool given = false;
    const GetBytes half = [&](std::string& out) {
      out = piece.substr(0, piece.size() / 2);
      return !std::exchange(given, true);
    };
    EXPECT_THROW(plan->apply(half), Error);
  }
}

}  // namespace
}  // namespace millrace::sql
