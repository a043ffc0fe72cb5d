#include "sql/internal/row_bytes.h"

#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace::sql {

namespace {

using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::ListVector;
using duckdb::PhysicalType;
using duckdb::StructVector;
using duckdb::Vector;

template <class T>
void append(T value, std::string& to) {
  to.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <class T>
T take(const char*& at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  at += sizeof(value);
  return value;
}

void append_text(duckdb::string_t text, std::string& to) {
  append(static_cast<std::uint32_t>(text.GetSize()), to);
  to.append(text.GetData(), text.GetSize());
}

const char* read_list(const char* at, Vector& to, idx_t row) {
  const auto length = take<std::uint64_t>(at);
  const idx_t offset = ListVector::GetListSize(to);
  ListVector::Reserve(to, offset + length);
  ListVector::SetListSize(to, offset + length);
  FlatVector::GetData<duckdb::list_entry_t>(to)[row] = {offset, length};
  Vector& elements = ListVector::GetEntry(to);
  for (idx_t i = 0; i < length; ++i) {
    at = read_value(at, elements, offset + i);
  }
  return at;
}

const char* read_array(const char* at, Vector& to, idx_t row) {
  const idx_t size = duckdb::ArrayType::GetSize(to.GetType());
  Vector& elements = duckdb::ArrayVector::GetEntry(to);
  for (idx_t i = 0; i < size; ++i) {
    at = read_value(at, elements, row * size + i);
  }
  return at;
}

void append_list(Vector& from, idx_t row, std::string& to) {
  const auto entry = FlatVector::GetData<duckdb::list_entry_t>(from)[row];
  append(std::uint64_t{entry.length}, to);
  Vector& elements = ListVector::GetEntry(from);
  for (idx_t i = 0; i < entry.length; ++i) {
    append_value(elements, entry.offset + i, to);
  }
}

}  // namespace

void append_value(Vector& from, idx_t row, std::string& to) {
  const bool is_null = FlatVector::IsNull(from, row);
  to += is_null ? '\0' : '\1';
  if (is_null) {
    return;
  }
  switch (from.GetType().InternalType()) {
    case PhysicalType::VARCHAR:
      append_text(FlatVector::GetData<duckdb::string_t>(from)[row], to);
      return;
    case PhysicalType::STRUCT:
      for (auto& field : StructVector::GetEntries(from)) {
        append_value(*field, row, to);
      }
      return;
    case PhysicalType::LIST:
      append_list(from, row, to);
      return;
    case PhysicalType::ARRAY: {
      const idx_t size = duckdb::ArrayType::GetSize(from.GetType());
      for (idx_t i = 0; i < size; ++i) {
        append_value(duckdb::ArrayVector::GetEntry(from), row * size + i, to);
      }
      return;
    }
    default: {
      const idx_t size = duckdb::GetTypeIdSize(from.GetType().InternalType());
      to.append(reinterpret_cast<const char*>(FlatVector::GetData(from)) + row * size, size);
    }
  }
}

bool has_value(Vector& in, idx_t row, const char*& at) {
  const bool is_null = *at == '\0';
  if (is_null != FlatVector::IsNull(in, row)) {
    return false;
  }
  if (is_null) {
    ++at;
    return true;
  }
  const auto type = in.GetType().InternalType();
  if (type == PhysicalType::VARCHAR) {
    const auto& text = FlatVector::GetData<duckdb::string_t>(in)[row];
    const char* letters = at + 1;
    if (take<std::uint32_t>(letters) != text.GetSize() ||
        std::memcmp(letters, text.GetData(), text.GetSize()) != 0) {
      return false;
    }
    at = letters + text.GetSize();
    return true;
  }
  if (duckdb::TypeIsConstantSize(type)) {
    const idx_t size = duckdb::GetTypeIdSize(type);
    if (std::memcmp(at + 1, FlatVector::GetData(in) + row * size, size) != 0) {
      return false;
    }
    at += 1 + size;
    return true;
  }
  std::string bytes;
  append_value(in, row, bytes);
  const char* end = skip_value(at, in.GetType());
  if (std::string_view(at, end) != bytes) {
    return false;
  }
  at = end;
  return true;
}

bool same_value(Vector& a, idx_t row_a, Vector& b, idx_t row_b) {
  const bool is_null = FlatVector::IsNull(a, row_a);
  if (is_null || FlatVector::IsNull(b, row_b)) {
    return is_null == FlatVector::IsNull(b, row_b);
  }
  const auto type = a.GetType().InternalType();
  if (type == PhysicalType::VARCHAR) {
    const auto& text_a = FlatVector::GetData<duckdb::string_t>(a)[row_a];
    const auto& text_b = FlatVector::GetData<duckdb::string_t>(b)[row_b];
    return text_a.GetSize() == text_b.GetSize() &&
           std::memcmp(text_a.GetData(), text_b.GetData(), text_a.GetSize()) == 0;
  }
  if (duckdb::TypeIsConstantSize(type)) {
    const idx_t size = duckdb::GetTypeIdSize(type);
    return std::memcmp(FlatVector::GetData(a) + row_a * size, FlatVector::GetData(b) + row_b * size,
                       size) == 0;
  }
  std::string bytes_a;
  std::string bytes_b;
  append_value(a, row_a, bytes_a);
  append_value(b, row_b, bytes_b);
  return bytes_a == bytes_b;
}

const char* read_value(const char* at, Vector& to, idx_t row) {
  if (take<char>(at) == '\0') {
    FlatVector::SetNull(to, row, true);
    return at;
  }
  switch (to.GetType().InternalType()) {
    case PhysicalType::VARCHAR: {
      const auto length = take<std::uint32_t>(at);
      FlatVector::GetData<duckdb::string_t>(to)[row] =
          duckdb::StringVector::AddStringOrBlob(to, at, length);
      return at + length;
    }
    case PhysicalType::STRUCT:
      for (auto& field : StructVector::GetEntries(to)) {
        at = read_value(at, *field, row);
      }
      return at;
    case PhysicalType::LIST:
      return read_list(at, to, row);
    case PhysicalType::ARRAY:
      return read_array(at, to, row);
    default: {
      const idx_t size = duckdb::GetTypeIdSize(to.GetType().InternalType());
      std::memcpy(FlatVector::GetData(to) + row * size, at, size);
      return at + size;
    }
  }
}

const char* skip_value(const char* at, const duckdb::LogicalType& type) {
  if (take<char>(at) == '\0') {
    return at;
  }
  switch (type.InternalType()) {
    case PhysicalType::VARCHAR: {
      const auto length = take<std::uint32_t>(at);
      return at + length;
    }
    case PhysicalType::STRUCT:
      for (const auto& [name, field] : duckdb::StructType::GetChildTypes(type)) {
        at = skip_value(at, field);
      }
      return at;
    case PhysicalType::LIST:
      for (auto left = take<std::uint64_t>(at); left > 0; --left) {
        at = skip_value(at, duckdb::ListType::GetChildType(type));
      }
      return at;
    case PhysicalType::ARRAY:
      for (auto left = duckdb::ArrayType::GetSize(type); left > 0; --left) {
        at = skip_value(at, duckdb::ArrayType::GetChildType(type));
      }
      return at;
    default:
      return at + duckdb::GetTypeIdSize(type.InternalType());
  }
}

bool has_plain_equality(const duckdb::LogicalType& type) {
  using Id = duckdb::LogicalTypeId;
  switch (type.id()) {
    case Id::BOOLEAN:
    case Id::TINYINT:
    case Id::SMALLINT:
    case Id::INTEGER:
    case Id::BIGINT:
    case Id::HUGEINT:
    case Id::UTINYINT:
    case Id::USMALLINT:
    case Id::UINTEGER:
    case Id::UBIGINT:
    case Id::UHUGEINT:
    case Id::DECIMAL:
    case Id::DATE:
    case Id::TIME:
    case Id::TIMESTAMP:
    case Id::TIMESTAMP_SEC:
    case Id::TIMESTAMP_MS:
    case Id::TIMESTAMP_NS:
    case Id::TIMESTAMP_TZ:
    case Id::UUID:
    case Id::BLOB:
      return true;
    case Id::VARCHAR:
      return duckdb::StringType::GetCollation(type).empty();
    default:
      return false;
  }
}

}  // namespace millrace::sql
