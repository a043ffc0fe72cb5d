#include "sql/internal/state/row_codec.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "sql/internal/state/columns.h"
#include "sql/internal/state/words.h"

namespace millrace::sql {

namespace {

using duckdb::AggregateInputData;
using duckdb::AggregateObject;
using duckdb::data_ptr_t;
using duckdb::DataChunk;
using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::SelectionVector;
using duckdb::Vector;

/// The first columns of some rows of a chunk, without copying.
void slice_columns(DataChunk& from, const duckdb::vector<LogicalType>& types,
                   const SelectionVector& part, idx_t count, DataChunk& out) {
  out.InitializeEmpty(types);
  for (idx_t c = 0; c < types.size(); ++c) {
    out.data[c].Slice(from.data[c], part, count);
  }
  out.SetCardinality(count);
}

void update_states(StateTable& table, idx_t a, Vector& states, Vector& values, idx_t count) {
  DataChunk argument;
  const auto& limit = table.spec().aggregates[a].limit;
  if (limit) {
    argument.InitializeEmpty({values.GetType(), limit->type()});
    argument.data[1].Reference(*limit);
  } else {
    argument.InitializeEmpty({values.GetType()});
  }
  argument.data[0].Reference(values);
  argument.SetCardinality(count);
  duckdb::RowOperationsState memory(table.aggregate_memory());
  // DuckDB only reads the object, but asks for it without const.
  auto& object = const_cast<AggregateObject&>(table.object(a));
  duckdb::RowOperations::UpdateStates(memory, object, states, argument, 0, count);
}

// Bytes of a raw state beyond its last whole word.
constexpr idx_t kWord = sizeof(std::int64_t);

void write_raw(const data_ptr_t* rows, idx_t count, idx_t offset, idx_t size, WordsWriter& words,
               duckdb::WriteStream& out) {
  idx_t at = 0;
  for (; at + kWord <= size; at += kWord) {
    auto* column = words.next().data();
    for (idx_t i = 0; i < count; ++i) {
      std::memcpy(&column[i], rows[i] + offset + at, kWord);
    }
    words.write(out);
  }
  for (idx_t i = 0; i < count && at < size; ++i) {
    out.WriteData(rows[i] + offset + at, size - at);
  }
}

/// Gives the states one after the other.
void read_raw(duckdb::MemoryStream& in, idx_t count, idx_t size, WordsReader& words, char* states) {
  idx_t at = 0;
  for (; at + kWord <= size; at += kWord) {
    const auto& column = words.read(in);
    for (idx_t i = 0; i < count; ++i) {
      std::memcpy(states + (i * size) + at, &column[i], kWord);
    }
  }
  for (idx_t i = 0; i < count && at < size; ++i) {
    in.ReadData(duckdb::data_ptr_cast(states + (i * size) + at), size - at);
  }
}

/// Feeds each list's elements, in their order, to the state of its row.
void refeed_lists(StateTable& table, idx_t a, Vector& lists, const SelectionVector& part,
                  const data_ptr_t* states, idx_t loaded, idx_t count) {
  duckdb::UnifiedVectorFormat format;
  lists.ToUnifiedFormat(loaded, format);
  const auto* entries = duckdb::UnifiedVectorFormat::GetData<duckdb::list_entry_t>(format);
  Vector& elements = duckdb::ListVector::GetEntry(lists);
  SelectionVector selected(STANDARD_VECTOR_SIZE);
  Vector targets(LogicalType::POINTER);
  auto* target = FlatVector::GetData<data_ptr_t>(targets);
  idx_t n = 0;
  const auto feed = [&] {
    Vector values(elements, selected, n);
    update_states(table, a, targets, values, n);
    n = 0;
  };
  for (idx_t i = 0; i < count; ++i) {
    const idx_t at = format.sel->get_index(part.get_index(i));
    if (!format.validity.RowIsValid(at)) {
      continue;
    }
    for (idx_t e = 0; e < entries[at].length; ++e) {
      selected.set_index(n, entries[at].offset + e);
      target[n++] = states[i];
      if (n == STANDARD_VECTOR_SIZE) {
        feed();
      }
    }
  }
  if (n > 0) {
    feed();
  }
}

}  // namespace

RowCodec::RowCodec(GroupState& state)
    : state_(state),
      spec_(state.spec()),
      types_(spec_.group_types),
      router_(state, /*preaggregate=*/false) {
  for (const AggregateSpec& aggregate : spec_.aggregates) {
    if (aggregate.is_refed()) {
      types_.push_back(aggregate.call->return_type);
    }
  }
  if (spec_.mortal) {
    types_.push_back(LogicalType::BIGINT);
  }
}

const Window* RowCodec::windows_of_loaded(DataChunk& chunk) {
  if (!spec_.windowed && !spec_.mortal) {
    return nullptr;
  }
  read_windows(spec_.windowed ? chunk.data[spec_.window_column] : chunk.data.back(), chunk.size(),
               windows_);
  return windows_.data();
}

std::string RowCodec::read_states(duckdb::MemoryStream& in, idx_t count) const {
  std::string raw;
  WordsReader words(count);
  for (const AggregateSpec& aggregate : spec_.aggregates) {
    if (aggregate.kind == StateKind::raw) {
      const auto& function = aggregate.call->function;
      const idx_t size = function.GetStateSizeCallback()(function);
      const auto begin = raw.size();
      raw.resize(begin + (size * count));
      read_raw(in, count, size, words, raw.data() + begin);
    }
  }
  return raw;
}

void RowCodec::write_rows(const StateTable& table, const data_ptr_t* rows, const Window* windows,
                          idx_t count, duckdb::WriteStream& out) const {
  DataChunk chunk;
  chunk.Initialize(duckdb::Allocator::DefaultAllocator(), types_);
  duckdb::ArenaAllocator memory(duckdb::Allocator::DefaultAllocator());
  for (idx_t g = 0; g < spec_.group_types.size(); ++g) {
    table.gather_group(g, rows, count, chunk.data[g]);
  }
  idx_t column = spec_.group_types.size();
  for (idx_t a = 0; a < spec_.aggregates.size(); ++a) {
    if (spec_.aggregates[a].is_refed()) {
      table.finalize_one(a, rows, count, memory, chunk.data[column++]);
    }
  }
  if (spec_.mortal) {
    std::copy_n(windows, count, FlatVector::GetData<Window>(chunk.data.back()));
  }
  chunk.SetCardinality(count);
  write_columns(chunk, out);
  WordsWriter words(count);
  for (idx_t a = 0; a < spec_.aggregates.size(); ++a) {
    if (spec_.aggregates[a].kind == StateKind::raw) {
      const auto& function = table.object(a).function;
      write_raw(rows, count, table.offset(a), function.GetStateSizeCallback()(function), words,
                out);
    }
  }
}

void RowCodec::read_rows(duckdb::MemoryStream& in) {
  Loaded loaded;
  read_columns(in, types_, loaded.chunk);
  loaded.raw = read_states(in, loaded.chunk.size());
  loaded.windows = windows_of_loaded(loaded.chunk);
  route_loaded(loaded.chunk, loaded.windows, [&](StateTable& table, Part part, idx_t count) {
    restore_rows(table, loaded, part, count);
  });
}

void RowCodec::route_loaded(DataChunk& chunk, const Window* windows,
                            const std::function<void(StateTable&, Part, idx_t)>& feed) {
  if (chunk.size() == 0) {
    return;
  }
  DataChunk groups;
  slice_columns(chunk, spec_.group_types, *FlatVector::IncrementalSelectionVector(), chunk.size(),
                groups);
  Vector hashes(LogicalType::HASH);
  groups.Hash(hashes);
  router_.route(chunk.size(), hashes, spec_.windowed ? windows : nullptr,
                [&](StateTable& table, const SelectionVector* part, idx_t count) {
                  feed(table, part != nullptr ? *part : *FlatVector::IncrementalSelectionVector(),
                       count);
                });
}

void RowCodec::restore_rows(StateTable& table, Loaded& loaded, Part part, idx_t count) const {
  DataChunk groups;
  slice_columns(loaded.chunk, spec_.group_types, part, count, groups);
  Vector hashes(LogicalType::HASH);
  groups.Hash(hashes);
  std::array<Window, STANDARD_VECTOR_SIZE> windows;
  const data_ptr_t* found =
      table.find_or_create(groups, hashes, windows_of(loaded.windows, &part, count, windows));
  const std::vector<data_ptr_t> rows(found, found + count);
  const char* raw = loaded.raw.data();
  idx_t column = spec_.group_types.size();
  Vector states(LogicalType::POINTER);
  auto* pointers = FlatVector::GetData<data_ptr_t>(states);
  for (idx_t a = 0; a < spec_.aggregates.size(); ++a) {
    const AggregateObject& object = table.object(a);
    if (spec_.aggregates[a].kind == StateKind::raw) {
      const idx_t size = object.function.GetStateSizeCallback()(object.function);
      for (idx_t i = 0; i < count; ++i) {
        std::memcpy(rows[i] + table.offset(a), raw + (part.get_index(i) * size), size);
      }
      raw += size * loaded.chunk.size();
      continue;
    }
    if (!spec_.aggregates[a].is_refed()) {
      continue;  // comes with its side table
    }
    table.reset(a, rows.data(), count);
    for (idx_t i = 0; i < count; ++i) {
      pointers[i] = rows[i] + table.offset(a);
    }
    Vector& values = loaded.chunk.data[column++];
    if (spec_.aggregates[a].kind == StateKind::refeed_list) {
      refeed_lists(table, a, values, part, pointers, loaded.chunk.size(), count);
    } else {
      Vector some(values, part, count);
      update_states(table, a, states, some, count);
    }
  }
}

duckdb::vector<LogicalType> RowCodec::side_types(idx_t a) const {
  auto types = spec_.group_types;
  const auto arguments = spec_.argument_types(a);
  types.insert(types.end(), arguments.begin(), arguments.end());
  if (!spec_.aggregates[a].call->IsDistinct()) {  // else it is always once
    types.push_back(LogicalType::BIGINT);
  }
  return types;
}

void RowCodec::write_side(const StateTable& table, idx_t a, const SideRows& rows,
                          duckdb::WriteStream& out) const {
  DataChunk chunk;
  chunk.Initialize(duckdb::Allocator::DefaultAllocator(), side_types(a));
  const idx_t group_columns = spec_.group_types.size();
  std::array<data_ptr_t, STANDARD_VECTOR_SIZE> groups;
  std::transform(rows.groups, rows.groups + rows.count, groups.begin(),
                 [&](data_ptr_t name) { return table.row_of(name); });
  for (idx_t g = 0; g < group_columns; ++g) {
    table.gather_group(g, groups.data(), rows.count, chunk.data[g]);
  }
  for (idx_t i = 0; i < spec_.aggregates[a].arguments; ++i) {
    rows.gather(i, chunk.data[group_columns + i]);
  }
  if (!spec_.aggregates[a].call->IsDistinct()) {
    std::copy_n(rows.times, rows.count, FlatVector::GetData<std::int64_t>(chunk.data.back()));
  }
  chunk.SetCardinality(rows.count);
  SelectionVector alive(STANDARD_VECTOR_SIZE);
  idx_t n = 0;
  for (idx_t i = 0; i < rows.count; ++i) {
    alive.set_index(n, i);
    n += table.is_known(rows.groups[i]) ? 1 : 0;
  }
  if (n < rows.count) {
    chunk.Slice(alive, n);
    chunk.Flatten();
  }
  write_columns(chunk, out);
}

void RowCodec::read_side(idx_t a, duckdb::MemoryStream& in) {
  DataChunk chunk;
  read_columns(in, side_types(a), chunk);
  // The rows of mortal groups came before, with the ends of their lives.
  const Window* windows = spec_.windowed ? windows_of_loaded(chunk) : nullptr;
  route_loaded(chunk, windows, [&](StateTable& table, Part part, idx_t count) {
    restore_side(table, a, chunk, windows, part, count);
  });
}

void RowCodec::restore_side(StateTable& table, idx_t a, DataChunk& loaded, const Window* windows,
                            Part part, idx_t count) const {
  auto types = side_types(a);
  std::vector<std::int64_t> times(count, 1);
  if (!spec_.aggregates[a].call->IsDistinct()) {
    types.pop_back();
    const auto* written = FlatVector::GetData<std::int64_t>(loaded.data.back());
    for (idx_t i = 0; i < count; ++i) {
      times[i] = written[part.get_index(i)];
    }
  }
  DataChunk keys;
  slice_columns(loaded, types, part, count, keys);
  const auto& all = *FlatVector::IncrementalSelectionVector();
  DataChunk columns;
  slice_columns(keys, spec_.group_types, all, count, columns);
  Vector hashes(LogicalType::HASH);
  columns.Hash(hashes);
  std::array<Window, STANDARD_VECTOR_SIZE> some;
  const data_ptr_t* found =
      table.find_or_create(columns, hashes, windows_of(windows, &part, count, some));
  const std::vector<data_ptr_t> groups(found, found + count);
  const idx_t first = spec_.group_types.size();
  // How often each value must still be fed: what is written is the total, and part of it may be
  // here already, from the snapshot below.
  std::vector<std::int64_t> missing(count);
  table.side(a)->restore({table.names_of(groups.data(), count), keys, first, hashes, all, count},
                         times.data(), missing.data());
  if (spec_.aggregates[a].kind == StateKind::raw) {
    return;  // the state itself was copied
  }
  SelectionVector again(STANDARD_VECTOR_SIZE);
  for (std::int64_t round = 0; round < *std::ranges::max_element(missing); ++round) {
    idx_t n = 0;
    for (idx_t i = 0; i < count; ++i) {
      if (missing[i] > round) {
        again.set_index(n++, i);
      }
    }
    table.update(a, groups.data(), keys, first, again, n);
  }
}

}  // namespace millrace::sql
