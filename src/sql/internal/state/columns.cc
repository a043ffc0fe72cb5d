#include "sql/internal/state/columns.h"

#include <cstring>
#include <vector>

#include "sql/internal/state/words.h"

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

/// Reads or writes as words what takes 4, 8 or 16 bytes a value; what a NULL is made of counts for
/// nothing.
template <class Word>
void write_numbers(Vector& column, idx_t rows, idx_t words_a_value, idx_t word,
                   duckdb::WriteStream& out) {
  const auto* values = reinterpret_cast<const Word*>(FlatVector::GetData(column));
  const auto& valid = FlatVector::Validity(column);
  Words words;
  std::int64_t last = 0;
  for (idx_t i = 0; i < rows; ++i) {
    last =
        valid.RowIsValid(i) ? static_cast<std::int64_t>(values[(i * words_a_value) + word]) : last;
    words[i] = last;
  }
  write_words(words.data(), rows, out);
}

template <class Word>
void read_numbers(MemoryStream& in, idx_t rows, idx_t words_a_value, idx_t word, Vector& column) {
  auto* values = reinterpret_cast<Word*>(FlatVector::GetData(column));
  Words words;
  read_words(in, rows, words.data());
  for (idx_t i = 0; i < rows; ++i) {
    values[(i * words_a_value) + word] = static_cast<Word>(words[i]);
  }
}

void write_values(Vector& column, idx_t rows, duckdb::WriteStream& out) {
  const idx_t width = duckdb::GetTypeIdSize(column.GetType().InternalType());
  if (width == sizeof(std::int32_t)) {
    write_numbers<std::int32_t>(column, rows, 1, 0, out);
  } else if (width % sizeof(std::int64_t) == 0) {
    for (idx_t word = 0; word < width / sizeof(std::int64_t); ++word) {
      write_numbers<std::int64_t>(column, rows, width / sizeof(std::int64_t), word, out);
    }
  } else {
    out.WriteData(FlatVector::GetData(column), rows * width);
  }
}

void read_values(MemoryStream& in, idx_t rows, Vector& column) {
  const idx_t width = duckdb::GetTypeIdSize(column.GetType().InternalType());
  if (width == sizeof(std::int32_t)) {
    read_numbers<std::int32_t>(in, rows, 1, 0, column);
  } else if (width % sizeof(std::int64_t) == 0) {
    for (idx_t word = 0; word < width / sizeof(std::int64_t); ++word) {
      read_numbers<std::int64_t>(in, rows, width / sizeof(std::int64_t), word, column);
    }
  } else {
    in.ReadData(FlatVector::GetData(column), rows * width);
  }
}

void write_texts(const Vector& column, idx_t rows, duckdb::WriteStream& out) {
  const auto* texts = FlatVector::GetData<string_t>(column);
  const auto& valid = FlatVector::Validity(column);
  Words lengths;
  for (idx_t i = 0; i < rows; ++i) {
    lengths[i] = valid.RowIsValid(i) ? static_cast<std::int64_t>(texts[i].GetSize()) : 0;
  }
  write_words(lengths.data(), rows, out);
  for (idx_t i = 0; i < rows; ++i) {
    if (lengths[i] > 0) {
      out.WriteData(duckdb::const_data_ptr_cast(texts[i].GetData()), lengths[i]);
    }
  }
}

void read_texts(MemoryStream& in, idx_t rows, Vector& column) {
  Words lengths;
  read_words(in, rows, lengths.data());
  auto* texts = FlatVector::GetData<string_t>(column);
  for (idx_t i = 0; i < rows; ++i) {
    const auto length = static_cast<std::uint64_t>(lengths[i]);
    if (length > in.GetCapacity() - in.GetPosition()) {
      throw duckdb::SerializationException("a text of the state ends too early");
    }
    texts[i] = string_t(duckdb::const_char_ptr_cast(in.GetData() + in.GetPosition()),
                        static_cast<std::uint32_t>(length));
    in.SetPosition(in.GetPosition() + length);
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
    write_values(column, rows, out);
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
    read_values(in, rows, column);
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
