#include "base/metrics.h"

#include <gtest/gtest.h>

#include <array>
#include <stdexcept>

namespace millrace {
namespace {

constexpr std::array kLimits = {0.1, 1.0};
constexpr MetricSpec kRows{.name = "test_rows_total",
                           .type = MetricType::counter,
                           .help = "Rows, all of them.",
                           .labels = {"pipeline", "source"}};
constexpr MetricSpec kUp{.name = "test_up", .type = MetricType::gauge, .help = "Whether it is up."};
constexpr MetricSpec kSeconds{.name = "test_seconds",
                              .type = MetricType::histogram,
                              .help = "How long.",
                              .labels = {"pipeline"},
                              .buckets = kLimits};
constexpr std::array kAll = {&kRows, &kUp, &kSeconds};

std::string text_of(const Metrics& metrics, Metrics::Format format = Metrics::Format::prometheus) {
  std::string out;
  metrics.write(out, format);
  return out;
}

TEST(Metrics, NoSeriesNoText) {
  const Metrics metrics(kAll);
  EXPECT_EQ(text_of(metrics), "");
  EXPECT_EQ(text_of(metrics, Metrics::Format::open_metrics), "# EOF\n");
}

TEST(Metrics, LabelsAreEscapedAndCountersCount) {
  Metrics metrics(kAll);
  MetricGroup group(metrics);
  group.series(kRows, {"p", "a\"b\\c\nd"}).add(2);
  group.series(kRows, {"p", "a\"b\\c\nd"}).add(0.5);
  group.series(kUp).set(1);
  EXPECT_EQ(text_of(metrics),
            "# HELP test_rows_total Rows, all of them.\n# TYPE test_rows_total counter\n"
            R"(test_rows_total{pipeline="p",source="a\"b\\c\nd"} 2.5)"
            "\n# HELP test_up Whether it is up.\n# TYPE test_up gauge\ntest_up 1\n");
}

TEST(Metrics, BucketsAreCumulated) {
  Metrics metrics(kAll);
  MetricGroup group(metrics);
  auto& seconds = group.series(kSeconds, {"p"});
  for (const double value : {0.05, 0.1, 0.5, 7.0}) {
    seconds.observe(value);
  }
  EXPECT_EQ(text_of(metrics),
            "# HELP test_seconds How long.\n# TYPE test_seconds histogram\n"
            R"(test_seconds_bucket{pipeline="p",le="0.1"} 2
test_seconds_bucket{pipeline="p",le="1"} 3
test_seconds_bucket{pipeline="p",le="+Inf"} 4
test_seconds_sum{pipeline="p"} 7.65
test_seconds_count{pipeline="p"} 4
)");
  const std::array<std::uint64_t, 3> counts = {1, 0, 2};
  seconds.set(counts, 9);
  EXPECT_NE(text_of(metrics).find(R"(test_seconds_count{pipeline="p"} 3)"), std::string::npos);
}

TEST(Metrics, OpenMetricsHasTheSuffixAtTheSample) {
  Metrics metrics(kAll);
  MetricGroup group(metrics);
  group.series(kRows, {"p", "s"}).add(1);
  EXPECT_EQ(text_of(metrics, Metrics::Format::open_metrics),
            "# HELP test_rows Rows, all of them.\n# TYPE test_rows counter\n"
            R"(test_rows_total{pipeline="p",source="s"} 1)"
            "\n# EOF\n");
  EXPECT_EQ(Metrics::format_for("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
            Metrics::Format::open_metrics);
  EXPECT_EQ(Metrics::format_for("*/*"), Metrics::Format::prometheus);
}

TEST(Metrics, AGroupTakesItsSeriesAlong) {
  Metrics metrics(kAll);
  {
    MetricGroup group(metrics);
    group.series(kRows, {"p", "s"}).add(1);
    group.on_scrape([&] { group.series(kUp).set(1); });
  }
  EXPECT_EQ(text_of(metrics), "");
}

TEST(Metrics, WhatIsCountedElsewhereIsSetWhenSomebodyScrapes) {
  Metrics metrics(kAll);
  MetricGroup group(metrics);
  int scrapes = 0;
  auto& up = group.series(kUp);
  group.on_scrape([&] { up.set(++scrapes); });
  EXPECT_NE(text_of(metrics).find("test_up 1"), std::string::npos);
  EXPECT_NE(text_of(metrics).find("test_up 2"), std::string::npos);
}

TEST(Metrics, ManyLabelValuesBecomeOther) {
  Metrics metrics(kAll);
  MetricGroup group(metrics);
  for (std::size_t i = 0; i < MetricGroup::kSeriesMax + 5; i++) {
    group.series(kRows, {"p", std::to_string(i)}).add(1);
  }
  EXPECT_EQ(group.series(kRows, {"p", "another"}).value(), 5);
  EXPECT_EQ(group.series(kRows, {"p", "7"}).value(), 1);
  group.remove(kRows, {"p", "7"});
  EXPECT_EQ(text_of(metrics).find(R"(source="7")"), std::string::npos);
}

TEST(Metrics, WhatIsNotDeclaredIsRefused) {
  constexpr MetricSpec kStranger{
      .name = "stranger", .type = MetricType::gauge, .help = "Not declared."};
  Metrics metrics(kAll);
  MetricGroup group(metrics);
  EXPECT_THROW((void)group.series(kStranger), std::logic_error);
  EXPECT_THROW((void)group.series(kRows, {"p"}), std::logic_error);
}

}  // namespace
}  // namespace millrace
