// One hash table of groups with their aggregate states, kept alive across batches.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/internal/state/group_spec.h"
#include "sql/internal/state/lifetimes.h"
#include "sql/internal/state/side_table.h"
#include "sql/internal/state/touch.h"

namespace millrace::sql {

/// A GroupedAggregateHashTable of DuckDB with its touch list and side tables. Used by one thread at
/// a time: callers hold the lock of its partition.
///
/// The table is never combined with another by DuckDB's own Combine(): that keeps the memory of
/// every source table forever and steals from states. combine_from() does it safely.
class StateTable {
 public:
  /// `local`: one thread's, to be combined with the state's: no side tables, no windows.
  StateTable(duckdb::ClientContext& context, const GroupSpec& spec, bool local);

  void begin(std::uint64_t epoch);
  /// Updates the states with rows of input. `windows`: of each row; nullptr: there are none.
  void add(duckdb::DataChunk& groups, duckdb::Vector& hashes, const Window* windows,
           duckdb::DataChunk& payload);
  /// Adds states of another table with the same spec.
  void combine_from(StateTable& other, const duckdb::data_ptr_t* rows, duckdb::DataChunk& groups,
                    duckdb::Vector& hashes, const Window* windows);
  /// Finds or makes groups; gives and touches their rows. The result is valid until the next call.
  /// `windows`: of each group; nullptr: there are none, or mortal groups are to live as long as
  /// they do.
  duckdb::data_ptr_t* find_or_create(duckdb::DataChunk& groups, duckdb::Vector& hashes,
                                     const Window* windows);
  /// The same, but only groups that are new, or were forgotten, are touched; puts their places into
  /// `fresh`, and how many there are into `made`. There are no windows; `ends`: of mortal groups'
  /// lives.
  duckdb::data_ptr_t* find_or_make(duckdb::DataChunk& groups, duckdb::Vector& hashes,
                                   const Window* ends, const duckdb::SelectionVector*& fresh,
                                   duckdb::idx_t& made);
  /// Forgets the windows, or groups, before `bound`. Their rows stay in the table until it dies.
  void forget_before(Window bound);

  /// Updates aggregate `a` of the groups at rows[selected[0..count)] with the arguments in the same
  /// places of a chunk, which begin at column `first`.
  void update(duckdb::idx_t a, const duckdb::data_ptr_t* rows, duckdb::DataChunk& arguments,
              duckdb::idx_t first, const duckdb::SelectionVector& selected, duckdb::idx_t count);

  /// Writes the results of all aggregates into out, from `column` on.
  void finalize(const duckdb::data_ptr_t* rows, duckdb::idx_t count,
                duckdb::ArenaAllocator& allocator, duckdb::DataChunk& out,
                duckdb::idx_t column) const;
  /// Writes the result of one aggregate.
  void finalize_one(duckdb::idx_t a, const duckdb::data_ptr_t* rows, duckdb::idx_t count,
                    duckdb::ArenaAllocator& allocator, duckdb::Vector& out) const;
  /// Copies group column `g` of up to one vector of rows.
  void gather_group(duckdb::idx_t g, const duckdb::data_ptr_t* rows, duckdb::idx_t count,
                    duckdb::Vector& out) const;
  void gather_hashes(const duckdb::data_ptr_t* rows, duckdb::idx_t count,
                     duckdb::Vector& out) const;

  void touch_all() { touch_.touch_all(); }
  /// Makes the states of aggregate `a` of up to one vector of rows as new.
  void reset(duckdb::idx_t a, const duckdb::data_ptr_t* rows, duckdb::idx_t count);

  /// Calls visit(rows, windows, count) for all rows that are not forgotten, or the touched ones, up
  /// to a vector at a time. For mortal groups `windows` are the times to forget them at.
  template <class Visit>
  void visit(bool all, const Visit& visit) const;
  /// What side tables know rows by; valid until the next call.
  const duckdb::data_ptr_t* names_of(const duckdb::data_ptr_t* rows, duckdb::idx_t count);
  [[nodiscard]] duckdb::data_ptr_t row_of(duckdb::data_ptr_t name) const {
    return lifetimes_ ? Lifetimes::row_of(name) : name;
  }
  /// Whether what a side table knows is not forgotten.
  [[nodiscard]] bool is_known(duckdb::data_ptr_t name) const {
    return lifetimes_ ? lifetimes_->goes_on(name) : !touch_.is_forgotten(name);
  }

  [[nodiscard]] const TouchList& touch() const noexcept { return touch_; }
  /// nullptr: groups don't die by themselves.
  [[nodiscard]] const Lifetimes* lifetimes() const noexcept {
    return lifetimes_ ? &*lifetimes_ : nullptr;
  }
  [[nodiscard]] duckdb::idx_t rows() const noexcept {
    return lifetimes_ ? lifetimes_->alive() : touch_.rows();
  }
  [[nodiscard]] std::int64_t bytes() const;
  [[nodiscard]] const GroupSpec& spec() const noexcept { return spec_; }
  /// DuckDB's description of aggregate `a`, and where its state lies in a row.
  [[nodiscard]] const duckdb::AggregateObject& object(duckdb::idx_t a) const {
    return layout_->GetAggregates()[a + 1];
  }
  [[nodiscard]] duckdb::idx_t offset(duckdb::idx_t a) const noexcept { return offsets_[a + 1]; }
  [[nodiscard]] SideTable* side(duckdb::idx_t a) const {
    return sides_.empty() ? nullptr : sides_[a].get();
  }
  [[nodiscard]] duckdb::ArenaAllocator& aggregate_memory() const { return *arena_; }

 private:
  /// Feeds aggregate `a` with the rows of a payload that pass its FILTER.
  void feed(duckdb::idx_t a, const duckdb::data_ptr_t* rows, duckdb::DataChunk& payload);
  void feed_side(duckdb::idx_t a, const duckdb::data_ptr_t* rows,
                 const duckdb::Vector& group_hashes, duckdb::DataChunk& payload);

  /// Extends the lives of groups; those that were forgotten begin afresh.
  void extend_lives(const duckdb::data_ptr_t* rows, duckdb::idx_t count, const Window* ends);

  const GroupSpec& spec_;
  TouchList touch_;
  std::optional<Lifetimes> lifetimes_;
  duckdb::unique_ptr<duckdb::GroupedAggregateHashTable> table_;
  duckdb::shared_ptr<duckdb::TupleDataLayout> layout_;      // the table's, shared by DuckDB
  duckdb::shared_ptr<duckdb::ArenaAllocator> arena_;        // the table's, shared by DuckDB
  duckdb::unique_ptr<duckdb::TupleDataCollection> reader_;  // empty: only for its Gather()
  std::vector<std::unique_ptr<SideTable>> sides_;           // one an aggregate, or none at all
  std::vector<duckdb::idx_t> offsets_;                      // of the touch and all states
  // Room for one vector, used again by every call:
  duckdb::Vector addresses_;
  duckdb::Vector sources_;
  duckdb::Vector states_;
  duckdb::SelectionVector selected_;
  duckdb::SelectionVector fresh_;
  std::vector<duckdb::data_ptr_t> names_;
  std::vector<duckdb::data_ptr_t> afresh_;
};

template <class Visit>
void StateTable::visit(bool all, const Visit& visit) const {
  if (!lifetimes_) {
    touch_.visit(all, visit);
    return;
  }
  touch_.visit(all,
               [&](const duckdb::data_ptr_t* rows, const Window* /*windows*/, duckdb::idx_t count) {
                 std::array<duckdb::data_ptr_t, STANDARD_VECTOR_SIZE> alive;
                 std::array<Window, STANDARD_VECTOR_SIZE> ends;
                 duckdb::idx_t n = 0;
                 for (duckdb::idx_t i = 0; i < count; ++i) {
                   if (lifetimes_->is_alive(rows[i])) {
                     alive[n] = rows[i];
                     ends[n++] = lifetimes_->end(rows[i]);
                   }
                 }
                 if (n > 0) {
                   visit(alive.data(), ends.data(), n);
                 }
               });
}

}  // namespace millrace::sql
