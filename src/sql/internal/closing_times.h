// Which operators of a plan forget their state by event time, and when.
#pragma once

#include <cstdint>
#include <map>

#include "sql/internal/duckdb.h"
#include "sql/internal/event_time.h"

namespace millrace::sql {

/// What closes the windows, sessions and keys of a plan, found in the plan as it was bound: what a
/// query means must not depend on what the optimizer makes of it. It takes away the parts of a
/// UNION ALL that can have no row, and the least of the parts' watermarks would be another one.
///
/// The operators are found again in the optimized plan by the numbers that DuckDB gave them, which
/// its passes keep, but for the inlining of CTEs: it must be done before.
class ClosingTimes {
 public:
  /// A group column that is the window of a group, and what closes windows.
  struct Windows {
    duckdb::idx_t column;
    TimeBound bound;
  };

  /// `finder` must know the CTEs of the plan.
  ClosingTimes(duckdb::LogicalOperator& plan, const EventTimeFinder& finder);

  /// nullptr: its groups are kept for good.
  [[nodiscard]] const Windows* windows_of(const duckdb::LogicalAggregate& aggregate) const;
  /// nullptr: its rows have no event time.
  [[nodiscard]] const TimeBound* of_session(const duckdb::LogicalOperator& window) const;
  /// nullptr: its keys are kept for good.
  [[nodiscard]] const TimeBound* of_distinct(const duckdb::LogicalDistinct& distinct) const;

 private:
  void find(duckdb::LogicalOperator& op, const EventTimeFinder& finder);

  std::map<duckdb::idx_t, Windows> aggregates_;  // by their tables of groups
  std::map<duckdb::idx_t, TimeBound> sessions_;  // by their tables of calls
  std::map<std::int64_t, TimeBound> distincts_;  // by the numbers of prepare_distinct()
};

/// Before the optimizer: has each DISTINCT over rows with an event time keep that column, as the
/// first one to order by, and a number to be found again by, as the second.
/// `finder` must know the CTEs.
void prepare_distinct(duckdb::LogicalOperator& plan, const EventTimeFinder& finder);

}  // namespace millrace::sql
