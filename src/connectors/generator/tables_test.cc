#include "connectors/generator/tables.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "formats/record_format.h"

namespace millrace {
namespace {

const TableOptions kFlawedTables{.invalid = 0.1, .start_ms = 1'767'225'600'000};

/// Rows as CSV, and how many are flawed.
std::vector<std::string> made(const TableKind& table, const TableOptions& options,
                              std::int64_t from, std::int64_t to, std::int64_t* flawed = nullptr) {
  FlatRows rows(table.columns, static_cast<std::size_t>(std::max<std::int64_t>(to - from, 1)));
  for (auto i = from; i < to; ++i) {
    const bool is_flawed = add_row(table, options, i, rows);
    if (flawed != nullptr && is_flawed) {
      ++*flawed;
    }
  }
  const auto encoder =
      formats::make_encoder({.kind = formats::Kind::csv}, table.columns, nullptr, std::nullopt);
  std::vector<std::string> lines(static_cast<std::size_t>(to - from));
  for (std::size_t row = 0; row < lines.size(); ++row) {
    EXPECT_FALSE(encoder->encode(rows.chunk(), row, lines[row]));
  }
  return lines;
}

TEST(Tables, ARowDependsOnTheSeedAndItsNumberAlone) {
  for (const auto& kind : database_kinds()) {
    for (const auto& table : kind.tables) {
      const auto all = made(table, kFlawedTables, 0, 300);
      const auto rest = made(table, kFlawedTables, 117, 300);
      EXPECT_TRUE(std::ranges::equal(rest, std::span(all).subspan(117))) << table.name;
      auto other = kFlawedTables;
      other.seed = 43;
      EXPECT_NE(made(table, other, 0, 300), all) << table.name;
      EXPECT_EQ(all.front().substr(0, 2), "1,") << table.name;
    }
  }
}

TEST(Tables, FlawsHaveTheirShare) {
  const auto& table = find_database_kind("shop")->counted_table();
  std::int64_t flawed = 0;
  const auto some = made(table, kFlawedTables, 0, 10'000, &flawed);
  EXPECT_NEAR(static_cast<double>(flawed), 1'000, 150);
  TableOptions none = kFlawedTables;
  none.invalid = 0;
  flawed = 0;
  const auto good = made(table, none, 0, 10'000, &flawed);
  EXPECT_EQ(flawed, 0);
  std::int64_t different = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    different += good[i] == some[i] ? 0 : 1;
  }
  EXPECT_NEAR(static_cast<double>(different), 1'000, 150);
}

TEST(Tables, ChildrenHaveParentsAtEverySize) {
  const auto& kind = *find_database_kind("retail");
  const auto& items = kind.tables[2];
  for (const std::int64_t orders : {1, 2, 4, 5, 6, 99, 1'000}) {
    std::set<std::string> of_items;
    for (const auto& line : made(items, kFlawedTables, 0, items.size(orders))) {
      const auto first = line.find(',') + 1;
      of_items.insert(line.substr(first, line.find(',', first) - first));
    }
    EXPECT_EQ(of_items.size(), static_cast<std::size_t>(orders));
    EXPECT_TRUE(of_items.contains(std::to_string(orders)));
  }
}

TEST(Tables, TimesGoOnFromTheFirstRow) {
  const auto& table = find_database_kind("new-orders")->counted_table();
  TableOptions options = kFlawedTables;
  options.first = 1'000;
  options.per_second = 0.5;
  EXPECT_TRUE(made(table, options, 1'000, 1'001)[0].ends_with("2026-01-01T00:00:00"));
  EXPECT_TRUE(made(table, options, 1'030, 1'031)[0].ends_with("2026-01-01T00:01:00"));
}

TEST(Tables, AKeyThatItsTypeDoesNotHoldIsAnError) {
  const auto& table = find_database_kind("retail")->counted_table();
  FlatRows rows(table.columns);
  EXPECT_THROW(add_row(table, kFlawedTables, INT32_MAX, rows), Error);
}

}  // namespace
}  // namespace millrace
