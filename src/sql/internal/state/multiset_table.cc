#include "sql/internal/state/multiset_table.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "sql/internal/state/rows.h"

namespace millrace::sql {

using duckdb::data_ptr_t;
using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::Vector;

MultisetTable::MultisetTable(duckdb::ClientContext& context,
                             const duckdb::vector<LogicalType>& arguments, bool distinct)
    : distinct_(distinct),
      types_{LogicalType::UBIGINT},
      rows_(LogicalType::POINTER),
      hashes_(LogicalType::HASH),
      fresh_(STANDARD_VECTOR_SIZE) {
  static_assert(sizeof(data_ptr_t) == sizeof(std::uint64_t));
  types_.insert(types_.end(), arguments.begin(), arguments.end());
  duckdb::vector<duckdb::AggregateObject> hidden;
  hidden.push_back(touch_aggregate());
  hidden.push_back(multiplicity_aggregate());
  table_ = duckdb::make_uniq<duckdb::GroupedAggregateHashTable>(
      context, duckdb::BufferAllocator::Get(context), types_, duckdb::vector<LogicalType>(),
      std::move(hidden));
  const auto& layout = table_->GetLayout();
  group_offset_ = layout.GetOffsets()[0];
  touch_.set_offset(layout.GetOffsets()[layout.ColumnCount()]);
  times_offset_ = layout.GetOffsets()[layout.ColumnCount() + 1];
  reader_ = reader_of(context, *table_);
}

data_ptr_t* MultisetTable::find(const SideKeys& keys, idx_t& fresh) {
  duckdb::DataChunk chunk;
  chunk.InitializeEmpty(types_);
  Vector groups(LogicalType::UBIGINT, duckdb::data_ptr_cast(const_cast<data_ptr_t*>(keys.groups)));
  chunk.data[0].Slice(groups, keys.selected, keys.count);
  for (idx_t c = 1; c < types_.size(); ++c) {
    chunk.data[c].Slice(keys.arguments.data[keys.first + c - 1], keys.selected, keys.count);
  }
  chunk.SetCardinality(keys.count);
  duckdb::VectorOperations::Copy(keys.hashes, hashes_, keys.selected, keys.count, 0, 0);
  for (idx_t c = 1; c < types_.size(); ++c) {
    duckdb::VectorOperations::CombineHash(hashes_, chunk.data[c], keys.count);
  }
  fresh = table_->FindOrCreateGroups(chunk, hashes_, rows_, fresh_);
  return FlatVector::GetData<data_ptr_t>(rows_);
}

idx_t MultisetTable::add(const SideKeys& keys, duckdb::SelectionVector& fresh) {
  idx_t n = 0;
  auto* rows = find(keys, n);
  for (idx_t i = 0; i < n; ++i) {
    const idx_t at = fresh_.get_index(i);
    fresh.set_index(i, keys.selected.get_index(at));
    if (distinct_) {
      touch_.mark_row(rows[at]);
      times_seen(rows[at]) = 1;
    }
  }
  for (idx_t i = 0; i < keys.count && !distinct_; ++i) {
    touch_.mark_row(rows[i]);
    ++times_seen(rows[i]);
  }
  return n;
}

void MultisetTable::restore(const SideKeys& keys, const std::int64_t* times, std::int64_t* more) {
  idx_t fresh = 0;
  auto* rows = find(keys, fresh);
  for (idx_t i = 0; i < keys.count; ++i) {
    more[i] = times[i] - std::exchange(times_seen(rows[i]), times[i]);
    touch_.mark_row(rows[i]);
  }
}

void MultisetTable::visit(bool all, const std::function<void(const SideRows&)>& visitor) const {
  std::vector<data_ptr_t> groups(STANDARD_VECTOR_SIZE);
  std::vector<std::int64_t> times(STANDARD_VECTOR_SIZE);
  touch_.visit(all, [&](const data_ptr_t* rows, const Window* /*windows*/, idx_t count) {
    for (idx_t i = 0; i < count; ++i) {
      groups[i] = duckdb::Load<data_ptr_t>(rows[i] + group_offset_);
      times[i] = times_seen(rows[i]);
    }
    visitor({groups.data(), times.data(), count, [&](idx_t argument, Vector& out) {
               gather_column(*reader_, rows, count, argument + 1, out);
             }});
  });
}

std::int64_t MultisetTable::bytes() const { return bytes_of(*table_); }

}  // namespace millrace::sql
