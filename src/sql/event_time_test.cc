// Windows, sessions and deduplication batch by batch: what comes out, and that state which was
// written down and read back goes on as if nothing had happened.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sql/plan.h"
#include "sql/support_test.h"

namespace millrace::sql {
namespace {

using namespace testing;

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kStart = 1'704'067'200 * kSecond;  // 2024-01-01
constexpr int kBatches = 6;
constexpr int kRows = 3000;  // in a batch, over 100 seconds

class EventTimeTest : public ::testing::TestWithParam<int> {
 protected:
  EventTimeTest() {
    database_.declare("events", events_, Shape::stream, std::nullopt, {{0, {10 * kSecond}}});
  }

  /// Rows up to 10 s behind the newest, each of them twice; some without a time or a key.
  static std::string batch_sql(int b) {
    return fmt::format(
        "SELECT CASE WHEN i % 500 = 7 THEN NULL ELSE TIMESTAMP '2024-01-01' + INTERVAL 1 "
        "MILLISECOND * ({0} * 100000 + i * 33 - (i * 7919 % 97) * 100) END AS ts, "
        "CASE WHEN i % 11 = 0 THEN NULL ELSE 'key number ' || (i * 31 % 17) END AS k, "
        "(i * 13 % 101)::INT AS v, {0} * 100000 + i // 2 AS id FROM range({1}) t(i)",
        b, kRows);
  }
  static std::int64_t watermark(int b) { return kStart + ((b + 1) * 100 - 12) * kSecond; }

  RunCounts batch(Plan& plan, int b, Collect& to) {
    plan.begin_batch(b, kStart + b);
    plan.give("events", batch_of(database_, events_, batch_sql(b)));
    plan.give_bounds("events", {{0, watermark(b)}});
    const RunCounts counts = plan.run(Run::finish, to);
    expect_rows_add_up(counts);
    plan.close_windows();
    return counts;
  }

  /// All batches; before each one, `renew` may put another plan in place of the one that has run.
  template <class Renew>
  Rows run(const std::string& sql, const Renew& renew) {
    Collect all;
    auto plan = database_.plan("p", sql);
    for (int b = 0; b < kBatches; ++b) {
      renew(plan);
      (void)batch(*plan, b, all);
    }
    return all.sorted();
  }

  Database database_{{.threads = GetParam()}};
  Schema events_ = database_.parse_schema("ts TIMESTAMP, k VARCHAR, v INTEGER, id BIGINT");
};

INSTANTIATE_TEST_SUITE_P(Threads, EventTimeTest, ::testing::Values(1, 2),
                         [](const auto& threads) { return fmt::format("{}", threads.param); });

const std::vector<std::string> kQueries = {
    R"(SELECT tumble(ts, INTERVAL 7 SECONDS) AS w, k, count(*) AS n, sum(v) AS s
       FROM events GROUP BY ALL)",
    R"(SELECT tumble(ts, INTERVAL 30 SECONDS) AS w, count(DISTINCT k) AS ks, min(k) AS least,
              list_sort(list(v)) AS l, median(v) AS m
       FROM events GROUP BY ALL)",
    R"(SELECT window_start, window_end, k, max(v) AS m
       FROM hop(events, ts, INTERVAL 20 SECONDS, INTERVAL 6 SECONDS,
                "offset" := INTERVAL 1 SECOND) GROUP BY ALL)",
    R"(SELECT DISTINCT ON (k, v % 7, date_trunc('minute', ts))
              date_trunc('minute', ts) AS t, k, v % 7 AS r FROM events)",
    R"(SELECT k, window_start, window_end, count(*) AS n, list_sort(list(v)) AS l
       FROM session(events, ts, INTERVAL 900 MILLISECONDS, k) GROUP BY ALL)",
    R"(SELECT w, k, v, id
       FROM (SELECT *, row_number() OVER (PARTITION BY w ORDER BY v DESC, id, k) AS n
             FROM (SELECT tumble(ts, INTERVAL 9 SECONDS) AS w, * FROM events)) WHERE n <= 4)",
    R"(SELECT tumble(w, INTERVAL 1 MINUTE) AS m, sum(n) AS n
       FROM (SELECT tumble(ts, INTERVAL 5 SECONDS) AS w, k, count(*) AS n
             FROM events GROUP BY ALL) GROUP BY ALL)",
    R"(SELECT date_trunc('minute', ts) AS w, grouping(k) AS g, k, count(*) AS n
       FROM events GROUP BY GROUPING SETS ((w, k), (w)))"};

TEST_P(EventTimeTest, StateReadBackGoesOnAsIfNothingHadHappened) {
  for (const std::string& sql : kQueries) {
    const Rows undisturbed = run(sql, [](auto&) {});
    ASSERT_GT(undisturbed.size(), 4U) << sql;
    const auto from_snapshot = [&](std::unique_ptr<Plan>& plan) {
      Pieces pieces;
      plan->write_snapshot(pieces.put());
      plan = database_.plan("p", sql);
      plan->apply(pieces.get());
    };
    EXPECT_EQ(run(sql, from_snapshot), undisturbed) << sql;
    std::vector<Pieces> log;
    const auto from_log = [&](std::unique_ptr<Plan>& plan) {
      plan->write_changes(log.emplace_back().put());
      plan = database_.plan("p", sql);
      for (const Pieces& batch : log) {
        Pieces again = batch;
        plan->apply(again.get());
      }
    };
    EXPECT_EQ(run(sql, from_log), undisturbed) << sql;
  }
}

TEST_P(EventTimeTest, LateRowsAreGivenOutAsTheyCame) {
  for (const std::string& sql : kQueries) {
    auto plan = database_.plan("p", sql, {.late = Database::Late::give});
    auto without = database_.plan("p", sql);
    ASSERT_EQ(plan->refuses_late(), std::nullopt) << sql;
    EXPECT_EQ(plan->late_schema(), events_) << sql;
    EXPECT_EQ(plan->state_schema(), without->state_schema()) << sql;
    Collect late;
    Collect out;
    Collect expected;
    plan->take_late(&late);
    std::int64_t found = 0;
    for (int b = 0; b < kBatches; ++b) {
      plan->begin_batch(b, kStart + b);
      const auto part = [&](const std::string& rows) {  // a batch may come in parts
        plan->give("events",
                   batch_of(database_, events_,
                            fmt::format("SELECT * FROM ({}) WHERE id % 3 {}", batch_sql(b), rows)));
      };
      part("= 0");
      RunCounts counts = plan->run(Run::rows, out);
      part("IS NULL OR id % 3 > 0");
      plan->give_bounds("events", {{0, watermark(b)}});
      const RunCounts rest = plan->run(Run::finish, out);
      plan->close_windows();
      counts.late.add(rest.late);
      counts.late_whole += rest.late_whole;
      EXPECT_EQ(counts.late_whole, counts.late.rows) << sql;
      EXPECT_EQ(counts.late.rows, batch(*without, b, expected).late.rows) << sql;
      found += counts.late.rows;
      ASSERT_EQ(late.rows().size(), static_cast<std::size_t>(found)) << sql;
    }
    EXPECT_EQ(late.writers, late.finished);
    if (!sql.contains("DISTINCT ON")) {  // of equal times any row may be the first
      EXPECT_EQ(out.sorted(), expected.sorted()) << sql;
    }
    for (const std::string& row : late.rows()) {
      ASSERT_EQ(std::ranges::count(row, '|'), 3) << sql << ": " << row;
    }
  }
}

// A duplicate gives the time that its key would be remembered until a place, and no row there.
TEST_P(EventTimeTest, KeysAreForgottenBesideDuplicatesOfLaterTimes) {
  auto plan = database_.plan("p", "SELECT DISTINCT ON (k) ts, k FROM events");
  const auto run = [&](int seconds, const std::string& key, int watermark) {
    plan->begin_batch(0, kStart);
    plan->give(
        "events",
        batch_of(database_, events_,
                 fmt::format("SELECT TIMESTAMP '2024-01-01' + INTERVAL {} SECONDS, '{}', 1, 1",
                             seconds, key)));
    plan->give_bounds("events", {{0, kStart + watermark * kSecond}});
    Collect out;
    expect_rows_add_up(plan->run(Run::finish, out));
    plan->close_windows();
    return out.rows().size();
  };
  EXPECT_EQ(run(0, "a", 0), 1U);
  EXPECT_EQ(run(30, "a", 20), 0U);  // a duplicate; then the key is forgotten
  EXPECT_EQ(run(30, "b", 20), 1U);
  EXPECT_EQ(run(31, "a", 21), 1U);
  EXPECT_EQ(plan->state_stats().rows, 2);
  EXPECT_EQ(plan->state_stats().windows, 0);
  EXPECT_TRUE(plan->state_stats().oldest.starts_with("2024-01-01 00:00:30"));
}

TEST_P(EventTimeTest, WhatIsNeverLateIsSaid) {
  const auto refusal = [&](const std::string& sql, Database::Windows windows) {
    return database_.plan("p", sql, {.windows = windows, .late = Database::Late::give})
        ->refuses_late()
        .value_or("");
  };
  constexpr auto kClose = Database::Windows::close;
  EXPECT_TRUE(refusal("SELECT k, count(*) AS n FROM events GROUP BY k", kClose)
                  .starts_with("none of its rows is ever late"));
  EXPECT_TRUE(refusal("SELECT * FROM events", kClose).starts_with("none of its rows is ever late"));
  EXPECT_TRUE(
      refusal(kQueries[0], Database::Windows::keep).starts_with("none of its rows is ever late"));
  EXPECT_TRUE(refusal("SELECT tumble(ts, INTERVAL 1 MINUTE) AS w, count(*) AS n FROM (SELECT ts "
                      "FROM events UNION ALL SELECT ts FROM events) GROUP BY ALL",
                      kClose)
                  .contains("put that into a dataset of its own"));
}

TEST_P(EventTimeTest, WhatIsHeldIsWhatWouldComeOut) {
  for (const std::string& sql : kQueries) {
    auto plan = database_.plan("p", sql);
    Collect out;
    for (int b = 0; b < 2; ++b) {
      (void)batch(*plan, b, out);
    }
    EXPECT_EQ(plan->holds_windows(), !sql.contains("DISTINCT ON")) << sql;
    Pieces pieces;
    plan->write_snapshot(pieces.put());
    auto again = database_.plan("p", sql);
    again->apply(pieces.get());
    again->begin_batch(2, kStart + 2);
    Collect held;
    (void)again->run(Run::held, held);
    plan->begin_batch(2, kStart + 2);  // everything is closed
    plan->give_bounds("events", {{0, kStart + 100'000 * kSecond}});
    Collect rest;
    (void)plan->run(Run::finish, rest);
    EXPECT_EQ(held.sorted(), rest.sorted()) << sql;
    EXPECT_EQ(held.sorted().empty(), sql.contains("DISTINCT ON")) << sql;
  }
}

TEST_P(EventTimeTest, ClosedWindowsEqualOneQuery) {
  std::string all;
  for (int b = 0; b < kBatches; ++b) {
    all += (b > 0 ? " UNION ALL " : "") + batch_sql(b);
  }
  const std::string closed =
      fmt::format(" WHERE w + INTERVAL 7 SECONDS <= make_timestamp({})", watermark(kBatches - 1));
  EXPECT_EQ(run(kQueries[0], [](auto&) {}),
            rows_of(database_,
                    "SELECT * FROM (SELECT tumble(ts, INTERVAL 7 SECONDS) AS w, k, "
                    "count(*) AS n, sum(v) AS s FROM (" +
                        all + ") GROUP BY ALL)" + closed));
}

TEST_P(EventTimeTest, LateRowsAreCountedAndLeaveNoTrace) {
  auto plan = database_.plan("p",
                             "SELECT tumble(ts, INTERVAL 1 MINUTE) AS w, count(*) AS n FROM "
                             "events GROUP BY ALL");
  Collect first;
  EXPECT_EQ(batch(*plan, 1, first).late.rows, kRows / 500);  // those without a time
  Collect again;
  const RunCounts counts = batch(*plan, 0, again);  // a batch that is a minute and more behind
  EXPECT_EQ(counts.late.without_time, kRows / 500);
  EXPECT_GT(counts.late.rows, kRows / 2);
  EXPECT_EQ(counts.absorbed + counts.late.rows, kRows);
  EXPECT_TRUE(again.rows().empty());
}

/// Whether windows that one query closed mean the same in another one.
TEST_P(EventTimeTest, WindowsAreKnownByWhatClosesThem) {
  const auto windows = [&](const std::string& sql) {
    return database_.plan("p", sql)->windows_text();
  };
  const auto minutes =
      windows("SELECT tumble(ts, INTERVAL 1 MINUTE) AS w, sum(v) AS s FROM events GROUP BY 1");
  EXPECT_EQ(minutes, windows("SELECT k, count(*) AS n, tumble(ts, INTERVAL 1 MINUTE) AS m FROM "
                             "events WHERE v > 3 GROUP BY ALL"));
  EXPECT_NE(minutes, windows("SELECT tumble(ts, INTERVAL 2 MINUTES) AS w, sum(v) AS s FROM events "
                             "GROUP BY 1"));
  EXPECT_NE(minutes, windows("SELECT w, sum(v) AS s FROM (SELECT v, tumble(ts, INTERVAL 2 MINUTES) "
                             "AS w FROM events) GROUP BY w"));
  EXPECT_NE(minutes, windows("SELECT DISTINCT ON (k) k, ts FROM events"));
}

/// State of one query tells another one what was closed, and no more.
TEST_P(EventTimeTest, WhatWasClosedCanBeTakenOver) {
  const auto sql = [](const char* more) {
    return fmt::format("SELECT tumble(ts, INTERVAL 20 SECONDS) AS w, {} FROM events GROUP BY 1",
                       more);
  };
  Collect ignored;
  const auto before = database_.plan("p", sql("sum(v) AS s"));
  (void)batch(*before, 0, ignored);
  std::vector<std::string> pieces;
  before->write_snapshot([&](std::string_view piece) { pieces.emplace_back(piece); });
  ClosedWindows closed;
  std::size_t next = 0;
  read_closed(
      [&](std::string& piece) {
        if (next == pieces.size()) {
          return false;
        }
        piece = pieces[next++];
        return true;
      },
      closed);
  ASSERT_EQ(closed.states.size(), 1U);

  const auto after = database_.plan("p", sql("count(*) AS n"));
  after->begin_batch(0, kStart);
  after->give("events", batch_of(database_, events_, batch_sql(0)));
  after->close_as(closed);
  (void)after->run(Run::finish, ignored);  // nothing is known of the watermark
  after->close_windows();
  EXPECT_EQ(after->state_stats().windows, before->state_stats().windows);
}

TEST_P(EventTimeTest, StateShrinksWhenWindowsClose) {
  for (const std::string& sql : kQueries) {
    auto plan = database_.plan("p", sql);
    Collect to;
    std::vector<StateStats> stats;
    for (int b = 0; b < 40; ++b) {
      (void)batch(*plan, b, to);
      stats.push_back(plan->state_stats());
    }
    EXPECT_LE(stats[39].rows, 2 * stats[5].rows + 50) << sql;
    EXPECT_LE(stats[39].bytes, 4 * stats[9].bytes) << sql;
  }
}

TEST_P(EventTimeTest, TheChoiceAmongEqualKeysDoesNotDependOnThreads) {
  const std::string sql = "SELECT DISTINCT ON (id) id, ts, k, v FROM events";
  const Rows once = run(sql, [](auto&) {});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(run(sql, [](auto&) {}), once);
  }
}

}  // namespace
}  // namespace millrace::sql
