#include "control/findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "control/findings_log.h"
#include "spec/alert_findings.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;

/// Batches of 100 ms, a second apart.
std::vector<BatchSummary> batches(std::size_t count,
                                  const std::function<void(std::int64_t, BatchSummary&)>& change) {
  std::vector<BatchSummary> all;
  for (std::size_t i = 0; i < count; i++) {
    auto& batch = all.emplace_back();
    batch.batch = static_cast<std::int64_t>(i);
    batch.start_us = batch.batch * 1'000'000;
    batch.took_us = 100'000;
    batch.phases_us = {1'000, 20'000, 70'000, 5'000, 4'000};
    batch.run_us = {{"clicks", 20'000}, {"sessions", 63'000}, {"totals", 7'000}};
    change(batch.batch, batch);
  }
  return all;
}

TEST(Findings, NothingIsWrongWithAQuietPipeline) {
  const auto all = batches(30, [](auto, auto&) {});
  EXPECT_TRUE(findings_of("shop", all, {.trigger_us = 1'000'000}).empty());
  EXPECT_TRUE(findings_of("shop", {}).empty());
}

TEST(Findings, FallingBehindAndWhoTakesTheTime) {
  const auto all = batches(40, [](auto i, auto& b) { b.took_us = i >= 8 ? 110'000 : 90'000; });
  const auto found = findings_of("shop", all, {.trigger_us = 100'000});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].title, "Falling behind for 32 batches");
  EXPECT_THAT(found[0].detail, HasSubstr("sessions takes 70 % of reading and SQL"));
  EXPECT_EQ(found[0].since_batch, 8);
  EXPECT_EQ(found[0].severity, Finding::Severity::warn);
  EXPECT_EQ(found[0].link, "/p/shop/batch?at=39");
}

TEST(Findings, ASinkThatTriesAgainByItself) {
  const auto all = batches(20, [](auto, auto&) {});
  RunningBatch running{20, "stage", 12'000'000, {{"lake", "no route to host", 11'500'000}}};
  auto found = findings_of("shop", all, {}, running);
  ASSERT_EQ(found.size(), 1U) << "the batch takes long, and this is why";
  EXPECT_EQ(found[0].kind, "retrying");
  EXPECT_EQ(found[0].about, "failure of sink lake");
  EXPECT_EQ(found[0].title, "sink lake is tried again");
  EXPECT_EQ(found[0].detail,
            "For 11.5 s: no route to host. Nothing is lost; batch 20 waits until it goes through");
  running.us = running.troubles[0].us = 1'000'000;
  EXPECT_TRUE(findings_of("shop", all, {}, running).empty()) << "it may be over in a moment";
  EXPECT_EQ(findings_of("shop", {}, {},
                        {{0, "stage", 9'000'000, {{"a", "x", 3'000'000}, {"b", "y", 2'000'000}}}})
                .size(),
            2U);
}

TEST(Findings, ABatchThatDoesNotEnd) {
  const auto all = batches(20, [](auto, auto&) {});
  const auto found = findings_of("shop", all, {}, RunningBatch{20, "stage", 12'000'000});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, "stuck");
  EXPECT_EQ(found[0].title, "Batch 20 takes 12.0 s so far");
  EXPECT_THAT(found[0].detail,
              HasSubstr("phase stage; none of the last 20 took longer than 100 ms"));
  EXPECT_TRUE(findings_of("shop", all, {}, RunningBatch{20, "stage", 9'000'000}).empty());
  const FindingLimits slow{.trigger_us = 60'000'000};
  EXPECT_TRUE(findings_of("shop", all, slow, RunningBatch{20, "run", 100'000'000}).empty());
  const auto few = batches(3, [](auto, auto&) {});
  EXPECT_TRUE(findings_of("shop", few, {}, RunningBatch{3, "run", 100'000'000}).empty());
}

TEST(Findings, AreWhatAlertsCanWatch) {
  const auto all = batches(40, [](auto i, auto& b) {
    b.took_us = 300'000;
    b.lag_rows["clicks"] = 1000 + i * 100;
    b.holder = Holder{"clicks", "3", 0, 250'000'000};
    b.state_bytes["sessions"] = (10 + i) * 10'000'000;
    b.checks[{"orders", "positive"}] = {1000, 25, Otherwise::warn};
    b.written["lake"] = {2, 40'000};
    b.late["hourly"] = {100, i};
    if (i == 39) {
      b.failure = BatchFailure{.message = "no", .blame = Blame::user, .where = "sink lake"};
    }
  });
  std::map<std::string_view, std::string> of;
  for (const auto& finding : findings_of("shop", all, {.trigger_us = 100'000})) {
    EXPECT_NE(find_alert_finding(finding.kind), nullptr) << finding.kind;
    of[finding.kind] = finding.of;
  }
  EXPECT_EQ(of, (std::map<std::string_view, std::string>{{"failing", ""},
                                                         {"falling_behind", ""},
                                                         {"lag_growing", "clicks"},
                                                         {"watermark_held", "clicks"},
                                                         {"state_growing", "sessions"},
                                                         {"check_failing", "orders.positive"},
                                                         {"small_files", "lake"},
                                                         {"late_rows_rising", "hourly"}}));
}

TEST(Findings, AFewSlowBatchesAreChance) {
  const auto all = batches(40, [](auto i, auto& b) { b.took_us = i >= 36 ? 200'000 : 90'000; });
  EXPECT_TRUE(findings_of("shop", all, {.trigger_us = 100'000}).empty());
}

TEST(Findings, APhaseMayTakeTheTime) {
  const auto all = batches(10, [](auto, auto& b) {
    b.took_us = 300'000;
    b.phases_us[3] = 210'000;
  });
  const auto found = findings_of("shop", all, {.trigger_us = 100'000});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].severity, Finding::Severity::bad);
  EXPECT_THAT(found[0].detail, HasSubstr("phase stage takes 70 % of the time"));
}

TEST(Findings, LagThatGrows) {
  const auto growing = batches(30, [](auto i, auto& b) { b.lag_rows["clicks"] = 1000 + i * 100; });
  const auto found = findings_of("shop", growing);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].title, "The lag of clicks grows");
  EXPECT_THAT(found[0].detail, HasSubstr("3,900 rows behind"));
  const auto steady =
      batches(30, [](auto i, auto& b) { b.lag_rows["clicks"] = 1000 + (i % 7) * 100; });
  EXPECT_TRUE(findings_of("shop", steady).empty());
}

TEST(Findings, WhoHoldsTheWatermark) {
  const auto all = batches(20, [](auto i, auto& b) {
    if (i >= 15) {
      b.holder = Holder{"clicks", "3", 240'000'000, 250'000'000};
    }
  });
  const auto found = findings_of("shop", all);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].title, "Watermark held back 4m 10s by clicks, partition 3");
  EXPECT_THAT(found[0].detail, HasSubstr("no row for 4m 00s"));
  EXPECT_EQ(found[0].since_batch, 15);
}

TEST(Findings, StateThatGrows) {
  const auto all = batches(
      30, [](auto i, auto& b) { b.state_bytes = {{"sessions", (10 + i) * 10'000'000}, {"t", i}}; });
  const auto found = findings_of("shop", all);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].title, "The state of sessions grows");
}

TEST(Findings, ChecksThatDoNotHold) {
  const auto all = batches(20, [](auto i, auto& b) {
    b.checks[{"orders", "positive"}] = {1000, i >= 12 ? 25 : 0, Otherwise::quarantine};
    b.checks[{"orders", "known"}] = {1000, 10, Otherwise::drop};
    b.checks[{"orders", "unique"}] = {1000, 0, Otherwise::warn};
  });
  const auto found = findings_of("shop", all);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].title, "positive of orders does not hold");
  EXPECT_EQ(found[0].detail, "25 rows of 1,000 in the last batch (2.5 %), kept in quarantine");
  EXPECT_EQ(found[0].since_batch, 12);
  EXPECT_EQ(found[0].link, "/p/shop/quality?check=positive&dataset=orders");
  EXPECT_EQ(found[1].severity, Finding::Severity::info);  // whoever drops rows expects some
}

TEST(Findings, SmallFilesAndLateRows) {
  const auto all = batches(30, [](auto i, auto& b) {
    b.written["lake"] = {2, 40'000};
    b.written["large"] = {1, 100'000'000};
    b.late["hourly"] = {100, i};
  });
  const auto found = findings_of("shop", all);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].title, "More and more rows come too late for hourly");
  EXPECT_EQ(found[1].title, "lake writes small files");
  EXPECT_THAT(found[1].detail, HasSubstr("60 files of 20"));
}

TEST(Findings, WhatFailsComesFirst) {
  const auto all = batches(20, [](auto i, auto& b) {
    b.written["lake"] = {2, 40'000};
    if (i >= 17) {
      b.failure = BatchFailure{.message = "connection refused",
                               .blame = Blame::external,
                               .retry = Retry::yes,
                               .where = "sink lake"};
    }
  });
  const auto found = findings_of("shop", all);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].title, "sink lake is tried again");
  EXPECT_THAT(found[0].detail, HasSubstr("3 attempts: connection refused"));
  EXPECT_EQ(found[0].since_batch, 17);
  EXPECT_EQ(finding_json(found[0]).at("severity"), "warn");
}

TEST(Findings, AreLoggedOnceAndWhenTheyAreOver) {
  FindingsLog log;
  const auto found = [](std::int64_t i, bool drops) {
    return findings_of("shop",
                       batches(static_cast<std::size_t>(i),
                               [&](auto, auto& b) {
                                 b.took_us = 110'000;
                                 b.checks[{"orders", "known"}] = {1000, drops ? 10 : 0,
                                                                  Otherwise::drop};
                               }),
                       {.trigger_us = 100'000});
  };
  const auto first = log.lines(found(10, true));
  ASSERT_EQ(first.size(), 2U);
  const auto behind = found(10, true).at(0);
  EXPECT_EQ(first[0].text, behind.title + ": " + behind.detail);
  EXPECT_EQ(first[0].level, LogLevel::warn);
  EXPECT_EQ(first[1].level, LogLevel::info);
  EXPECT_TRUE(log.lines(found(11, true)).empty());  // it is the same, for a batch longer
  const auto then = log.lines(found(12, false));
  ASSERT_EQ(then.size(), 1U);
  EXPECT_EQ(then[0].text, "No more: known of orders does not hold");
  EXPECT_EQ(log.lines({}).at(0).text, "No more: Falling behind for 12 batches");
}

TEST(Findings, ASummaryOfABatch) {
  BatchProgress b;
  b.batch = 3;
  b.ended_us = 7;
  DatasetCounts of_checks{.name = "orders:once", .for_checks = true, .checked = "orders"};
  of_checks.state_bytes = 10;
  DatasetCounts orders{.name = "orders", .in = 5};
  orders.state_bytes = 1;
  orders.late.rows = 2;
  orders.checks = {{"positive", Otherwise::warn, 5, 1}};
  b.datasets = {orders, of_checks};
  const auto s = summary_of(b);
  EXPECT_EQ(s.state_bytes.at("orders"), 11);
  EXPECT_EQ(s.late.at("orders").late, 2);
  EXPECT_EQ((s.checks.at({"orders", "positive"}).violations), 1);
  EXPECT_EQ(s.took_us, 7);
}

}  // namespace
}  // namespace millrace::control
