// Feeding a plan chunk by chunk, without a run.
//
// A run of a nested plan needs its rows in memory and costs some 100 us. Where only row-wise
// operators lie between a stream and the state (or the result), a thread that has a chunk of the
// stream can push it through these operators itself: nothing is copied or gathered, and threads
// don't wait for each other.
#pragma once

#include <memory>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/internal/input.h"
#include "sql/plan.h"

namespace millrace::sql {

/// The way of a stream's rows from one scan of it to the end.
struct FeedPath {
  const duckdb::PhysicalTableScan* scan = nullptr;
  Input* input = nullptr;
  std::vector<const duckdb::PhysicalOperator*> steps;  // bottom up
  const duckdb::PhysicalOperator* state = nullptr;     // a stateful aggregation; none: the result
};

/// One path for each of the `scans` scans of a plan's stream; none if the plan can't be fed.
[[nodiscard]] std::vector<FeedPath> find_feed_paths(const duckdb::PhysicalOperator& root,
                                                    int scans);
/// See Plan::feed().
[[nodiscard]] std::unique_ptr<Feed> open_feed(Plan::Impl& plan, Receiver& to);

}  // namespace millrace::sql
