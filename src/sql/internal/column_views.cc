#include "sql/internal/column_views.h"

#include "sql/internal/types.h"

namespace millrace::sql {

using duckdb::FlatVector;
using duckdb::ListVector;
using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using duckdb::StructVector;
using duckdb::Vector;

namespace {

duckdb::vector<LogicalType> part_types(const LogicalType& type) {
  duckdb::vector<LogicalType> parts;
  switch (type.id()) {
    case LogicalTypeId::STRUCT:
      // Those of row(1, 2) have no names to write them by.
      if (!duckdb::StructType::IsUnnamed(type)) {
        for (const auto& [name, part] : duckdb::StructType::GetChildTypes(type)) {
          parts.push_back(part);
        }
      }
      return parts;
    case LogicalTypeId::LIST:
      return {duckdb::ListType::GetChildType(type)};
    case LogicalTypeId::MAP:
      return {duckdb::MapType::KeyType(type), duckdb::MapType::ValueType(type)};
    default:
      return parts;
  }
}

// A chunk's own vectors are flat all the way down, but for a list that was a constant: its elements
// are as they were.
void flatten(Vector& vector, duckdb::idx_t rows) {
  if (vector.GetVectorType() != duckdb::VectorType::FLAT_VECTOR) {
    vector.Flatten(rows);
  }
}

}  // namespace

Chunk ColumnViews::of(duckdb::DataChunk& chunk) {
  chunk.Flatten();
  if (views_.size() != chunk.ColumnCount()) {
    prepare(chunk.GetTypes());
  }
  show([&](std::size_t column) -> Vector& { return chunk.data[column]; }, chunk.size());
  return {.rows = chunk.size(), .columns = views_, .native = &chunk};
}

void ColumnViews::prepare(const duckdb::vector<LogicalType>& types) {
  views_.reserve(types.size());
  for (const LogicalType& type : types) {
    ColumnView& view = views_.emplace_back(ColumnView{.physical = physical_of(type)});
    const auto parts = part_types(type);
    if (parts.empty()) {
      continue;
    }
    Nested& nested = nested_.emplace_back(Nested{.column = views_.size() - 1, .parts = {}});
    nested.parts.prepare(parts);
    view.first_part = nested.parts.views_.data();
    view.part_count = nested.parts.views_.size();
  }
}

template <class VectorAt>
void ColumnViews::show(const VectorAt& vector_at, duckdb::idx_t rows) {
  for (std::size_t column = 0; column < views_.size(); ++column) {
    Vector& vector = vector_at(column);
    flatten(vector, rows);
    views_[column].data = FlatVector::GetData(vector);
    views_[column].validity = FlatVector::Validity(vector).GetData();
  }
  for (Nested& nested : nested_) {
    nested.parts.show_parts(vector_at(nested.column), rows);
  }
}

void ColumnViews::show_parts(Vector& whole, duckdb::idx_t rows) {
  const auto show_fields = [this](Vector& structs, duckdb::idx_t count) {
    auto& fields = StructVector::GetEntries(structs);
    show([&](std::size_t field) -> Vector& { return *fields[field]; }, count);
  };
  const LogicalTypeId id = whole.GetType().id();
  if (id == LogicalTypeId::STRUCT) {
    show_fields(whole, rows);
    return;
  }
  Vector& elements = ListVector::GetEntry(whole);
  const duckdb::idx_t count = ListVector::GetListSize(whole);
  flatten(elements, count);
  if (id == LogicalTypeId::MAP) {  // a list of STRUCTs, which readers don't see
    show_fields(elements, count);
  } else {
    show([&](std::size_t /*part*/) -> Vector& { return elements; }, count);
  }
}

}  // namespace millrace::sql
