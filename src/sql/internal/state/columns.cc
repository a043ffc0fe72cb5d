#include "sql/internal/state/columns.h"

#include <cstring>
#include <vector>

namespace millrace::sql {

namespace {

using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::MemoryStream;
using duckdb::string_t;
using duckdb::Vector;

// What a column's bytes begin with.
enum class Nulls : std::uint8_t { none = 0, some = 1 };

bool is_text(const LogicalType& type) {
  return type.InternalType() == duckdb::PhysicalType::VARCHAR;
}

/// Written by ourselves: texts, and values of a fixed size.
bool is_plain(const LogicalType& type) {
  return is_text(type) || duckdb::TypeIsConstantSize(type.InternalType());
}

idx_t mask_bytes(idx_t rows) { return (rows + 7) / 8; }

void write_nested(Vector& column, idx_t rows, duckdb::WriteStream& out) {
  duckdb::BinarySerializer serializer(out);
  serializer.Begin();
  column.Serialize(serializer, rows);
  serializer.End();
}

void write_texts(const Vector& column, idx_t rows, duckdb::WriteStream& out) {
  const auto* texts = FlatVector::GetData<string_t>(column);
  const auto& valid = FlatVector::Validity(column);
  std::vector<std::uint32_t> lengths(rows);
  for (idx_t i = 0; i < rows; ++i) {
    lengths[i] = valid.RowIsValid(i) ? static_cast<std::uint32_t>(texts[i].GetSize()) : 0;
  }
  out.WriteData(duckdb::const_data_ptr_cast(lengths.data()), rows * sizeof(std::uint32_t));
  for (idx_t i = 0; i < rows; ++i) {
    if (lengths[i] > 0) {
      out.WriteData(duckdb::const_data_ptr_cast(texts[i].GetData()), lengths[i]);
    }
  }
}

void read_texts(MemoryStream& in, idx_t rows, Vector& column) {
  std::vector<std::uint32_t> lengths(rows);
  in.ReadData(duckdb::data_ptr_cast(lengths.data()), rows * sizeof(std::uint32_t));
  auto* texts = FlatVector::GetData<string_t>(column);
  for (idx_t i = 0; i < rows; ++i) {
    if (lengths[i] > in.GetCapacity() - in.GetPosition()) {
      throw duckdb::SerializationException("a text of the state ends too early");
    }
    texts[i] = string_t(duckdb::const_char_ptr_cast(in.GetData() + in.GetPosition()), lengths[i]);
    in.SetPosition(in.GetPosition() + lengths[i]);
  }
}

void write_column(Vector& column, idx_t rows, duckdb::WriteStream& out) {
  column.Flatten(rows);
  auto& valid = FlatVector::Validity(column);
  const bool nulls = !valid.CheckAllValid(rows);
  out.Write(nulls ? Nulls::some : Nulls::none);
  if (nulls) {
    out.WriteData(duckdb::const_data_ptr_cast(valid.GetData()), mask_bytes(rows));
  }
  if (is_text(column.GetType())) {
    write_texts(column, rows, out);
  } else {
    const idx_t width = duckdb::GetTypeIdSize(column.GetType().InternalType());
    out.WriteData(FlatVector::GetData(column), rows * width);
  }
}

void read_column(MemoryStream& in, idx_t rows, Vector& column) {
  if (in.Read<Nulls>() != Nulls::none) {
    auto& valid = FlatVector::Validity(column);
    valid.Initialize(STANDARD_VECTOR_SIZE);
    in.ReadData(duckdb::data_ptr_cast(valid.GetData()), mask_bytes(rows));
  }
  if (is_text(column.GetType())) {
    read_texts(in, rows, column);
  } else {
    const idx_t width = duckdb::GetTypeIdSize(column.GetType().InternalType());
    in.ReadData(FlatVector::GetData(column), rows * width);
  }
}

}  // namespace

void write_columns(duckdb::DataChunk& chunk, duckdb::WriteStream& out) {
  out.Write(static_cast<std::uint32_t>(chunk.size()));
  for (Vector& column : chunk.data) {
    if (is_plain(column.GetType())) {
      write_column(column, chunk.size(), out);
    } else {
      write_nested(column, chunk.size(), out);
    }
  }
}

void read_columns(MemoryStream& in, const duckdb::vector<LogicalType>& types,
                  duckdb::DataChunk& chunk) {
  const idx_t rows = in.Read<std::uint32_t>();
  if (rows > STANDARD_VECTOR_SIZE) {
    throw duckdb::SerializationException("a piece of the state has too many rows");
  }
  chunk.Initialize(duckdb::Allocator::DefaultAllocator(), types);
  for (Vector& column : chunk.data) {
    if (is_plain(column.GetType())) {
      read_column(in, rows, column);
    } else {
      duckdb::BinaryDeserializer deserializer(in);
      deserializer.Begin();
      column.Deserialize(deserializer, rows);
      deserializer.End();
    }
  }
  chunk.SetCardinality(rows);
}

}  // namespace millrace::sql
