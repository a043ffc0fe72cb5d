#include "sql/internal/state/state_table.h"

#include <cstring>
#include <utility>

namespace millrace::sql {

namespace {

using duckdb::AggregateInputData;
using duckdb::AggregateObject;
using duckdb::data_ptr_t;
using duckdb::DataChunk;
using duckdb::FlatVector;
using duckdb::GroupedAggregateHashTable;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::Vector;

duckdb::unique_ptr<duckdb::TupleDataCollection> reader_of(duckdb::ClientContext& context,
                                                          GroupedAggregateHashTable& table) {
  return duckdb::make_uniq<duckdb::TupleDataCollection>(context, table.GetLayoutPtr(),
                                                        duckdb::MemoryTag::HASH_TABLE);
}

/// Copies column `column` of rows into a vector.
void gather_column(duckdb::TupleDataCollection& reader, const data_ptr_t* rows, idx_t count,
                   idx_t column, Vector& out) {
  const auto& all = *FlatVector::IncrementalSelectionVector();
  Vector pointers(LogicalType::POINTER, duckdb::data_ptr_cast(const_cast<data_ptr_t*>(rows)));
  // Rows hold ARRAYs as LISTs; DuckDB casts them back through a vector of the list type.
  duckdb::unique_ptr<Vector> cast;
  if (duckdb::TypeVisitor::Contains(out.GetType(), duckdb::LogicalTypeId::ARRAY)) {
    cast = duckdb::make_uniq<Vector>(duckdb::ArrayType::ConvertToList(out.GetType()));
  }
  reader.Gather(pointers, all, count, column, out, all, cast.get());
}

std::int64_t bytes_of(const GroupedAggregateHashTable& table) {
  const auto rows = table.GetPartitionedData().SizeInBytes();
  return static_cast<std::int64_t>(rows + (table.Capacity() * sizeof(duckdb::ht_entry_t)));
}

/// The rows of a payload whose FILTER is true; returns how many.
idx_t select_true(Vector& filter, idx_t count, duckdb::SelectionVector& selected) {
  duckdb::UnifiedVectorFormat format;
  filter.ToUnifiedFormat(count, format);
  const auto* flags = duckdb::UnifiedVectorFormat::GetData<bool>(format);
  idx_t n = 0;
  for (idx_t i = 0; i < count; ++i) {
    const idx_t at = format.sel->get_index(i);
    if (format.validity.RowIsValid(at) && flags[at]) {
      selected.set_index(n++, i);
    }
  }
  return n;
}

}  // namespace

SideTable::SideTable(duckdb::ClientContext& context, const GroupSpec& spec,
                     const AggregateSpec& aggregate)
    : types(spec.group_types) {
  for (idx_t i = 0; i < aggregate.arguments; ++i) {
    types.push_back(spec.payload_types[aggregate.first_argument + i]);
  }
  duckdb::vector<AggregateObject> hidden;
  hidden.push_back(touch_aggregate(touch));
  hidden.push_back(multiplicity_aggregate());
  table = duckdb::make_uniq<GroupedAggregateHashTable>(
      context, duckdb::BufferAllocator::Get(context), types, duckdb::vector<LogicalType>(),
      std::move(hidden));
  const auto& layout = table->GetLayout();
  touch.set_offset(layout.GetOffsets()[layout.ColumnCount()]);
  times_offset = layout.GetOffsets()[layout.ColumnCount() + 1];
  reader = reader_of(context, *table);
}

void SideTable::gather(const data_ptr_t* rows, idx_t count, DataChunk& out) const {
  for (idx_t c = 0; c < types.size(); ++c) {
    gather_column(*reader, rows, count, c, out.data[c]);
  }
}

std::int64_t SideTable::bytes() const { return bytes_of(*table); }

StateTable::StateTable(duckdb::ClientContext& context, const GroupSpec& spec, bool with_side_tables)
    : spec_(spec),
      addresses_(LogicalType::POINTER),
      sources_(LogicalType::POINTER),
      new_groups_(STANDARD_VECTOR_SIZE) {
  duckdb::vector<AggregateObject> objects;
  objects.push_back(touch_aggregate(touch_));
  fed_by_table_.push_back(0);
  for (const AggregateSpec& aggregate : spec.aggregates) {
    if (!aggregate.call->IsDistinct()) {
      fed_by_table_.push_back(objects.size());
    }
    objects.emplace_back(aggregate.call);
  }
  table_ = duckdb::make_uniq<GroupedAggregateHashTable>(
      context, duckdb::BufferAllocator::Get(context), spec.group_types, spec.payload_types,
      std::move(objects));
  layout_ = table_->GetLayoutPtr();
  arena_ = table_->GetAggregateAllocator();
  for (idx_t i = 0; i < layout_->AggregateCount(); ++i) {
    offsets_.push_back(layout_->GetOffsets()[layout_->ColumnCount() + i]);
  }
  touch_.set_offset(offsets_[0]);
  reader_ = reader_of(context, *table_);
  if (!with_side_tables) {
    return;
  }
  for (const AggregateSpec& aggregate : spec.aggregates) {
    sides_.push_back(aggregate.has_side_table()
                         ? std::make_unique<SideTable>(context, spec, aggregate)
                         : nullptr);
  }
}

void StateTable::begin(std::uint64_t epoch) {
  touch_.begin(epoch);
  for (const auto& side : sides_) {
    if (side != nullptr) {
      side->touch.begin(epoch);
    }
  }
}

void StateTable::add(DataChunk& groups, Vector& hashes, DataChunk& payload) {
  table_->AddChunk(groups, hashes, payload, fed_by_table_);
  for (idx_t a = 0; a < sides_.size(); ++a) {
    if (sides_[a] != nullptr) {
      add_side(a, groups, hashes, payload);
    }
  }
}

void StateTable::add_side(idx_t a, DataChunk& groups, const Vector& group_hashes,
                          DataChunk& payload) {
  const AggregateSpec& aggregate = spec_.aggregates[a];
  SideTable& side = *sides_[a];
  DataChunk keys;
  keys.InitializeEmpty(side.types);
  const idx_t group_columns = groups.ColumnCount();
  for (idx_t c = 0; c < group_columns; ++c) {
    keys.data[c].Reference(groups.data[c]);
  }
  for (idx_t c = 0; c < aggregate.arguments; ++c) {
    keys.data[group_columns + c].Reference(payload.data[aggregate.first_argument + c]);
  }
  keys.SetCardinality(groups.size());
  // The hash of (group, arguments) goes on from the group's, which is known.
  Vector hashes(LogicalType::HASH);
  duckdb::VectorOperations::Copy(group_hashes, hashes, groups.size(), 0, 0);
  for (idx_t c = 0; c < aggregate.arguments; ++c) {
    duckdb::VectorOperations::CombineHash(hashes, keys.data[group_columns + c], groups.size());
  }
  if (aggregate.filter) {
    duckdb::SelectionVector selected(groups.size());
    const idx_t n = select_true(payload.data[*aggregate.filter], groups.size(), selected);
    if (n == 0) {
      return;
    }
    keys.Slice(selected, n);
    hashes.Slice(selected, n);
    hashes.Flatten(n);
  }
  Vector rows(LogicalType::POINTER);
  const idx_t first_sights = side.table->FindOrCreateGroups(keys, hashes, rows, new_groups_);
  auto* pointers = FlatVector::GetData<data_ptr_t>(rows);
  if (!aggregate.call->IsDistinct()) {
    for (idx_t i = 0; i < keys.size(); ++i) {
      side.touch.mark_row(pointers[i]);
      ++side.times_seen(pointers[i]);
    }
    return;
  }
  // DISTINCT asks only whether a value was seen: what was seen before is neither touched nor
  // logged.
  for (idx_t i = 0; i < first_sights; ++i) {
    auto* row = pointers[new_groups_.get_index(i)];
    side.touch.mark_row(row);
    side.times_seen(row) = 1;
  }
  if (first_sights > 0) {
    DataChunk fresh;
    fresh.InitializeEmpty(side.types);
    fresh.Slice(keys, new_groups_, first_sights);
    update_from_keys(a, fresh);
  }
}

data_ptr_t* StateTable::find_or_create(DataChunk& groups, Vector& hashes) {
  table_->FindOrCreateGroups(groups, hashes, addresses_, new_groups_);
  auto* rows = FlatVector::GetData<data_ptr_t>(addresses_);
  for (idx_t i = 0; i < groups.size(); ++i) {
    touch_.mark_row(rows[i]);
  }
  return rows;
}

void StateTable::update_from_keys(idx_t a, DataChunk& keys) {
  const AggregateSpec& aggregate = spec_.aggregates[a];
  const idx_t group_columns = spec_.group_types.size();
  DataChunk groups;
  groups.InitializeEmpty(spec_.group_types);
  for (idx_t c = 0; c < group_columns; ++c) {
    groups.data[c].Reference(keys.data[c]);
  }
  groups.SetCardinality(keys.size());
  DataChunk arguments;
  if (aggregate.arguments > 0) {
    duckdb::vector<LogicalType> types;
    for (idx_t c = 0; c < aggregate.arguments; ++c) {
      types.push_back(keys.data[group_columns + c].GetType());
    }
    arguments.InitializeEmpty(types);
    for (idx_t c = 0; c < aggregate.arguments; ++c) {
      arguments.data[c].Reference(keys.data[group_columns + c]);
    }
  }
  arguments.SetCardinality(keys.size());
  Vector hashes(LogicalType::HASH);
  groups.Hash(hashes);
  data_ptr_t* rows = find_or_create(groups, hashes);
  for (idx_t i = 0; i < keys.size(); ++i) {
    rows[i] += offset(a);
  }
  duckdb::RowOperationsState state(*arena_);
  duckdb::RowOperations::UpdateStates(state, layout_->GetAggregates()[a + 1], addresses_, arguments,
                                      0, keys.size());
}

void StateTable::combine_from(StateTable& other, const data_ptr_t* rows, DataChunk& groups,
                              Vector& hashes) {
  const idx_t count = groups.size();
  data_ptr_t* targets = find_or_create(groups, hashes);
  auto* sources = FlatVector::GetData<data_ptr_t>(sources_);
  idx_t at = 0;
  for (idx_t a = 0; a < spec_.aggregates.size(); ++a) {
    for (idx_t i = 0; i < count; ++i) {
      sources[i] = rows[i] + other.offset(a);
      targets[i] += offset(a) - at;
    }
    at = offset(a);
    const AggregateObject& what = object(a);
    // PRESERVE_INPUT: the target must not take over memory of the other table, which dies soon.
    AggregateInputData input(what.GetFunctionData(), *arena_,
                             duckdb::AggregateCombineType::PRESERVE_INPUT);
    what.function.GetStateCombineCallback()(sources_, addresses_, input, count);
  }
}

void StateTable::finalize_one(idx_t a, const data_ptr_t* rows, idx_t count,
                              duckdb::ArenaAllocator& allocator, Vector& out) const {
  Vector states(LogicalType::POINTER);
  auto* pointers = FlatVector::GetData<data_ptr_t>(states);
  for (idx_t i = 0; i < count; ++i) {
    pointers[i] = rows[i] + offset(a);
  }
  const AggregateObject& what = object(a);
  AggregateInputData input(what.GetFunctionData(), allocator);
  if (!spec_.aggregates[a].finalize_copy) {
    what.function.GetStateFinalizeCallback()(states, input, out, count, 0);
    return;
  }
  auto* copies = allocator.AllocateAligned(what.payload_size * count);
  Vector copied(LogicalType::POINTER);
  auto* copy_pointers = FlatVector::GetData<data_ptr_t>(copied);
  for (idx_t i = 0; i < count; ++i) {
    copy_pointers[i] = copies + (i * what.payload_size);
    what.function.GetStateInitCallback()(what.function, copy_pointers[i]);
  }
  what.function.GetStateCombineCallback()(states, copied, input, count);
  what.function.GetStateFinalizeCallback()(copied, input, out, count, 0);
  if (what.function.HasStateDestructorCallback()) {
    what.function.GetStateDestructorCallback()(copied, input, count);
  }
}

void StateTable::finalize(const data_ptr_t* rows, idx_t count, duckdb::ArenaAllocator& allocator,
                          DataChunk& out, idx_t column) const {
  for (idx_t a = 0; a < spec_.aggregates.size(); ++a) {
    finalize_one(a, rows, count, allocator, out.data[column + a]);
  }
}

void StateTable::gather_group(idx_t g, const data_ptr_t* rows, idx_t count, Vector& out) const {
  gather_column(*reader_, rows, count, g, out);
}

void StateTable::gather_hashes(const data_ptr_t* rows, idx_t count, Vector& out) const {
  gather_column(*reader_, rows, count, spec_.group_types.size(), out);  // kept after the groups
}

std::int64_t StateTable::bytes() const {
  std::int64_t bytes = bytes_of(*table_);
  bytes += static_cast<std::int64_t>(arena_->AllocationSize());
  for (const auto& side : sides_) {
    bytes += side == nullptr ? 0 : side->bytes();
  }
  return bytes;
}

}  // namespace millrace::sql
