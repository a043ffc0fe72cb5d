// One thread's way into a GroupState.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <vector>

#include "sql/internal/state/group_state.h"

namespace millrace::sql {

/// Splits chunks over the hash partitions; for few groups and several threads, aggregates a part
/// locally first, as else the threads would wait for each other at the same few groups.
class GroupWriter {
 public:
  /// `preaggregate`: allowed if the aggregates can do it and it pays.
  GroupWriter(GroupState& state, bool preaggregate);

  void add(duckdb::DataChunk& groups, duckdb::DataChunk& payload);
  /// No more input: what was aggregated locally goes into the state.
  void flush();

  /// Splits a chunk by partition. Calls feed(table, selection, count) with the table locked;
  /// selection is nullptr if the whole chunk goes there.
  template <class Feed>
  void route(duckdb::idx_t count, duckdb::Vector& hashes, const Feed& feed);

 private:
  // Threads begin to pre-aggregate after so many rows: a small batch gains nothing.
  static constexpr duckdb::idx_t kDirectRows = 8192;
  static constexpr duckdb::idx_t kLocalGroups = 16'384;

  void add_directly(duckdb::DataChunk& groups, duckdb::DataChunk& payload);
  void add_locally(duckdb::DataChunk& groups, duckdb::DataChunk& payload);
  void flush_rows(const duckdb::data_ptr_t* rows, duckdb::idx_t count, duckdb::DataChunk& groups);
  StateTable& table(duckdb::idx_t partition);
  [[nodiscard]] duckdb::idx_t partition_of(duckdb::hash_t hash) const {
    // Bits that DuckDB's tables use neither for the slot nor for the salt.
    return (hash >> 40U) & (spec_.partitions - 1);
  }

  GroupState& state_;
  const GroupSpec& spec_;
  bool preaggregate_;
  duckdb::idx_t direct_rows_ = 0;
  duckdb::Vector hashes_;
  duckdb::DataChunk part_groups_;
  duckdb::DataChunk part_payload_;
  std::array<duckdb::SelectionVector, GroupSpec::kMaxPartitions> selections_;
  std::vector<StateTable*> tables_;
  std::unique_ptr<StateTable> local_;
  duckdb::idx_t local_rows_ = 0;
};

template <class Feed>
void GroupWriter::route(duckdb::idx_t count, duckdb::Vector& hashes, const Feed& feed) {
  if (spec_.partitions == 1) {
    StateTable& only = table(0);
    const std::lock_guard guard(only.lock);
    feed(only, nullptr, count);
    return;
  }
  hashes.Flatten(count);
  const auto* values = duckdb::FlatVector::GetData<duckdb::hash_t>(hashes);
  std::array<duckdb::idx_t, GroupSpec::kMaxPartitions> counts{};
  for (duckdb::idx_t i = 0; i < count; ++i) {
    const duckdb::idx_t p = partition_of(values[i]);
    selections_[p].set_index(counts[p]++, i);
  }
  // Free tables first: threads must not queue up behind each other, table by table.
  for (const bool wait : {false, true}) {
    for (duckdb::idx_t p = 0; p < spec_.partitions; ++p) {
      if (counts[p] == 0) {
        continue;
      }
      StateTable& target = table(p);
      std::unique_lock guard(target.lock, std::defer_lock);
      if (wait) {
        guard.lock();
      } else if (!guard.try_lock()) {
        continue;
      }
      feed(target, counts[p] == count ? nullptr : &selections_[p], counts[p]);
      counts[p] = 0;
    }
  }
}

}  // namespace millrace::sql
