#include "control/batch_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/graph_json.h"
#include "control/source_parts.h"
#include "engine/node_figures.h"

namespace millrace::control {
namespace {

constexpr std::int64_t kNoon = 1'700'000'000'000'000;

/// A source in partitions that is read once, a table over it, and a sink of the same name.
BatchProgress a_batch() {
  BatchProgress b;
  b.pipeline = "shop";
  b.batch = 7;
  b.start_us = kNoon;
  b.plan_us = 1'000;
  b.run_us = 10'000;
  b.commit_start_us = 11'000;
  b.log_us = 500;
  b.stage_us = 1'500;
  b.publish_us = 2'000;
  b.commit_us = 1'000;
  b.ended_us = 16'000;
  b.input_rows = 102;
  b.output_rows = 3;
  b.quarantined_rows = 2;
  SourceProgress orders{.name = "orders", .type = "kafka"};
  orders.offsets = {{"orders", {{"0", {10, 60}}, {"1", {5, 57}}}}};
  orders.rows = 102;
  orders.malformed_rows = 2;
  orders.lag = Lag{.latest = {{"orders", {{"0", 70}, {"1", 57}, {"2", 9}}}},
                   .behind = {{"orders", {{"0", 10}, {"1", 0}, {"2", 0}}}},
                   .total = 10};
  orders.read = {1'000, 3'000};
  b.sources.push_back(orders);
  DatasetCounts read{.name = "orders", .in = 100, .out = 90, .malformed = 2, .of_source = true};
  read.removed = 10;
  read.put_aside = 6;
  read.checks = {{"positive", Otherwise::quarantine, 100, 6}, {"known", Otherwise::drop, 100, 4}};
  read.run = {4'000, 1'000};
  read.row_bytes = 20;
  DatasetCounts totals{.name = "totals", .stream = false, .in = 90, .out = 3};
  totals.absorbed = 90;
  totals.emitted = 4;
  totals.cut = 1;
  totals.fed = {4'200, 500};
  totals.run = {5'000, 5'000};
  totals.state_rows = 4;
  totals.state_bytes = 400;
  b.datasets = {read, totals};
  b.edges = {{"orders", "totals", 90, 1800}, {"totals", sink_id("totals"), 3, -1}};
  SinkCounts sink{.name = "totals", .given = 3, .written = 3, .files = 1};
  sink.stage = {12'000, 1'000};
  b.sinks.push_back(sink);
  WatermarkProgress mark{.name = "orders", .us = kNoon - 60'000'000, .partition = "1"};
  mark.delay_us = 10'000'000;
  mark.newest_us = kNoon - 1'000'000;
  mark.partitions = {{"0", kNoon - 1'000'000, kNoon}, {"1", kNoon - 50'000'000, kNoon - 4'000'000}};
  b.watermarks.push_back(mark);
  return b;
}

TEST(BatchJson, EveryRowOfEveryNodeHasADestination) {
  const auto json = batch_json(a_batch(), {});
  for (const auto& node : json.at("nodes")) {
    const auto sum = [&](std::initializer_list<const char*> keys) {
      std::int64_t rows = 0;
      for (const auto* key : keys) {
        rows += node.at(key).get<std::int64_t>();
      }
      return rows;
    };
    EXPECT_EQ(sum({"in", "emitted"}),
              sum({"out", "filtered", "late", "duplicate", "quarantined", "absorbed"}))
        << node.dump();
  }
}

TEST(BatchJson, WhatReadsASourceAndChecksItIsTheSource) {
  const auto nodes = node_figures(a_batch());
  ASSERT_EQ(nodes.size(), 3U);
  EXPECT_EQ(nodes[0].id, "orders");
  EXPECT_EQ(nodes[0].kind, NodeFigures::Kind::source);
  EXPECT_EQ(nodes[0].in, 102);
  EXPECT_EQ(nodes[0].quarantined, 8);
  EXPECT_EQ(nodes[0].filtered, 4);
  EXPECT_EQ(nodes[0].span.us, 4'000);
  EXPECT_EQ(nodes[1].id, "totals");
  EXPECT_EQ(nodes[1].bytes, -1);
  EXPECT_EQ(nodes[2].id, "sink:totals");
}

TEST(BatchJson, PhasesFollowEachOtherAndAddUp) {
  const auto b = a_batch();
  const auto us = phases_us(b);
  EXPECT_EQ(us, (std::array<std::int64_t, 5>{1'000, 4'000, 6'000, 2'000, 3'000}));
  UsualTimes usual;
  usual.add(b);
  const auto json = batch_json(b, usual);
  EXPECT_EQ(json.at("phases")[3].at("start"), 11.0);
  EXPECT_EQ(json.at("phases")[4].at("start"), 13.0);
  EXPECT_EQ(json.at("phases")[2].at("p50"), 6.0);
  for (const auto& span : json.at("spans")) {
    EXPECT_EQ(span.at("ms"), span.at("p50")) << span.dump();
  }
}

TEST(BatchJson, PartitionsWithTheirHeadsAndWatermarks) {
  const auto parts = batch_json(a_batch(), {}).at("sources")[0].at("parts");
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[0].at("part"), "orders/0");
  EXPECT_EQ(parts[0].at("from"), 10);
  EXPECT_EQ(parts[0].at("to"), 60);
  EXPECT_EQ(parts[0].at("head"), 70);
  EXPECT_EQ(parts[1].at("idle_ms"), 4000);
  EXPECT_EQ(parts[1].at("watermark"), (kNoon - 60'000'000) / 1000);
  EXPECT_EQ(parts[2].at("from"), 9);  // nothing new in it
  EXPECT_EQ(parts[2].at("to"), 9);
  EXPECT_TRUE(parts[2].at("watermark").is_null());
}

TEST(BatchJson, WhoHoldsTheWatermarkAndByHowMuch) {
  const auto holder = batch_json(a_batch(), {}).at("holder");
  EXPECT_EQ(holder.at("source"), "orders");
  EXPECT_EQ(holder.at("part"), "1");
  EXPECT_EQ(holder.at("idle_ms"), 4000);
  EXPECT_EQ(holder.at("behind_ms"), 49'000);
}

TEST(BatchJson, ALineOfProgress) {
  const auto line = progress_line(a_batch());
  EXPECT_EQ(line.at("ms"), 16.0);
  EXPECT_EQ(line.at("quarantined"), 8);
  EXPECT_EQ(line.at("filtered"), 5);
  EXPECT_EQ(line.at("failed_checks"), 2);
  EXPECT_EQ(line.at("lag_rows"), 10);
  EXPECT_EQ(line.at("freshness_ms"), 1016);
  EXPECT_EQ(line.at("wm_delay_ms"), 60'016);
  EXPECT_EQ(line.at("ok"), true);
  EXPECT_LT(line.dump().size(), 320U);
}

TEST(BatchJson, AFailedBatchSaysWhy) {
  auto b = a_batch();
  b.failure = BatchFailure{.message = "no space left",
                           .blame = Blame::external,
                           .retry = Retry::no,
                           .where = "sink totals"};
  const auto json = batch_json(b, {});
  EXPECT_EQ(json.at("outcome"), "failed");
  EXPECT_EQ(json.at("error").at("code"), "system_failed");
  EXPECT_EQ(json.at("error").at("where"), "sink totals");
  EXPECT_EQ(json.at("progress").at("ok"), false);
  UsualTimes usual;
  usual.add(b);
  EXPECT_EQ(usual.phase_us(Phase::run), 0);  // it tells nothing of what is usual
}

TEST(BatchJson, FewerNodes) {
  const Json graph = {{"nodes",
                       {{{"id", "orders"}},
                        {{"id", "totals"}, {"group", "gold"}},
                        {{"id", "sink:totals"}, {"group", "gold"}}}}};
  const auto all = batch_json(a_batch(), {});
  const auto groups = choose_nodes(all, graph, "groups");
  ASSERT_EQ(groups.at("nodes").size(), 2U);
  EXPECT_EQ(groups.at("nodes")[0].at("id"), "group:gold");
  EXPECT_EQ(groups.at("nodes")[0].at("in"), 93);
  EXPECT_EQ(groups.at("nodes")[0].at("start_ms"), 4.2);
  ASSERT_EQ(groups.at("edges").size(), 1U);  // what stays within a group is none
  EXPECT_EQ(groups.at("edges")[0].at("bytes"), 1800);
  const auto opened = choose_nodes(all, graph, "groups", "silver,gold");
  EXPECT_THAT(opened.at("nodes"), testing::UnorderedElementsAreArray(all.at("nodes")));
  const auto one = choose_nodes(all, graph, "totals, nobody");
  EXPECT_EQ(one.at("nodes").size(), 1U);
  EXPECT_EQ(one.at("edges").size(), 2U);
  EXPECT_EQ(choose_nodes(all, graph, ""), all);
}

TEST(BatchJson, AGroupHasWhatAnyOfItsNodesHas) {
  const Json graph = {{"nodes", {{{"id", "a"}, {"group", "g"}}, {{"id", "b"}, {"group", "g"}}}}};
  const Json all = {{"nodes",
                     {{{"id", "a"}, {"start_ms", 1}, {"bytes", nullptr}},
                      {{"id", "b"}, {"start_ms", 2}, {"bytes", 7}, {"state_changed", 3}}}},
                    {"edges", Json::array()},
                    {"spans", Json::array()}};
  const Json sum = {{"id", "group:g"}, {"start_ms", 1}, {"bytes", nullptr}, {"state_changed", 3}};
  EXPECT_EQ(choose_nodes(all, graph, "groups").at("nodes"), Json::array({sum}));
}

TEST(UsualTimes, MediansOfTheLastBatches) {
  UsualTimes usual;
  auto b = a_batch();
  for (std::size_t i = 0; i < 3 * UsualTimes::kBatches; i++) {
    b.plan_us = static_cast<std::int64_t>(i);
    usual.add(b);
  }
  EXPECT_EQ(usual.phase_us(Phase::plan), 2 * UsualTimes::kBatches + UsualTimes::kBatches / 2);
}

TEST(SourceParts, OfFilesAndNumbers) {
  SourceProgress s{.name = "s"};
  s.offsets = {{"files", {{{"path", "a"}}, {{"path", "b"}}}}};
  auto parts = parts_of(s, nullptr);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].to, 2);
  s.offsets = {{"from", 3}, {"to", 9}, {"start_us", 5}};
  parts = parts_of(s, nullptr);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].from, 3);
  EXPECT_TRUE(parts[0].head.is_null());
  s.offsets = Json();
  EXPECT_TRUE(parts_of(s, nullptr).empty());
}

TEST(SourceParts, PartitionsThatOnlyTheRowsKnow) {
  SourceProgress s{.name = "s"};
  s.offsets = {{"from", 3}, {"to", 9}};
  WatermarkProgress mark{.name = "s", .partition = "eu"};
  mark.partitions = {{"eu", 5'000, 1}, {"us", 9'000, 2}};
  const auto parts = parts_of(s, &mark);
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[1].name, "eu");
  EXPECT_EQ(parts[1].watermark_us, 5'000);
  EXPECT_TRUE(parts[1].from.is_null());
}

TEST(GraphJson, OperatorsInWords) {
  const auto box = [](const std::string& name) {
    return "┌────┐\n│ " + name + " │\n│ Expressions: UNION │\n└────┘\n";
  };
  EXPECT_EQ(operators_in_words(box("PROJECTION") + box("COUNT_ROWS") + box("FILTER") +
                               box("MILLRACE_SCAN")),
            "filter, map");
  EXPECT_EQ(operators_in_words(box("PROJECTION") + box("STATEFUL_AGGREGATE") + box("FILTER")),
            "filter, grouped aggregation");
  EXPECT_EQ(operators_in_words(box("COMPARISON_JOIN")), "join");
  EXPECT_EQ(operators_in_words(box("MILLRACE_SCAN")), "map");
}

}  // namespace
}  // namespace millrace::control
