#include "control/past_graphs.h"

#include <gtest/gtest.h>

#include <string>

#include "base/test_folder.h"

namespace millrace::control {
namespace {

Json graph_of(const std::string& sql, const std::string& plan = "SCAN") {
  return {{"nodes", Json::array({{{"id", "a"}, {"sql", sql}, {"plan", plan}}})},
          {"edges", Json::array()}};
}

std::string sql_at(const PastGraphs& graphs, std::int64_t batch) {
  const auto found = graphs.at(batch);
  return found ? Json::parse(*found->text).at("nodes").at(0).value("sql", "") : "";
}

TEST(PastGraphs, EachBatchHasTheOneThatItRan) {
  const TempFolder folder;
  {
    PastGraphs graphs;
    EXPECT_EQ(graphs.version(), "");
    graphs.open(folder.path());
    graphs.add(0, graph_of("one"));
    graphs.add(7, graph_of("one", "another plan of the same"));
    EXPECT_EQ(graphs.since(), 0);
    graphs.add(7, graph_of("never run"));
    graphs.add(7, graph_of("two"));
  }
  PastGraphs graphs;
  graphs.open(folder.path());
  EXPECT_EQ(sql_at(graphs, 0), "one");
  EXPECT_EQ(sql_at(graphs, 6), "one");
  EXPECT_EQ(graphs.at(6)->until, 6);
  EXPECT_EQ(sql_at(graphs, 7), "two");
  EXPECT_EQ(graphs.at(1'000)->since, 7);
  EXPECT_FALSE(graphs.at(1'000)->until);
  EXPECT_EQ(sql_at(graphs, -1), "");
  const auto version = graphs.version();
  graphs.add(9, graph_of("two"));  // started again, it is the same
  EXPECT_EQ(graphs.since(), 7);
  EXPECT_EQ(graphs.version(), version);
}

TEST(PastGraphs, TheOldestGo) {
  const TempFolder folder;
  PastGraphs graphs;
  graphs.open(folder.path());
  for (std::int64_t i = 0; i < 2 * PastGraphs::kMost; i++) {
    graphs.add(i, graph_of(std::to_string(i)));
  }
  EXPECT_EQ(sql_at(graphs, PastGraphs::kMost - 1), "");
  EXPECT_EQ(sql_at(graphs, PastGraphs::kMost), std::to_string(PastGraphs::kMost));
  graphs.forget();
  EXPECT_FALSE(graphs.at(2 * PastGraphs::kMost));
  EXPECT_EQ(graphs.version(), "");
}

}  // namespace
}  // namespace millrace::control
