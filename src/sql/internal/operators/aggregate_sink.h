// The way of rows into the states of a stateful aggregation.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "sql/internal/operators/stateful_aggregate.h"
#include "sql/internal/parallel.h"
#include "sql/internal/state/group_writer.h"

namespace millrace::sql {

/// One thread's way in: a writer and a chunk of group columns for each grouping set.
class AggregateSink {
 public:
  using Layout = PhysicalStatefulAggregate::Layout;

  AggregateSink(duckdb::ClientContext& context, const Layout& layout, RunContext& run);

  void add(duckdb::DataChunk& chunk);
  /// No more input.
  void finish();
  /// Whether a row costs enough for another thread to be given it.
  [[nodiscard]] bool is_costly() const;

 private:
  struct PerSet {
    PerSet(GroupState& state, bool preaggregate) : writer(state, preaggregate) {
      groups.InitializeEmpty(state.spec().group_types);
    }
    GroupWriter writer;
    duckdb::DataChunk groups;
  };

  const Layout& layout_;
  RunContext& run_;
  std::vector<std::unique_ptr<PerSet>> sets_;
  duckdb::DataChunk payload_;
  LateWriter late_;
  std::int64_t absorbed_ = 0;
};

/// Shares one thread's rows with threads that have nothing to do: a file with one row group is
/// scanned by one thread, and would be aggregated by it alone. Used by one thread.
class SharedAggregateSink {
 public:
  SharedAggregateSink(duckdb::ClientContext& context,
                      const PhysicalStatefulAggregate::Layout& layout, RunContext& run);

  /// `scans`: how many threads give rows to this aggregation. Throws what any thread has met.
  void add(duckdb::DataChunk& chunk, std::atomic<duckdb::idx_t>& scans);
  void finish();

 private:
  /// A sink with the rows that it is to take.
  struct Helper {
    Helper(duckdb::ClientContext& context, const PhysicalStatefulAggregate::Layout& layout,
           RunContext& run)
        : sink(context, layout, run) {}
    AggregateSink sink;
    duckdb::DataChunk rows;
  };

  /// False if all helpers have rows still.
  bool hand_over(duckdb::DataChunk& chunk);

  duckdb::ClientContext& context_;
  const PhysicalStatefulAggregate::Layout& layout_;
  RunContext& run_;
  AggregateSink own_;
  duckdb::idx_t threads_;
  bool can_share_;
  bool counted_ = false;
  std::int64_t rows_ = 0;
  std::vector<std::unique_ptr<Helper>> helpers_;
  std::mutex lock_;
  std::vector<Helper*> free_;     // under the lock
  std::unique_ptr<Tasks> tasks_;  // last, so that it is waited for first
};

}  // namespace millrace::sql
