#include "sql/internal/state/compaction.h"

#include "sql/internal/state/row_codec.h"

namespace millrace::sql {

namespace {

using duckdb::idx_t;
using duckdb::MemoryStream;

// Fewer are not worth it.
constexpr idx_t kFewGroups = 1024;

bool is_worth_it(const Partition& partition) {
  if (partition.tables.empty() || partition.tables.front()->lifetimes() == nullptr) {
    return false;
  }
  const Lifetimes& lifetimes = *partition.tables.front()->lifetimes();
  return lifetimes.over() >= std::max(kFewGroups, lifetimes.alive());
}

/// What is written is read again at once, into the new table of the same partition.
void move_rows(const StateTable& table, RowCodec& codec) {
  table.visit(/*all=*/true,
              [&](const duckdb::data_ptr_t* rows, const Window* windows, idx_t count) {
                MemoryStream bytes;
                codec.write_rows(table, rows, windows, count, bytes);
                bytes.Rewind();
                codec.read_rows(bytes);
              });
  for (idx_t a = 0; a < table.spec().aggregates.size(); ++a) {
    if (const SideTable* side = table.side(a); side != nullptr) {
      side->visit(/*all=*/true, [&](const SideRows& rows) {
        MemoryStream bytes;
        codec.write_side(table, a, rows, bytes);
        bytes.Rewind();
        codec.read_side(a, bytes);
      });
    }
  }
}

}  // namespace

bool needs_compaction(const GroupState& state) {
  bool found = false;
  for (idx_t p = 0; p < state.spec().partitions && !found; ++p) {
    found = is_worth_it(state.partition(p));
  }
  return found;
}

void compact(GroupState& state) {
  for (idx_t p = 0; p < state.spec().partitions; ++p) {
    if (is_worth_it(state.partition(p))) {
      const auto table = state.take_table(state.partition(p));
      RowCodec codec(state);
      move_rows(*table, codec);
      return;
    }
  }
}

}  // namespace millrace::sql
