#include "control/metrics.h"

#include <gtest/gtest.h>

#include <set>

#include "base/strings.h"

namespace millrace::control {
namespace {

constexpr std::int64_t kNoonUs = 1'700'000'000'000'000;

BatchProgress a_batch(std::int64_t number) {
  BatchProgress b;
  b.pipeline = "shop";
  b.batch = number;
  b.start_us = kNoonUs + number * 1'000'000;
  b.plan_us = 10'000;
  b.run_us = 80'000;
  b.ended_us = 100'000;
  SourceProgress orders{.name = "orders", .type = "kafka"};
  orders.rows = 100;
  orders.malformed_rows = 2;
  orders.lag = Lag{.latest = {}, .behind = {{"orders", {{"0", 150}, {"1", 50}}}}, .total = 200};
  b.sources.push_back(orders);
  DatasetCounts totals{.name = "totals", .stream = false, .in = 98, .out = 3};
  totals.absorbed = 98;
  totals.emitted = 3;
  totals.state_rows = 3;
  totals.state_bytes = 300;
  totals.checks = {{"positive", Otherwise::warn, 98, 5}};
  totals.run = {0, 50'000};
  b.datasets.push_back(totals);
  b.edges = {{"orders", "totals", 98, 1'000}, {"totals", "sink:lake", 3, -1}};
  b.sinks.push_back({.name = "lake", .given = 3, .written = 3, .bytes = 42, .files = 1});
  WatermarkProgress mark{.name = "orders", .us = kNoonUs, .partition = "1"};
  mark.newest_us = kNoonUs + 5'000'000;
  b.watermarks.push_back(mark);
  return b;
}

class MetricsTest : public testing::Test {
 protected:
  /// The value of a series, as it is scraped; "": there is none.
  std::string value(const std::string& series) const {
    std::string text;
    metrics_.write(text);
    for (const auto line : split(text, '\n')) {
      if (line.starts_with(series + " ")) {
        return std::string(line.substr(series.size() + 1));
      }
    }
    return "";
  }

  Metrics metrics_{declared_metrics()};
};

TEST_F(MetricsTest, WhatABatchAddsUp) {
  PipelineMetrics shop(metrics_, "shop");
  shop.batch(a_batch(1));
  shop.batch(a_batch(2));
  const auto of = [&](const std::string& name, const std::string& labels = "") {
    return value("millrace_" + name + R"({pipeline="shop")" + labels + "}");
  };
  EXPECT_EQ(of("batches_total", R"(,outcome="committed")"), "2");
  EXPECT_EQ(of("source_rows_total", R"(,source="orders")"), "200");
  EXPECT_EQ(of("source_malformed_rows_total", R"(,source="orders")"), "4");
  EXPECT_EQ(of("source_lag_rows", R"(,source="orders",partition="orders/0")"), "150");
  EXPECT_EQ(of("source_lag_seconds", R"(,source="orders")"), "2");
  EXPECT_EQ(of("dataset_rows_total", R"(,dataset="totals",flow="absorbed")"), "196");
  EXPECT_EQ(of("dataset_seconds_total", R"(,dataset="totals")"), "0.1");
  EXPECT_EQ(of("dataset_state_bytes", R"(,dataset="totals")"), "300");
  EXPECT_EQ(
      of("check_violations_total", R"(,dataset="totals",check="positive",consequence="warn")"),
      "10");
  EXPECT_EQ(of("edge_bytes_total", R"(,from="orders",to="totals")"), "2000");
  EXPECT_EQ(of("edge_rows_total", R"(,from="totals",to="sink:lake")"), "6");
  EXPECT_EQ(of("sink_files_total", R"(,sink="lake")"), "2");
  EXPECT_EQ(of("batch_last_id"), "2");
  EXPECT_EQ(of("watermark_timestamp_seconds", R"(,source="orders")"), "1700000000");
  EXPECT_EQ(of("watermark_holder_behind_seconds", R"(,source="orders",partition="1")"), "0");
  EXPECT_EQ(of("batch_duration_seconds_count"), "2");
}

TEST_F(MetricsTest, AFailedBatchCountsWhereItFailedAndNothingElse) {
  PipelineMetrics shop(metrics_, "shop");
  auto batch = a_batch(1);
  batch.failure = BatchFailure{
      .message = "gone", .blame = Blame::external, .retry = Retry::yes, .where = "sink lake"};
  shop.batch(batch);
  shop.restarted();
  EXPECT_EQ(value(R"(millrace_batches_total{pipeline="shop",outcome="failed"})"), "1");
  EXPECT_EQ(
      value(R"(millrace_batch_failures_total{pipeline="shop",part="sink lake",retried="yes"})"),
      "1");
  EXPECT_EQ(value(R"(millrace_sink_retries_total{pipeline="shop",sink="lake"})"), "1");
  EXPECT_EQ(value(R"(millrace_pipeline_restarts_total{pipeline="shop"})"), "1");
  EXPECT_EQ(value(R"(millrace_source_rows_total{pipeline="shop",source="orders"})"), "");
  EXPECT_EQ(value(R"(millrace_batch_last_success_timestamp_seconds{pipeline="shop"})"), "");
}

TEST_F(MetricsTest, OneStateAtATimeAndNoneOfAPipelineThatIsGone) {
  {
    PipelineMetrics shop(metrics_, "shop");
    shop.state("starting");
    shop.state("running");
    EXPECT_EQ(value(R"(millrace_pipeline_state{pipeline="shop",state="running"})"), "1");
    EXPECT_EQ(value(R"(millrace_pipeline_state{pipeline="shop",state="starting"})"), "0");
  }
  EXPECT_EQ(value(R"(millrace_pipeline_state{pipeline="shop",state="running"})"), "");
}

TEST_F(MetricsTest, OnlyOneHoldsTheWatermark) {
  PipelineMetrics shop(metrics_, "shop");
  auto batch = a_batch(1);
  shop.batch(batch);
  batch.watermarks[0].partition = "0";
  shop.batch(batch);
  const auto held = [&](const std::string& partition) {
    return value(R"(millrace_watermark_holder_behind_seconds{pipeline="shop",source="orders",)"
                 R"(partition=")" +
                 partition + R"("})");
  };
  EXPECT_EQ(held("1"), "");
  EXPECT_EQ(held("0"), "0");
}

TEST_F(MetricsTest, ManyPartitionsAreSummed) {
  PipelineMetrics shop(metrics_, "shop");
  auto batch = a_batch(1);
  Json behind = Json::object();
  for (int i = 0; i < 150; i++) {
    behind[std::to_string(1000 + i)] = 1;
  }
  batch.sources[0].lag->behind = {{"orders", behind}};
  shop.batch(batch);
  EXPECT_EQ(value(R"(millrace_source_lag_rows{pipeline="shop",source="orders",partition="other"})"),
            "50");
}

TEST_F(MetricsTest, TheProcess) {
  const ProcessMetrics process(metrics_, "1.2.3");
  EXPECT_EQ(value(R"(millrace_build_info{version="1.2.3"})"), "1");
  for (const auto* name : {"process_resident_memory_bytes", "process_open_fds", "process_threads",
                           "process_max_fds", "process_start_time_seconds"}) {
    EXPECT_GT(std::stod(value(name)), 0) << name;
  }
}

TEST(MetricSpecs, NamesFollowTheConventions) {
  std::set<std::string_view> names;
  for (const auto* spec : declared_metrics()) {
    EXPECT_TRUE(names.insert(spec->name).second) << spec->name;
    EXPECT_EQ(spec->name.ends_with("_total"), spec->type == MetricType::counter) << spec->name;
    EXPECT_EQ(spec->buckets.empty(), spec->type != MetricType::histogram) << spec->name;
    EXPECT_TRUE(spec->help.ends_with('.')) << spec->name;
  }
}

}  // namespace
}  // namespace millrace::control
