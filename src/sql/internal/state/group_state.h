// The state of one grouping set of one aggregation: hash partitions that live across batches.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/internal/event_time.h"
#include "sql/internal/state/group_spec.h"
#include "sql/internal/state/state_table.h"
#include "sql/plan.h"

namespace millrace::sql {

/// The groups whose hashes fall into one part of the range.
///
/// Without windows there is one table at most, also for groups that are forgotten one by one (see
/// Lifetimes). With them there are several: a table of DuckDB's
/// can't forget groups, so what is to be forgotten together should lie together. A window lives in
/// one table; small windows that come one after the other share one, since an empty table takes
/// 88 KB; a table dies with the last of its windows.
struct Partition {
  std::mutex lock;  ///< held by who uses the rest
  std::vector<std::unique_ptr<StateTable>> tables;
  std::map<Window, StateTable*> homes;  ///< of the windows, if there are any
};

/// Tables are made when first needed. Thread-safe where it says so.
class GroupState {
 public:
  GroupState(duckdb::ClientContext& context, GroupSpec spec);

  /// A new epoch: no group is touched. Groups whose time to live is over by `time_us`, the batch's
  /// time, are forgotten.
  void begin_epoch(std::uint64_t epoch, std::int64_t time_us);
  /// Touches every group in this epoch.
  void touch_all();
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
  /// With a time to live: until when what this epoch touches lives.
  [[nodiscard]] Window end_of_life() const noexcept { return end_of_life_; }
  /// Thread-safe.
  [[nodiscard]] Partition& partition(duckdb::idx_t i) const noexcept { return *partitions_[i]; }
  /// The table of a window's groups, ready for the current epoch; whoever calls holds the
  /// partition's lock.
  StateTable& table(Partition& partition, Window window);
  /// Takes the only table of a partition out of the state.
  [[nodiscard]] std::unique_ptr<StateTable> take_table(Partition& partition);
  /// A global aggregate has its one group even without input: makes it.
  void ensure_global_group();
  void clear();

  /// How the windows are closed; without it they never are.
  void close_by(TimeBound bound) { bound_ = std::move(bound); }
  [[nodiscard]] const TimeBound* bound() const noexcept { return bound_ ? &*bound_ : nullptr; }
  /// Windows before this are closed: what still comes for them is late.
  [[nodiscard]] Window closed_before() const noexcept { return closed_before_; }
  /// Windows before this are to be closed at the end of the batch; at least closed_before().
  [[nodiscard]] Window closing_before() const noexcept { return closing_before_; }
  void set_closing(Window bound) noexcept { closing_before_ = std::max(closing_before_, bound); }
  /// Closes and forgets the windows before `bound`.
  void forget_before(Window bound);
  /// Counts those of some rows that are before closed_before(), by how much. `type`: of the column
  /// whose values are given. Thread-safe.
  void count_late(const Window* values, duckdb::idx_t count, const duckdb::LogicalType& type);
  /// What was counted since the last call.
  [[nodiscard]] LateRows take_late();

  [[nodiscard]] const GroupSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] duckdb::ClientContext& context() const noexcept { return context_; }
  /// Every table, and those used in this epoch.
  [[nodiscard]] std::vector<StateTable*> tables() const;
  [[nodiscard]] const std::vector<StateTable*>& active() const noexcept { return active_; }
  [[nodiscard]] std::int64_t rows() const;
  [[nodiscard]] std::int64_t touched() const;
  [[nodiscard]] std::int64_t bytes() const;
  [[nodiscard]] std::int64_t windows() const;
  /// The first open window; kAfterAll: there is none.
  [[nodiscard]] Window first_window() const;
  /// The same as SQL writes it; of a deduplication, the time of the rows whose keys are the first
  /// to be forgotten. Empty: there are no windows.
  [[nodiscard]] std::string oldest_text() const;
  /// The same in microseconds since 1970.
  [[nodiscard]] std::optional<std::int64_t> oldest_us() const;
  /// Groups that this epoch has forgotten.
  [[nodiscard]] std::int64_t forgotten() const noexcept { return forgotten_; }

  /// Pre-aggregating so many rows gave so many groups. If hardly fewer, it is left alone for some
  /// epochs. Thread-safe.
  void preaggregated(duckdb::idx_t rows, duckdb::idx_t groups) noexcept;
  [[nodiscard]] bool may_preaggregate() const noexcept { return epoch_ >= skip_until_; }
  /// Whether it has paid so well that it will again.
  [[nodiscard]] bool should_preaggregate() const noexcept { return epoch_ < pays_until_; }

 private:
  static constexpr std::uint64_t kSkippedEpochs = 32;
  // Fewer rows do not tell whether it pays, or whether it will with the next batch.
  static constexpr duckdb::idx_t kSomeRows = 1024;
  static constexpr duckdb::idx_t kManyRows = 8192;
  // A table with so many rows gets no further windows; nor one with so few, once most of them are
  // forgotten: it would never die.
  static constexpr duckdb::idx_t kSharedRows = 16'384;
  static constexpr duckdb::idx_t kFewRows = 1024;

  [[nodiscard]] static bool is_full(const StateTable& table);

  void forget_windows(Partition& partition, Window bound);
  void forget_groups(Partition& partition, Window bound);
  /// What oldest_text() tells, and its type.
  [[nodiscard]] std::optional<std::pair<Window, duckdb::LogicalType>> oldest() const;

  duckdb::ClientContext& context_;
  GroupSpec spec_;
  std::uint64_t epoch_ = 1;
  std::vector<std::unique_ptr<Partition>> partitions_;
  mutable std::mutex lock_;  // guards what follows
  std::vector<StateTable*> active_;
  LateRows late_;
  std::atomic<std::uint64_t> skip_until_ = 0;
  std::atomic<std::uint64_t> pays_until_ = 0;
  std::optional<TimeBound> bound_;
  Window closed_before_ = kBeforeAll;
  Window closing_before_ = kBeforeAll;
  Window end_of_life_ = kAfterAll;
  std::int64_t forgotten_ = 0;
};

}  // namespace millrace::sql
