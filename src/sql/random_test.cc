// random() and uuid() follow from the batch and the row: never from threads, parts or chance.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "sql/internal/row_seeds.h"
#include "sql/plan.h"
#include "sql/support_test.h"

namespace millrace::sql {
namespace {

using namespace testing;

constexpr std::int64_t kTime = 1'700'000'000'123'456;

class RandomTest : public ::testing::Test {
 protected:
  /// A database with threads of its own.
  struct Home {
    explicit Home(int threads) : database({.threads = threads}) {
      database.declare("events", events, Shape::stream);
      database.declare("dim", dim, Shape::table);
    }
    std::shared_ptr<Batch> rows(std::int64_t from, std::int64_t to) {
      return batch_of(database, events,
                      fmt::format("SELECT 'k' || (i % 7) AS k, (i % 40)::INT AS v "
                                  "FROM range({}, {}) t(i)",
                                  from, to));
    }
    Database database;
    Schema events = database.parse_schema("k VARCHAR, v INTEGER");
    Schema dim = database.parse_schema("v INTEGER, name VARCHAR");
  };

  static constexpr std::int64_t kRows = 60'000;  // each content many times, over several threads

  static Rows run(Home& home, Plan& plan, std::int64_t batch,
                  const std::vector<std::int64_t>& cuts = {0, kRows}) {
    plan.begin_batch(batch, kTime + batch);
    Collect to;
    for (std::size_t i = 1; i < cuts.size(); ++i) {
      plan.give("events", home.rows(cuts[i - 1], cuts[i]));
      if (plan.has_state()) {
        plan.run(i + 1 < cuts.size() ? sql::Run::absorb : sql::Run::complete, to);
      } else {
        plan.run(sql::Run::rows, to);
      }
    }
    return to.sorted();
  }
};

// What differs stays different: no two rows of a batch share a seed.
TEST_F(RandomTest, SeedsTellEqualRowsApart) {
  RowSeeds seeds("d", 1, /*whole=*/false);
  seeds.begin_batch(3, 4);
  const std::vector<std::uint64_t> hashes(5000, 17);
  std::vector<Bits> found(hashes.size());
  seeds.give(hashes.data(), hashes.size(), found.data());
  std::set<std::pair<std::uint64_t, std::uint64_t>> all;
  for (const Bits& bits : found) {
    all.emplace(bits.high, bits.low);
  }
  EXPECT_EQ(all.size(), hashes.size());
  Bits again;
  seeds.begin_batch(3, 4);
  seeds.give(hashes.data(), 1, &again);
  EXPECT_EQ(again, found[0]);
  seeds.begin_batch(4, 4);
  seeds.give(hashes.data(), 1, &again);
  EXPECT_NE(again, found[0]);
}

TEST_F(RandomTest, TheSameOnAnyThreadsAndInAnyParts) {
  for (const std::string sql :
       {"SELECT k, v, random() AS a, random() AS b, uuid() AS c FROM events",
        "SELECT random() AS a FROM events", "SELECT k FROM events WHERE random() < 0.1",
        "SELECT k, random() AS a FROM events WHERE random() < 0.3 AND v > 5 AND random() < 0.8",
        "SELECT k, a, uuidv7() AS b FROM (SELECT k, random() AS a FROM events) WHERE a < 0.2",
        "SELECT k, floor(random() * 10) AS a, count(*) AS n FROM events GROUP BY ALL",
        "SELECT k, sum((random() * 1000)::BIGINT) AS s FROM events GROUP BY k",
        "SELECT k, count(*) AS n, uuid() AS u FROM events GROUP BY k HAVING random() < 0.7",
        "SELECT k, (SELECT random()) AS a FROM events",
        R"(WITH r AS (SELECT k, random() AS a FROM events)
           SELECT k, a FROM r UNION ALL SELECT k, a FROM r)",
        "SELECT k, unnest([a, a]) AS x FROM (SELECT k, random() AS a FROM events)"}) {
    Home one(1);
    Home two(2);
    const auto first = one.database.plan("d", sql);
    const auto second = two.database.plan("d", sql);
    for (std::int64_t b = 0; b < 2; ++b) {
      const Rows want = run(one, *first, b);
      EXPECT_FALSE(want.empty()) << sql;
      EXPECT_EQ(run(two, *second, b, {0, 25'000, 25'010, kRows}), want) << sql;
    }
  }
}

TEST_F(RandomTest, AnotherBatchAnotherDatasetOtherValues) {
  Home home(2);
  const char* sql = "SELECT uuid() AS u, uuidv4() AS v, gen_random_uuid() AS w FROM events";
  const auto plan = home.database.plan("d", sql);
  const auto other = home.database.plan("e", sql);
  std::set<std::string> all;
  std::size_t rows = 0;
  for (const Rows& batch : {run(home, *plan, 0), run(home, *plan, 1), run(home, *other, 0)}) {
    for (const std::string& row : batch) {
      for (std::size_t i = 0; i < 3; ++i) {
        const std::string uuid = row.substr(i * 37, 36);
        EXPECT_EQ(uuid[14], '4') << uuid;
        EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos) << uuid;
        all.insert(uuid);
        ++rows;
      }
    }
  }
  EXPECT_EQ(rows, 9U * kRows);
  EXPECT_EQ(all.size(), rows);
}

TEST_F(RandomTest, Distribution) {
  Home home(2);
  const auto plan = home.database.plan(
      "d",
      "SELECT (avg(a) * 100)::INT AS mean, (stddev(a) * 100)::INT AS deviation, "
      "(corr(a, b) * 10)::INT AS together, min(a) >= 0 AND max(a) < 1 AS inside, "
      "count(*) FILTER (WHERE a < 0.1) * 20 // count(*) AS tenth "
      "FROM (SELECT random() AS a, random() AS b FROM events)");
  EXPECT_EQ(run(home, *plan, 0), Rows{"50|29|0|true|2"});
  const auto filtered =
      home.database.plan("d",
                         "SELECT count(*) * 10 // 60000 AS n, (avg(a) * 20)::INT AS mean "
                         "FROM (SELECT random() AS a FROM events WHERE random() < 0.55)");
  EXPECT_EQ(run(home, *filtered, 0), Rows{"5|10"});  // what WHERE draws says nothing of the rest
}

TEST_F(RandomTest, Version7HasTheTimeOfTheBatch) {
  Home home(1);
  const auto plan = home.database.plan("d", "SELECT uuidv7() AS u FROM events");
  std::set<std::string> all;
  for (const std::string& uuid : run(home, *plan, 0, {0, 1000})) {
    EXPECT_EQ(uuid.substr(0, 8) + uuid.substr(9, 4), fmt::format("{:012x}", kTime / 1000));
    EXPECT_EQ(uuid[14], '7');
    EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos) << uuid;
    all.insert(uuid);
  }
  EXPECT_EQ(all.size(), 1000U);
}

TEST_F(RandomTest, FeedingEqualsRunning) {
  Home home(2);
  const char* sql = "SELECT k, v, random() AS a FROM events WHERE random() < 0.5";
  const auto fed = home.database.plan("d", sql);
  const auto all = home.database.plan("all", "SELECT * FROM events");
  ASSERT_TRUE(fed->feedable());
  fed->begin_batch(0, kTime);
  all->begin_batch(0, kTime);
  Collect got;
  struct Forward final : Receiver {
    explicit Forward(Feed& f) : to(f) {}
    std::unique_ptr<SinkWriter> writer() override { return to.writer(); }
    Feed& to;
  };
  const auto feed = fed->feed(got);
  Forward forward(*feed);
  all->give("events", home.rows(0, kRows));
  all->run(sql::Run::rows, forward);
  expect_rows_add_up(feed->end());
  const auto ran = home.database.plan("d", sql);
  EXPECT_EQ(got.sorted(), run(home, *ran, 0));
}

TEST_F(RandomTest, InAJoin) {
  Home home(2);
  const auto plan = home.database.plan(
      "d", "SELECT k, name FROM events JOIN dim ON events.v = dim.v AND random() < 0.5");
  plan->begin_batch(0, kTime);
  plan->give("events", home.rows(0, kRows));
  plan->give("dim", batch_of(home.database, home.dim,
                             "SELECT i::INT AS v, 'n' || i AS name FROM range(20) t(i)"));
  Collect to;
  plan->run(sql::Run::rows, to);
  EXPECT_NEAR(static_cast<double>(to.rows().size()), kRows / 4.0, kRows / 50.0);
}

TEST_F(RandomTest, UpdateStillKnowsItsKey) {
  Home home(1);
  const auto plan =
      home.database.plan("d", "SELECT k, count(*) AS n, uuid() AS u FROM events GROUP BY k");
  EXPECT_EQ(plan->refuses(OutputMode::update), std::nullopt);
  EXPECT_EQ(plan->key(), std::vector<std::string>{"k"});
}

TEST_F(RandomTest, Refused) {
  Home home(1);
  for (const std::string sql :
       {"SELECT k, name FROM events LEFT JOIN dim ON random() < 0.5",
        "SELECT k, unnest([random(), random()]) AS x FROM events",
        "SELECT k, sum(n) OVER (ORDER BY random()) AS s FROM (SELECT k, count(*) AS n FROM events "
        "GROUP BY k)"}) {
    EXPECT_NE(refusal(home.database, sql).find("can't be used here"), std::string::npos) << sql;
  }
  EXPECT_NE(refusal(home.database, "SELECT setseed(0.5) AS s FROM events").find("no effect"),
            std::string::npos);
}

}  // namespace
}  // namespace millrace::sql
