#include "connectors/kafka/options.h"

#include <gtest/gtest.h>

#include "connectors/kafka/consumer.h"

namespace millrace::kafka {
namespace {

Node scalar(std::string text) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.text = std::move(text);
  return node;
}

Node mapping(std::vector<std::pair<std::string, Node>> entries) {
  Node node;
  node.kind = Node::Kind::mapping;
  node.entries.reserve(entries.size());
  for (auto& [key, value] : entries) {
    node.entries.push_back({.key = key, .at = {}, .value = std::move(value)});
  }
  return node;
}

/// Where to begin by `starting_offsets`; nullopt: it was refused, with one error.
std::optional<StartingOffsets> start_of(Node node) {
  SourceOptions options;
  options.starting_offsets = std::move(node);
  Diagnostics diagnostics;
  const bool good = read_starting_offsets(options, diagnostics, "source orders");
  EXPECT_EQ(diagnostics.error_count(), good ? 0U : 1U);
  return good ? std::optional(options.start) : std::nullopt;
}

std::optional<std::int64_t> time_of(const std::string& text) {
  const auto start = start_of(scalar(text));
  return start ? std::optional(start->time_ms) : std::nullopt;
}

TEST(KafkaStartingOffsets, AreThoseOfAPlaceOrATime) {
  constexpr std::int64_t kNoon = 1'709'208'000'000;  // 2024-02-29T12:00:00Z
  EXPECT_EQ(start_of(Node())->time_ms, Consumer::kEarliest);
  EXPECT_EQ(time_of("earliest"), Consumer::kEarliest);
  EXPECT_EQ(time_of("latest"), Consumer::kLatest);
  EXPECT_EQ(time_of("2024-02-29T12:00:00Z"), kNoon);
  EXPECT_EQ(time_of("2024-02-29 12:00:00"), kNoon);
  EXPECT_EQ(time_of("2024-02-29"), kNoon - 43'200'000);
  EXPECT_EQ(time_of("2024-02-29T12:00:00.5+02:00"), kNoon - 7'200'000 + 500);
}

TEST(KafkaStartingOffsets, ATimeIsNeverTakenForEarliestOrLatest) {
  for (const char* text : {"1969-12-31T23:59:59.998Z", "1969-12-31T23:59:59.999Z", "1900-01-01"}) {
    EXPECT_EQ(time_of(text), 0) << text;
  }
}

TEST(KafkaStartingOffsets, AreThoseOfSinglePartitions) {
  const auto start =
      start_of(mapping({{"orders", mapping({{"0", scalar("17")}, {"1", scalar("latest")}})},
                        {"returns", mapping({{"0", scalar("earliest")}})}}));
  EXPECT_EQ(start->time_ms, Consumer::kEarliest);
  EXPECT_EQ(start->exact, (Offsets{{{"orders", 0}, 17},
                                   {{"orders", 1}, Consumer::kLatest},
                                   {{"returns", 0}, Consumer::kEarliest}}));
}

TEST(KafkaStartingOffsets, WhatElseIsSaidIsRefused) {
  for (const char* text : {"", "soon", "17", "-2", "2024-02-30", "2024-02-29T12:00:00+2",
                           "2024-02-29 12:00:00 UTC", "1709208000000"}) {
    EXPECT_EQ(time_of(text), std::nullopt) << text;
  }
  EXPECT_FALSE(start_of(mapping({})));
  EXPECT_FALSE(start_of(mapping({{"orders", scalar("17")}})));
  EXPECT_FALSE(
      start_of(mapping({{"orders", mapping({{"0", scalar("17")}})}, {"returns", scalar("17")}})));
  for (const char* partition : {"first", "-1", "2147483648", "4294967296"}) {
    EXPECT_FALSE(start_of(mapping({{"orders", mapping({{partition, scalar("17")}})}})))
        << partition;
  }
  EXPECT_FALSE(start_of(mapping({{"orders", mapping({{"0", scalar("2024-02-29")}})}})));
  EXPECT_FALSE(start_of(mapping({{"orders", mapping({{"0", scalar("-1")}})}})));
}

TEST(KafkaStartingOffsets, AMistakeNamesItsPlaceAndTheWayOut) {
  SourceOptions options;
  options.starting_offsets = scalar("soon");
  options.starting_offsets.at = {.file = "orders.yaml", .line = 7, .column = 5};
  Diagnostics diagnostics;
  ASSERT_FALSE(read_starting_offsets(options, diagnostics, "source orders"));
  EXPECT_EQ(diagnostics.all().at(0).at.line, 7);
  EXPECT_EQ(diagnostics.all().at(0).message,
            "`starting_offsets` of source orders must be earliest, latest, a time or offsets, not "
            "`soon`");
}

}  // namespace
}  // namespace millrace::kafka
