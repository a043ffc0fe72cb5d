// What an aggregate keeps beside its states: which arguments each group has seen.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "sql/internal/duckdb.h"
#include "sql/internal/state/group_spec.h"

namespace millrace::sql {

/// Keys (group, arguments): for each i < count those of row selected[i]. A group is told by the
/// address of its row in the StateTable, which never changes: shorter to keep and to compare than
/// the group's columns.
struct SideKeys {
  const duckdb::data_ptr_t* groups;  // by row
  duckdb::DataChunk& arguments;      // by row, from column `first` on
  duckdb::idx_t first;
  const duckdb::Vector& hashes;  // of the group columns, by row, flat
  const duckdb::SelectionVector& selected;
  duckdb::idx_t count;
};

/// Up to one vector of keys with how often each was seen.
struct SideRows {
  const duckdb::data_ptr_t* groups;
  const std::int64_t* times;
  duckdb::idx_t count;
  /// Copies argument `i` of all of them.
  std::function<void(duckdb::idx_t i, duckdb::Vector& out)> gather;
};

/// (group, arguments) -> how often: what a DISTINCT aggregate has seen, or all that a multiset
/// aggregate was fed. Used by one thread at a time.
class SideTable {
 public:
  virtual ~SideTable() = default;
  virtual void begin(std::uint64_t epoch) = 0;
  /// Counts the keys; puts the rows of those that are new into `fresh`, and returns how many.
  virtual duckdb::idx_t add(const SideKeys& keys, duckdb::SelectionVector& fresh) = 0;
  /// Sets how often the keys were seen; gives by how much that is more than it was.
  virtual void restore(const SideKeys& keys, const std::int64_t* times, std::int64_t* more) = 0;
  /// Visits all keys, or those whose count changed since begin().
  virtual void visit(bool all, const std::function<void(const SideRows&)>& visitor) const = 0;
  [[nodiscard]] virtual std::int64_t bytes() const = 0;
};

[[nodiscard]] std::unique_ptr<SideTable> make_side_table(duckdb::ClientContext& context,
                                                         const GroupSpec& spec, duckdb::idx_t a);

}  // namespace millrace::sql
