#include "connectors/rate/rate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sql/database.h"
#include "support/rows.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using Options = std::initializer_list<std::pair<std::string, std::string>>;

constexpr std::int64_t kStart = 1'700'000'000'000'000;
constexpr std::int64_t kSecond = 1'000'000;

std::unique_ptr<Source> source(Options entries) {
  const auto options = support::mapping(entries);
  const auto connection = support::mapping({});
  ConnectorRequest request;
  request.name = "ticks";
  request.connection = &connection;
  request.options = &options;
  Diagnostics diagnostics;
  auto made = rate_connector()->make_source(request, diagnostics);
  EXPECT_FALSE(diagnostics.has_errors());
  made->open(std::nullopt);
  return made;
}

TEST(Rate, GivesTheRowsOfTheTimeThatPassed) {
  auto ticks = source({{"rows_per_second", "10"}});
  ticks->advance(ticks->plan(kStart)->offsets);
  EXPECT_FALSE(ticks->plan(kStart + kSecond / 20));
  const auto slice = ticks->plan(kStart + 2 * kSecond);
  ASSERT_TRUE(slice);
  EXPECT_EQ(slice->rows, 20);
  EXPECT_EQ(ticks->plan(kStart + 2 * kSecond)->offsets, slice->offsets);  // plan() does not move
  ticks->advance(slice->offsets);
  EXPECT_EQ(ticks->plan(kStart + 3 * kSecond)->rows, 10);
}

// What a batch reads follows from its offsets alone, also in a process that began later.
TEST(Rate, RowsDependOnOffsetsAlone) {
  sql::Database database({.threads = 1});
  support::Rows rows(database);
  auto ticks = source({{"rows_per_second", "2"}});
  const auto first = ticks->plan(kStart);
  ticks->advance(first->offsets);
  const auto slice = ticks->plan(kStart + kSecond);
  auto again = source({{"rows_per_second", "2"}});
  const auto expected = ElementsAre("2023-11-14 22:13:20.5|1", "2023-11-14 22:13:21|2");
  EXPECT_THAT(rows.of(*ticks, slice->offsets), expected);
  EXPECT_THAT(rows.of(*again, slice->offsets), expected);
  EXPECT_THAT(rows.of_parts(*again, slice->offsets, 1), expected);
  again->open(ticks->position());
  EXPECT_EQ(again->plan(kStart + kSecond)->offsets, slice->offsets);
}

TEST(Rate, EndsAfterItsRows) {
  auto ticks = source({{"rows_per_second", "10"}, {"rows", "5"}});
  ticks->advance(ticks->plan(kStart)->offsets);
  EXPECT_FALSE(ticks->finished());
  const auto rest = ticks->plan(kStart + 60 * kSecond);
  EXPECT_EQ(rest->rows, 4);
  ticks->advance(rest->offsets);
  EXPECT_TRUE(ticks->finished());
  EXPECT_FALSE(ticks->plan(kStart + 90 * kSecond));
}

TEST(Rate, ThePresentIsOneBatch) {
  auto ticks = source({{"rows_per_second", "10"}});
  ticks->stop_at_present();
  ticks->advance(ticks->plan(kStart)->offsets);
  EXPECT_FALSE(ticks->plan(kStart + 60 * kSecond));
}

TEST(Rate, RampsUp) {
  auto ticks = source({{"rows_per_second", "100"}, {"ramp_up_time", "10s"}});
  ticks->advance(ticks->plan(kStart)->offsets);
  const auto half = ticks->plan(kStart + 5 * kSecond);
  EXPECT_EQ(half->rows, 125);  // a quarter of the ramp's 500
  ticks->advance(half->offsets);
  const auto full = ticks->plan(kStart + 10 * kSecond);
  EXPECT_EQ(full->rows, 375);
  ticks->advance(full->offsets);
  EXPECT_EQ(ticks->plan(kStart + 11 * kSecond)->rows, 100);

  sql::Database database({.threads = 1});
  support::Rows rows(database);
  const auto texts = rows.of(*ticks, {{"from", 0}, {"to", 700}, {"start_us", kStart}});
  EXPECT_TRUE(
      std::ranges::is_sorted(texts, {}, [](const auto& t) { return t.substr(0, t.find('|')); }));
}

}  // namespace
}  // namespace millrace
