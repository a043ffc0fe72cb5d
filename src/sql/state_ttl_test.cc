// A time to live for groups: what is forgotten when, and that nothing is left of it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "sql/plan.h"
#include "sql/support_test.h"

namespace millrace::sql {
namespace {

using namespace testing;

constexpr std::int64_t kTtl = 64'000;  // so that the grain is 1000
constexpr std::int64_t kStart = 1'700'000'000'000'000;

class StateTtlTest : public ::testing::TestWithParam<int> {
 protected:
  StateTtlTest() { database_.declare("events", events_, Shape::stream); }

  std::unique_ptr<Plan> plan(const std::string& sql) {
    return database_.plan("d", sql, {.state_ttl_us = kTtl});
  }
  static Rows run(Plan& plan, std::int64_t batch, std::int64_t time,
                  const std::shared_ptr<Batch>& rows, sql::Run mode = sql::Run::complete) {
    plan.begin_batch(batch, kStart + time);
    plan.give("events", rows);
    Collect to;
    expect_rows_add_up(plan.run(mode, to));
    plan.close_windows();
    return to.sorted();
  }
  std::shared_ptr<Batch> keys(const std::string& values) {
    return batch_of(database_, events_,
                    "SELECT k, 1 AS v, k AS s FROM (VALUES " + values + ") AS t(k)");
  }

  Database database_{{.threads = GetParam()}};
  Schema events_ = database_.parse_schema("k VARCHAR, v INTEGER, s VARCHAR");
};

INSTANTIATE_TEST_SUITE_P(Threads, StateTtlTest, ::testing::Values(1, 2),
                         [](const auto& threads) { return fmt::format("{}", threads.param); });

TEST_P(StateTtlTest, ForgottenAndBegunAfresh) {
  const auto plan = this->plan("SELECT k, count(*) AS n FROM events GROUP BY k");
  EXPECT_EQ(run(*plan, 0, 0, keys("('a'), ('b')")), (Rows{"a|1", "b|1"}));
  EXPECT_EQ(run(*plan, 1, 64'000, keys("('a')")), (Rows{"a|2", "b|1"}));  // to the very end
  EXPECT_EQ(run(*plan, 2, 64'001, keys("('c')")), (Rows{"a|2", "c|1"}));
  EXPECT_EQ(plan->state_stats().rows, 2);
  EXPECT_EQ(run(*plan, 3, 100'000, keys("('b')")), (Rows{"a|2", "b|1", "c|1"}));
  EXPECT_EQ(run(*plan, 4, 128'900, keys("('b')"), sql::Run::update), Rows{"b|2"});
  EXPECT_EQ(run(*plan, 5, 300'000, keys("('a')")), Rows{"a|1"});
  EXPECT_EQ(run(*plan, 6, 900'000, batch_of(database_, events_, "SELECT 'x', 1, 'x' LIMIT 0")),
            Rows{});
  EXPECT_EQ(plan->state_stats().rows, 0);
}

TEST_P(StateTtlTest, OneGroupOfAllRows) {
  const auto plan = this->plan("SELECT count(*) AS n, count(DISTINCT s) AS d FROM events");
  EXPECT_EQ(run(*plan, 0, 0, keys("('a'), ('b')")), Rows{"2|2"});
  EXPECT_EQ(run(*plan, 1, 50'000, keys("('a')")), Rows{"3|2"});
  EXPECT_EQ(run(*plan, 2, 150'000, keys("('a')")), Rows{"1|1"});
}

/// Random rows in random steps of time, every kind of aggregate state, against DuckDB over the rows
/// of each group's present life; every few batches the plan is a restored one.
TEST_P(StateTtlTest, EqualsAnOracleAlsoRestored) {
  const std::string aggregates =
      "count(*) AS n, sum(v) AS s, count(DISTINCT v) AS d, count(DISTINCT s) AS ds, "
      "max(s) AS m, quantile_disc(v, 0.5) AS q, min(v, 2) AS two, count(DISTINCT (v, s)) AS p, "
      "sum(v) FILTER (WHERE v > 50) AS f";
  const std::string sql = "SELECT k, " + aggregates + " FROM events GROUP BY k";
  std::mt19937 random(11);
  auto plan = this->plan(sql);
  std::unique_ptr<Plan> copy = this->plan(sql);
  std::map<std::string, std::pair<std::int64_t, int>> lives;  // key -> end, first batch
  database_.query("CREATE TABLE seen (b INTEGER, k VARCHAR, v INTEGER, s VARCHAR)");
  std::int64_t time = 0;
  for (int b = 0; b < 60; ++b) {
    const std::string rows = fmt::format(
        "SELECT 'key' || ((hash(i + {0} * 1000) % {1})) AS k, (hash(i * 7 + {0}) % 100)::INT AS v, "
        "'a longer string ' || (hash(i * 13 + {0}) % 50) AS s FROM range(400) t(i)",
        b, b % 10 == 9 ? 20 : 2500);
    time += static_cast<std::int64_t>(random() % 30'000) + (b % 13 == 12 ? 200'000 : 0);
    database_.query(fmt::format("INSERT INTO seen SELECT {}, * FROM ({})", b, rows));
    const std::int64_t end = (time + kTtl + 999) / 1000 * 1000;
    std::erase_if(lives, [&](const auto& life) { return life.second.first < time; });
    for (const std::string& key : rows_of(database_, "SELECT DISTINCT k FROM (" + rows + ")")) {
      lives.try_emplace(key, end, b).first->second.first = end;
    }
    database_.query("CREATE OR REPLACE TABLE lives (k VARCHAR, since INTEGER)");
    std::string values;
    for (const auto& [key, life] : lives) {
      values += fmt::format("{}('{}', {})", values.empty() ? "" : ", ", key, life.second);
    }
    database_.query("INSERT INTO lives VALUES " + values);
    const auto batch = batch_of(database_, events_, rows);
    const Rows got = run(*plan, b, time, batch);
    ASSERT_EQ(got, rows_of(database_, "SELECT k, " + aggregates +
                                          " FROM seen JOIN lives USING (k) WHERE b >= since "
                                          "GROUP BY k"))
        << "batch " << b;
    Pieces changes;
    plan->write_changes(changes.put());
    copy->apply(changes.get());
    if (b % 7 == 6) {  // from the changes of each batch
      Pieces snapshot;
      copy->write_snapshot(snapshot.put());
      plan = std::move(copy);
      copy = this->plan(sql);
      copy->apply(snapshot.get());
    }
  }
}

TEST_P(StateTtlTest, MemoryFollowsTheLiving) {
  for (const std::string sql :
       {"SELECT k, count(*) AS n, count(DISTINCT s) AS d FROM events GROUP BY k",
        "SELECT DISTINCT ON (k) k, v FROM events"}) {
    const auto plan = this->plan(sql);
    std::int64_t early = 0;
    for (int b = 0; b < 80; ++b) {
      const auto rows = batch_of(
          database_, events_,
          fmt::format("SELECT 'key' || (i + {}) AS k, 1 AS v, 'k' || i AS s FROM range(4000) t(i)",
                      b * 4000));
      const Rows out = run(*plan, b, b * 30'000, rows,
                           plan->shape() == Shape::table ? sql::Run::update : sql::Run::finish);
      EXPECT_EQ(out.size(), 4000U);
      const auto stats = plan->state_stats();
      EXPECT_LE(stats.rows, 4 * 4000) << b;
      early = b == 12 ? stats.bytes : early;
    }
    EXPECT_LT(plan->state_stats().bytes, 3 * early) << sql;
  }
}

// The time counts from the first row: what is a copy does not make the key live on.
TEST_P(StateTtlTest, Distinct) {
  auto plan = this->plan("SELECT DISTINCT ON (k) k FROM events");
  EXPECT_TRUE(plan->warnings().empty());
  EXPECT_EQ(run(*plan, 0, 0, keys("('a'), ('b'), ('a')"), sql::Run::finish), (Rows{"a", "b"}));
  EXPECT_EQ(run(*plan, 1, 60'000, keys("('a'), ('c')"), sql::Run::finish), Rows{"c"});
  EXPECT_EQ(run(*plan, 2, 64'001, keys("('a'), ('a')"), sql::Run::finish), Rows{"a"});
  EXPECT_EQ(run(*plan, 3, 65'000, keys("('a'), ('c')"), sql::Run::finish), Rows{});
  Pieces snapshot;
  plan->write_snapshot(snapshot.put());
  plan = this->plan("SELECT DISTINCT ON (k) k FROM events");
  plan->apply(snapshot.get());
  EXPECT_EQ(run(*plan, 4, 66'000, keys("('a'), ('b'), ('c')"), sql::Run::finish), Rows{"b"});
}

TEST_P(StateTtlTest, HasNoEffectWithoutSuchState) {
  EXPECT_EQ(plan("SELECT k FROM events")->warnings().size(), 1U);
  EXPECT_EQ(plan("SELECT k, count(*) AS n FROM events GROUP BY k")->warnings().size(), 0U);
}

/// Keys with an event time die one by one, too: a copy with another time than the first row's finds
/// the key, however many there are.
TEST_P(StateTtlTest, CopiesWithOtherTimes) {
  const auto schema = database_.parse_schema("id BIGINT, ts TIMESTAMP");
  database_.declare("timed", schema, Shape::stream, std::nullopt, {{1, {.delay_us = 60'000'000}}});
  const auto plan = database_.plan("d", "SELECT DISTINCT ON (id) id, ts FROM timed");
  const auto give = [&](int b, const char* second) {
    plan->begin_batch(b, kStart + b);
    plan->give("timed",
               batch_of(database_, schema,
                        fmt::format("SELECT i AS id, TIMESTAMP '2024-01-01 10:00:{}' AS ts "
                                    "FROM range(100000) t(i)",
                                    second)));
    plan->give_bounds("timed", {{1, kNoBound}});
    Collect to;
    plan->run(sql::Run::finish, to);
    plan->close_windows();
    return to.rows().size();
  };
  EXPECT_EQ(give(0, "00"), 100'000U);
  EXPECT_EQ(give(1, "30"), 0U);
}

}  // namespace
}  // namespace millrace::sql
