// When each group of a state table is forgotten, if groups are not forgotten window by window.
#pragma once

#include <cstdint>
#include <map>

#include "sql/internal/duckdb.h"
#include "sql/internal/state/touch.h"

namespace millrace::sql {

/// Every row of such a table ends with a hidden aggregate of ours: until when its group lives.
///
/// DuckDB's tables can't drop rows, so a group that was forgotten and comes again begins another
/// life in the same row. Rows and what else the dead leave behind go when there is more of it than
/// of the living (see compact()).
class Lifetimes {
 public:
  void set_offset(duckdb::idx_t offset) noexcept { offset_ = offset; }

  /// Not before the first extend() of a row.
  [[nodiscard]] bool is_alive(duckdb::data_ptr_t row) const { return mark(row).end >= bound_; }
  [[nodiscard]] Window end(duckdb::data_ptr_t row) const { return mark(row).end; }
  /// Sets until when a group lives; true if it was forgotten, and begins afresh.
  bool extend(duckdb::data_ptr_t row, Window end);
  /// Forgets the groups that live until a time before `bound`.
  void forget_before(Window bound);

  /// When the next groups are forgotten; kAfterAll: there are none.
  [[nodiscard]] Window first_end() const {
    return groups_.empty() ? kAfterAll : groups_.begin()->first;
  }
  [[nodiscard]] duckdb::idx_t alive() const noexcept { return alive_; }
  /// Lives that are over.
  [[nodiscard]] duckdb::idx_t over() const noexcept { return over_; }

  /// Tells a life of a group from all others: the row's address and, in the bits that are the same
  /// in all addresses of a process, which of its lives it is. There is room for 2^16 of them;
  /// long before, compact() makes a new row.
  [[nodiscard]] duckdb::data_ptr_t life(duckdb::data_ptr_t row) const {
    return to_pointer(to_word(row) | (mark(row).number << kAddressBits));
  }
  [[nodiscard]] static duckdb::data_ptr_t row_of(duckdb::data_ptr_t life) {
    return to_pointer(to_word(life) & ((std::uint64_t{1} << kAddressBits) - 1));
  }
  /// Whether a life is not over.
  [[nodiscard]] bool goes_on(duckdb::data_ptr_t life) const {
    const auto row = row_of(life);
    return is_alive(row) && this->life(row) == life;
  }

 private:
  struct Mark {
    Window end = 0;
    std::uint64_t number = 0;  // of the life; 0: the row is new
  };
  friend duckdb::AggregateObject lifetime_aggregate();
  static constexpr unsigned kAddressBits = 48;

  static std::uint64_t to_word(duckdb::data_ptr_t pointer) {
    return reinterpret_cast<std::uint64_t>(pointer);
  }
  static duckdb::data_ptr_t to_pointer(std::uint64_t word) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): names of lives pass where rows do
    return reinterpret_cast<duckdb::data_ptr_t>(word);
  }
  [[nodiscard]] Mark& mark(duckdb::data_ptr_t row) const {
    return *reinterpret_cast<Mark*>(row + offset_);
  }

  duckdb::idx_t offset_ = 0;
  Window bound_ = kBeforeAll;
  std::map<Window, duckdb::idx_t> groups_;  // how many live until when
  duckdb::idx_t alive_ = 0;
  duckdb::idx_t over_ = 0;
};

/// The hidden aggregate; only extend() writes it.
[[nodiscard]] duckdb::AggregateObject lifetime_aggregate();

/// Ends of lives are rounded up to this part of a life, so that few are to be counted, each with
/// many groups.
inline constexpr Window kLifeGrains = 64;

/// `time` and `length` more, rounded up.
[[nodiscard]] Window end_of_life(Window time, Window length);

}  // namespace millrace::sql
