// A SideTable for DISTINCT over one argument of a plain type, which is most of them.
#pragma once

#include <array>
#include <vector>

#include "sql/internal/state/side_table.h"

namespace millrace::sql {

/// A hash set with open addressing. A key lies whole in its slot (but for long texts), and a slot
/// in one line of the cache: a look-up misses the cache once, where DuckDB's table misses twice,
/// and it takes less memory. bench/main_job.py has two count(DISTINCT).
class DistinctSet final : public SideTable {
 public:
  DistinctSet(duckdb::ClientContext& context, const duckdb::LogicalType& type);
  /// Types whose values are equal if and only if their bytes are (floats once normalised).
  [[nodiscard]] static bool can_hold(const duckdb::LogicalType& type);

  void begin(std::uint64_t epoch) override;
  duckdb::idx_t add(const SideKeys& keys, duckdb::SelectionVector& fresh) override;
  void restore(const SideKeys& keys, const std::int64_t* times, std::int64_t* more) override;
  void visit(bool all, const std::function<void(const SideRows&)>& visitor) const override;
  [[nodiscard]] std::int64_t bytes() const override;

 private:
  struct alignas(32) Slot {
    duckdb::hash_t hash;       // the highest bit: the value is NULL
    duckdb::data_ptr_t group;  // nullptr: the slot is empty
    std::array<std::uint64_t, 2> value;
  };

  template <class T>
  duckdb::idx_t add_values(const SideKeys& keys, duckdb::SelectionVector& fresh);
  /// The slot of a key, or the empty one where it belongs.
  template <class T>
  [[nodiscard]] Slot& find(const Slot& key) const;
  /// The text with its bytes in our memory, if they lie outside of the value.
  [[nodiscard]] std::array<std::uint64_t, 2> own_text(const std::array<std::uint64_t, 2>& value);
  void make_room(duckdb::idx_t more);
  void allocate(duckdb::idx_t slots);
  void gather(const Slot* const* slots, duckdb::idx_t count, duckdb::Vector& out) const;

  duckdb::LogicalType type_;
  duckdb::Allocator& allocator_;
  duckdb::ArenaAllocator texts_;
  duckdb::AllocatedData memory_;
  Slot* slots_ = nullptr;
  duckdb::idx_t mask_ = 0;
  duckdb::idx_t count_ = 0;
  std::uint64_t epoch_ = 0;
  std::vector<Slot> fresh_;  // copies of what is new in this epoch
};

}  // namespace millrace::sql
