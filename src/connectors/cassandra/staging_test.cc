#include "connectors/cassandra/staging.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace millrace::cassandra {
namespace {

std::string row_of(const std::string& partition, const std::string& clustering,
                   const std::string& rest, bool is_delete = false) {
  const std::string values = partition + clustering + rest;
  std::string bytes;
  put_row({.is_delete = is_delete,
           .partition_key = partition,
           .clustering = std::string_view(values).substr(partition.size(), clustering.size()),
           .values = values},
          bytes);
  return bytes;
}

/// Rows by key, and in how many parts they came.
std::map<std::string, std::string> rows_of(const Staging& staging, int& parts) {
  std::map<std::string, std::string> all;
  staging.for_each_part([&](const std::vector<StagedRow>& rows) {
    parts += rows.empty() ? 0 : 1;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto key = fmt::format("{}/{}", rows[i].partition_key, rows[i].clustering);
      EXPECT_TRUE(all.emplace(key, rows[i].values).second) << key;
      EXPECT_TRUE(i == 0 || rows[i - 1].partition_key <= rows[i].partition_key);
    }
  });
  return all;
}

TEST(CassandraStaging, OneRowAKeyWhateverTheOrder) {
  for (const bool turned : {false, true}) {
    Staging staging(1 << 20);
    staging.add(row_of("p", "c", turned ? "a" : "b"));
    staging.add(row_of("p", "d", ""));
    staging.add(row_of("p", "c", turned ? "b" : "a"));
    int parts = 0;
    EXPECT_EQ(rows_of(staging, parts),
              (std::map<std::string, std::string>{{"p/c", "pcb"}, {"p/d", "pd"}}));
  }
}

TEST(CassandraStaging, RowsThatMemoryDoesNotHoldWaitInFiles) {
  Staging staging(10'000);
  for (int i = 0; i < 5'000; ++i) {
    staging.add(row_of(fmt::format("p{}", i % 100), fmt::format("c{}", i), std::string(50, 'x')));
  }
  for (int again = 0; again < 2; ++again) {
    int parts = 0;
    const auto rows = rows_of(staging, parts);
    EXPECT_EQ(rows.size(), 5'000U);
    EXPECT_GT(parts, 10);
    EXPECT_EQ(rows.at("p7/c107"), "p7c107" + std::string(50, 'x'));
  }
}

}  // namespace
}  // namespace millrace::cassandra
