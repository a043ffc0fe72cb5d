#include "sql/internal/state/state_table.h"

#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "sql/internal/state/rows.h"

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

/// Calls take(row, test(value)) for each row of a column; NULL never passes.
template <class T, class Test, class Take>
void test_each(Vector& column, idx_t count, const Test& test, const Take& take) {
  duckdb::UnifiedVectorFormat format;
  column.ToUnifiedFormat(count, format);
  const auto* values = reinterpret_cast<const T*>(format.data);
  if (!format.sel->IsSet() && format.validity.AllValid()) {  // as most are
    for (idx_t i = 0; i < count; ++i) {
      take(i, test(values[i]));
    }
    return;
  }
  for (idx_t i = 0; i < count; ++i) {
    const idx_t at = format.sel->get_index(i);
    take(i, format.validity.RowIsValid(at) && test(values[at]));
  }
}

/// Calls take(row, passes) for each row of a payload.
template <class Take>
void filter_each(const FilterSpec& filter, DataChunk& payload, const Take& take) {
  Vector& column = payload.data[filter.column];
  if (!filter.text) {
    test_each<bool>(column, payload.size(), [](bool flag) { return flag; }, take);
    return;
  }
  // A short text lies in its 16 bytes, padded with zeros.
  using Words = std::array<std::uint64_t, 2>;
  const auto wanted = std::bit_cast<Words>(*filter.text);
  const auto equals = [&](const Words& text) {
    return ((text[0] ^ wanted[0]) | (text[1] ^ wanted[1])) == 0;
  };
  test_each<Words>(column, payload.size(), equals, take);
}

/// The rows of a payload whose FILTER is true; returns how many.
idx_t select_true(const FilterSpec& filter, DataChunk& payload, duckdb::SelectionVector& selected) {
  idx_t n = 0;
  filter_each(filter, payload, [&](idx_t row, bool passes) {
    selected.set_index(n, row);
    n += passes ? 1 : 0;
  });
  return n;
}

bool counts_rows(const AggregateObject& aggregate) {
  return aggregate.function.name == "count_star" && aggregate.payload_size == sizeof(std::int64_t);
}

}  // namespace

StateTable::StateTable(duckdb::ClientContext& context, const GroupSpec& spec, bool local)
    : spec_(spec),
      addresses_(LogicalType::POINTER),
      sources_(LogicalType::POINTER),
      states_(LogicalType::POINTER),
      selected_(STANDARD_VECTOR_SIZE),
      fresh_(STANDARD_VECTOR_SIZE) {
  duckdb::vector<AggregateObject> objects;
  objects.push_back(touch_aggregate());
  for (const AggregateSpec& aggregate : spec.aggregates) {
    objects.emplace_back(aggregate.call);
    objects.back().filter = nullptr;  // feed() filters; DuckDB would keep room for it
  }
  if (spec.mortal && !local) {
    objects.push_back(lifetime_aggregate());
    lifetimes_.emplace();
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
  if (lifetimes_) {
    lifetimes_->set_offset(offsets_.back());
  }
  reader_ = reader_of(context, *table_);
  if (local) {
    return;
  }
  for (idx_t a = 0; a < spec.aggregates.size(); ++a) {
    sides_.push_back(spec.aggregates[a].has_side_table() ? make_side_table(context, spec, a)
                                                         : nullptr);
  }
}

void StateTable::begin(std::uint64_t epoch) {
  touch_.begin(epoch);
  for (const auto& side : sides_) {
    if (side != nullptr) {
      side->begin(epoch);
    }
  }
}

void StateTable::add(DataChunk& groups, Vector& hashes, const Window* windows, DataChunk& payload) {
  const data_ptr_t* rows = find_or_create(groups, hashes, windows);
  for (idx_t a = 0; a < spec_.aggregates.size(); ++a) {
    if (!spec_.aggregates[a].call->IsDistinct()) {
      feed(a, rows, payload);
    }
  }
  for (idx_t a = 0; a < sides_.size(); ++a) {
    if (sides_[a] != nullptr) {
      feed_side(a, rows, hashes, payload);
    }
  }
}

void StateTable::feed(idx_t a, const data_ptr_t* rows, DataChunk& payload) {
  const AggregateSpec& aggregate = spec_.aggregates[a];
  const idx_t count = payload.size();
  if (!aggregate.filter) {
    update(a, rows, payload, aggregate.first_argument, *FlatVector::IncrementalSelectionVector(),
           count);
    return;
  }
  if (counts_rows(object(a))) {  // no need to select anything
    const idx_t at = offset(a);
    filter_each(*aggregate.filter, payload, [&](idx_t row, bool passes) {
      *reinterpret_cast<std::int64_t*>(rows[row] + at) += passes ? 1 : 0;
    });
    return;
  }
  update(a, rows, payload, aggregate.first_argument, selected_,
         select_true(*aggregate.filter, payload, selected_));
}

void StateTable::update(idx_t a, const data_ptr_t* rows, DataChunk& arguments, idx_t first,
                        const duckdb::SelectionVector& selected, idx_t count) {
  if (count == 0) {
    return;
  }
  auto* states = FlatVector::GetData<data_ptr_t>(states_);
  for (idx_t i = 0; i < count; ++i) {
    states[i] = rows[selected.get_index(i)] + offset(a);
  }
  duckdb::RowOperationsState state(*arena_);
  auto& object = layout_->GetAggregates()[a + 1];
  if (!selected.IsSet()) {
    duckdb::RowOperations::UpdateStates(state, object, states_, arguments, first, count);
    return;
  }
  const idx_t columns = spec_.aggregates[a].arguments;
  DataChunk some;
  if (columns > 0) {
    some.InitializeEmpty(spec_.argument_types(a));
  }
  for (idx_t c = 0; c < columns; ++c) {
    some.data[c].Slice(arguments.data[first + c], selected, count);
  }
  some.SetCardinality(count);
  duckdb::RowOperations::UpdateStates(state, object, states_, some, 0, count);
}

void StateTable::feed_side(idx_t a, const data_ptr_t* rows, const Vector& group_hashes,
                           DataChunk& payload) {
  const AggregateSpec& aggregate = spec_.aggregates[a];
  const idx_t first = aggregate.first_argument;
  idx_t count = payload.size();
  const auto* selected = FlatVector::IncrementalSelectionVector();
  if (aggregate.filter) {
    count = select_true(*aggregate.filter, payload, selected_);
    selected = &selected_;
  }
  const idx_t fresh = sides_[a]->add(
      {names_of(rows, payload.size()), payload, first, group_hashes, *selected, count}, fresh_);
  if (aggregate.call->IsDistinct()) {
    update(a, rows, payload, first, fresh_, fresh);
  }
}

data_ptr_t* StateTable::find_or_create(DataChunk& groups, Vector& hashes, const Window* windows) {
  table_->FindOrCreateGroups(groups, hashes, addresses_, fresh_);
  auto* rows = FlatVector::GetData<data_ptr_t>(addresses_);
  if (lifetimes_ && windows != nullptr) {
    extend_lives(rows, groups.size(), windows);
    return rows;
  }
  for (idx_t i = 0; i < groups.size(); ++i) {
    touch_.mark_row(rows[i], windows == nullptr ? kNoWindow : windows[i]);
  }
  return rows;
}

void StateTable::extend_lives(const data_ptr_t* rows, idx_t count, const Window* ends) {
  afresh_.clear();
  for (idx_t i = 0; i < count; ++i) {
    if (lifetimes_->extend(rows[i], ends[i])) {
      afresh_.push_back(rows[i]);
    }
    touch_.mark_row(rows[i]);
  }
  for (idx_t a = 0; a < spec_.aggregates.size() && !afresh_.empty(); ++a) {
    reset(a, afresh_.data(), afresh_.size());
  }
}

void StateTable::reset(idx_t a, const data_ptr_t* rows, idx_t count) {
  const AggregateObject& what = object(a);
  auto* states = FlatVector::GetData<data_ptr_t>(states_);
  for (idx_t i = 0; i < count; ++i) {
    states[i] = rows[i] + offset(a);
  }
  if (what.function.HasStateDestructorCallback()) {
    AggregateInputData input(what.GetFunctionData(), *arena_);
    what.function.GetStateDestructorCallback()(states_, input, count);
  }
  for (idx_t i = 0; i < count; ++i) {
    what.function.GetStateInitCallback()(what.function, states[i]);
  }
}

const data_ptr_t* StateTable::names_of(const data_ptr_t* rows, idx_t count) {
  if (!lifetimes_) {
    return rows;
  }
  names_.resize(count);
  for (idx_t i = 0; i < count; ++i) {
    names_[i] = lifetimes_->life(rows[i]);
  }
  return names_.data();
}

void StateTable::forget_before(Window bound) {
  if (lifetimes_) {
    lifetimes_->forget_before(bound);
  } else {
    touch_.forget_before(bound);
  }
}

data_ptr_t* StateTable::find_or_make(DataChunk& groups, Vector& hashes, const Window* ends,
                                     const duckdb::SelectionVector*& fresh, idx_t& made) {
  made = table_->FindOrCreateGroups(groups, hashes, addresses_, fresh_);
  fresh = &fresh_;
  auto* rows = FlatVector::GetData<data_ptr_t>(addresses_);
  for (idx_t i = 0; i < made; ++i) {
    const idx_t at = fresh_.get_index(i);
    if (lifetimes_) {
      lifetimes_->extend(rows[at], ends[at]);
    }
    touch_.mark_row(rows[at]);
  }
  for (idx_t i = 0; i < groups.size() && lifetimes_; ++i) {
    if (!lifetimes_->is_alive(rows[i])) {
      extend_lives(&rows[i], 1, &ends[i]);
      fresh_.set_index(made++, i);
    }
  }
  return rows;
}

void StateTable::combine_from(StateTable& other, const data_ptr_t* rows, DataChunk& groups,
                              Vector& hashes, const Window* windows) {
  const idx_t count = groups.size();
  data_ptr_t* targets = find_or_create(groups, hashes, windows);
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
  bytes += static_cast<std::int64_t>(arena_->AllocationSize()) + touch_.bytes();
  for (const auto& side : sides_) {
    bytes += side == nullptr ? 0 : side->bytes();
  }
  return bytes;
}

}  // namespace millrace::sql
