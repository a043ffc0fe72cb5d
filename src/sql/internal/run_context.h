// What the operators of one plan share while it runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "sql/internal/error.h"
#include "sql/internal/input.h"
#include "sql/internal/late_rows.h"
#include "sql/internal/row_seeds.h"
#include "sql/internal/state/group_state.h"
#include "sql/internal/state/new_rows.h"
#include "sql/internal/state/session_state.h"
#include "sql/plan.h"

namespace millrace::sql {

class FileScanner;

/// Rows that passed one place of a plan in the current run. Written by all threads.
struct RowCounter {
  std::atomic<std::int64_t> rows = 0;
};

/// An operator that changes the number of a stream's rows, with what is counted below and above it.
struct CountedStep {
  std::vector<const RowCounter*> in;
  std::vector<const RowCounter*> out;
};

/// One per plan, at a fixed address; it changes between runs only, but for the counters.
struct RunContext {
  Run mode = Run::rows;
  Receiver* receiver = nullptr;
  LateRowsOut late;
  std::string dataset;
  std::int64_t state_ttl_us = 0;  // for how long groups without a row are kept; 0: for ever
  std::int64_t time_us = 0;       // what now() gives
  Carrier carrier;                // our exceptions on their way through DuckDB
  const duckdb::PhysicalPlan* physical_plan = nullptr;

  std::vector<std::shared_ptr<Input>> inputs;  // shared with the scans that were bound to them
  /// Open during a run. Shared with the scans' states, which DuckDB drops when it likes.
  std::vector<std::shared_ptr<FileScanner>> scanners;

  /// One for each grouping set of each aggregation over a stream, and each deduplication.
  std::vector<std::unique_ptr<GroupState>> states;
  /// One for each deduplication.
  std::vector<std::unique_ptr<NewRows>> new_rows;
  /// One for each FROM session(...).
  std::vector<std::unique_ptr<SessionState>> sessions;

  /// One for each operator that calls random() or uuid().
  std::vector<std::unique_ptr<RowSeeds>> seeds;
  std::uint64_t random_calls = 0;  // in the whole plan

  std::deque<RowCounter> counters;  // a deque, since operators point at the elements
  std::vector<CountedStep> steps;
  std::atomic<std::int64_t> absorbed = 0;
  std::atomic<std::int64_t> emitted = 0;
  std::atomic<std::int64_t> released =
      0;  // of the emitted ones, those that go on below other state
  std::atomic<std::int64_t> duplicates = 0;
  std::atomic<std::int64_t> out = 0;

  void reset_counters() {
    for (auto& counter : counters) {
      counter.rows = 0;
    }
    for (auto& input : inputs) {
      input->scanned = 0;
      input->malformed = 0;
    }
    absorbed = 0;
    emitted = 0;
    released = 0;
    duplicates = 0;
    out = 0;
  }
};

}  // namespace millrace::sql
