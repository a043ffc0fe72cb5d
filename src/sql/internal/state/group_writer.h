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

  /// Gives the number of rows that were not late.
  duckdb::idx_t add(duckdb::DataChunk& groups, duckdb::DataChunk& payload);
  /// The others, if the state gives them out.
  [[nodiscard]] const duckdb::SelectionVector& late() const noexcept { return late_; }
  /// Whether each row goes into the state by itself, which costs ten times as much.
  [[nodiscard]] bool adds_directly() const noexcept { return !preaggregate_; }
  /// No more input: what was aggregated locally goes into the state.
  void flush();

  /// Splits a chunk by table. Calls feed(table, selection, count) with the table locked; selection
  /// is nullptr if the whole chunk goes there. `windows`: of each row; nullptr: there are none.
  template <class Feed>
  void route(duckdb::idx_t count, duckdb::Vector& hashes, const Window* windows, const Feed& feed);

 private:
  // Threads begin to pre-aggregate after so many rows: a small batch gains nothing.
  static constexpr duckdb::idx_t kDirectRows = 8192;
  static constexpr duckdb::idx_t kLocalGroups = 16'384;

  void add_timely(duckdb::DataChunk& groups, duckdb::DataChunk& payload);
  void add_directly(duckdb::DataChunk& groups, duckdb::DataChunk& payload);
  void add_locally(duckdb::DataChunk& groups, duckdb::DataChunk& payload);
  void flush_rows(const duckdb::data_ptr_t* rows, duckdb::idx_t count, duckdb::DataChunk& groups);
  /// Finds the rows that are not late; gives how many.
  duckdb::idx_t find_timely(duckdb::DataChunk& groups);
  template <class Feed>
  void route_within(Partition& partition, const duckdb::SelectionVector* part, duckdb::idx_t count,
                    const Window* windows, const Feed& feed);
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
  std::array<Window, STANDARD_VECTOR_SIZE> windows_{};       // of the rows of a chunk, or
                                                             // ends of their groups' lives
  std::array<Window, STANDARD_VECTOR_SIZE> part_windows_{};  // of those that go to one table
  std::vector<StateTable*> homes_;                           // of the rows of a part
  duckdb::SelectionVector timely_;
  duckdb::SelectionVector late_;
  duckdb::SelectionVector at_home_;
  duckdb::DataChunk timely_groups_;
  duckdb::DataChunk timely_payload_;
  std::unique_ptr<StateTable> local_;
  duckdb::idx_t local_rows_ = 0;
};

/// The windows of some rows of a chunk, in their order; nullptr if there are none.
inline const Window* windows_of(const Window* windows, const duckdb::SelectionVector* part,
                                duckdb::idx_t count,
                                std::array<Window, STANDARD_VECTOR_SIZE>& room) {
  if (windows == nullptr || part == nullptr) {
    return windows;
  }
  for (duckdb::idx_t i = 0; i < count; ++i) {
    room[i] = windows[part->get_index(i)];
  }
  return room.data();
}

/// The windows that a column tells. NULL is before all windows.
void read_windows(duckdb::Vector& column, duckdb::idx_t count,
                  std::array<Window, STANDARD_VECTOR_SIZE>& windows);

template <class Feed>
void GroupWriter::route(duckdb::idx_t count, duckdb::Vector& hashes, const Window* windows,
                        const Feed& feed) {
  if (spec_.partitions == 1) {
    Partition& only = state_.partition(0);
    const std::lock_guard guard(only.lock);
    route_within(only, nullptr, count, windows, feed);
    return;
  }
  hashes.Flatten(count);
  const auto* values = duckdb::FlatVector::GetData<duckdb::hash_t>(hashes);
  std::array<duckdb::idx_t, GroupSpec::kMaxPartitions> counts{};
  for (duckdb::idx_t i = 0; i < count; ++i) {
    const duckdb::idx_t p = partition_of(values[i]);
    selections_[p].set_index(counts[p]++, i);
  }
  // Free partitions first: threads must not queue up behind each other, one by one.
  for (const bool wait : {false, true}) {
    for (duckdb::idx_t p = 0; p < spec_.partitions; ++p) {
      if (counts[p] == 0) {
        continue;
      }
      Partition& target = state_.partition(p);
      std::unique_lock guard(target.lock, std::defer_lock);
      if (wait) {
        guard.lock();
      } else if (!guard.try_lock()) {
        continue;
      }
      route_within(target, counts[p] == count ? nullptr : &selections_[p], counts[p], windows,
                   feed);
      counts[p] = 0;
    }
  }
}

template <class Feed>
void GroupWriter::route_within(Partition& partition, const duckdb::SelectionVector* part,
                               duckdb::idx_t count, const Window* windows, const Feed& feed) {
  if (windows == nullptr) {
    feed(state_.table(partition, kNoWindow), part, count);
    return;
  }
  const auto row = [part](duckdb::idx_t i) { return part == nullptr ? i : part->get_index(i); };
  homes_.resize(count);
  bool one_home = true;
  for (duckdb::idx_t i = 0; i < count; ++i) {
    homes_[i] = i > 0 && windows[row(i)] == windows[row(i - 1)]
                    ? homes_[i - 1]
                    : &state_.table(partition, windows[row(i)]);
    one_home = one_home && homes_[i] == homes_[0];
  }
  if (one_home) {
    feed(*homes_[0], part, count);
    return;
  }
  for (duckdb::idx_t first = 0; first < count; ++first) {
    StateTable* home = homes_[first];
    if (home == nullptr) {
      continue;  // went with an earlier one
    }
    duckdb::idx_t n = 0;
    for (duckdb::idx_t i = first; i < count; ++i) {
      if (homes_[i] == home) {
        at_home_.set_index(n++, row(i));
        homes_[i] = nullptr;
      }
    }
    feed(*home, &at_home_, n);
  }
}

}  // namespace millrace::sql
