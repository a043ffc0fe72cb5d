// The state of one grouping set of one aggregation: hash partitions that live across batches.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/internal/state/group_spec.h"
#include "sql/internal/state/state_table.h"

namespace millrace::sql {

/// Tables are made when first needed. Thread-safe where it says so.
///
/// A table can't forget groups, so what is to be evicted later (windows) will get tables of its own
/// here, beside the partitions.
class GroupState {
 public:
  GroupState(duckdb::ClientContext& context, GroupSpec spec);

  /// A new epoch: no group is touched.
  void begin_epoch(std::uint64_t epoch);
  /// The table of a partition, ready for the current epoch. Thread-safe.
  StateTable& table(duckdb::idx_t partition);
  /// A global aggregate has its one group even without input: makes it.
  void ensure_global_group();
  void clear();

  [[nodiscard]] const GroupSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] duckdb::ClientContext& context() const noexcept { return context_; }
  /// Every table, and those used in this epoch.
  [[nodiscard]] std::vector<StateTable*> tables() const;
  [[nodiscard]] const std::vector<StateTable*>& active() const noexcept { return active_; }
  [[nodiscard]] std::int64_t rows() const;
  [[nodiscard]] std::int64_t touched() const;
  [[nodiscard]] std::int64_t bytes() const;

  /// Pre-aggregating did not pay: leave it alone for some epochs. Thread-safe.
  void skip_preaggregation() noexcept { skip_until_ = epoch_ + kSkippedEpochs; }
  [[nodiscard]] bool may_preaggregate() const noexcept { return epoch_ >= skip_until_; }

 private:
  static constexpr std::uint64_t kSkippedEpochs = 32;

  duckdb::ClientContext& context_;
  GroupSpec spec_;
  std::uint64_t epoch_ = 1;
  std::mutex lock_;  // guards the vectors
  std::vector<std::unique_ptr<StateTable>> partitions_;
  std::vector<StateTable*> active_;
  std::atomic<std::uint64_t> skip_until_ = 0;
};

}  // namespace millrace::sql
