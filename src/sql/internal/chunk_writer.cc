#include "sql/internal/chunk_writer.h"

namespace millrace::sql {

using duckdb::FlatVector;
using duckdb::ListVector;
using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using duckdb::StructVector;
using duckdb::Vector;

static_assert(sizeof(ListEntry) == sizeof(duckdb::list_entry_t), "core/chunk.h mirrors it");
static_assert(sizeof(Interval) == sizeof(duckdb::interval_t), "core/chunk.h mirrors it");

VectorWriter::VectorWriter(const LogicalType& type) {
  const auto add = [this](const LogicalType& part) {
    parts_.push_back(owned_.emplace_back(std::make_unique<VectorWriter>(part)).get());
  };
  switch (type.id()) {
    case LogicalTypeId::STRUCT:
      for (const auto& [name, part] : duckdb::StructType::GetChildTypes(type)) {
        add(part);
      }
      break;
    case LogicalTypeId::LIST:
      is_list_ = true;
      add(duckdb::ListType::GetChildType(type));
      break;
    case LogicalTypeId::MAP:
      is_list_ = true;
      add(duckdb::MapType::KeyType(type));
      add(duckdb::MapType::ValueType(type));
      break;
    default:
      break;
  }
}

void VectorWriter::attach(Vector& vector) {
  vector_ = &vector;
  elements_ = 0;
  has_nulls_ = false;
  if (vector.GetType().id() == LogicalTypeId::MAP) {
    // A list of STRUCTs, which readers don't see.
    auto& fields = StructVector::GetEntries(ListVector::GetEntry(vector));
    owned_[0]->attach(*fields[0]);
    owned_[1]->attach(*fields[1]);
  } else if (is_list_) {
    owned_[0]->attach(ListVector::GetEntry(vector));
  } else if (!owned_.empty()) {
    auto& fields = StructVector::GetEntries(vector);
    for (std::size_t i = 0; i < owned_.size(); ++i) {
      owned_[i]->attach(*fields[i]);
    }
  }
  locate();
}

void VectorWriter::locate() {
  auto& validity = FlatVector::Validity(*vector_);
  validity.EnsureWritable();
  validity_ = validity.GetData();
  data_ =
      vector_->GetType().id() == LogicalTypeId::STRUCT ? nullptr : FlatVector::GetData(*vector_);
  if (is_list_) {
    capacity_ = ListVector::GetListCapacity(*vector_);
  }
  // The fields of a STRUCT have been moved with it; the elements of a list only if it has grown.
  for (const auto& part : owned_) {
    part->locate();
  }
}

void VectorWriter::finish() {
  auto& validity = FlatVector::Validity(*vector_);
  if (!has_nulls_) {
    validity.Reset(validity.Capacity());  // DuckDB is faster where there is no mask
  }
  if (is_list_) {
    ListVector::SetListSize(*vector_, elements_);
  }
  for (const auto& part : owned_) {
    part->finish();
  }
}

char* VectorWriter::allocate(std::size_t bytes) {
  const auto text = duckdb::StringVector::EmptyString(*vector_, bytes);
  return text.GetPointer();  // it has one: it is too long to be inlined
}

void VectorWriter::grow(std::size_t elements) {
  ListVector::Reserve(*vector_, elements);
  locate();
}

DecodingWriter::DecodingWriter(const duckdb::vector<LogicalType>& types,
                               const duckdb::vector<bool>& kept)
    : columns_(types.size()) {
  for (std::size_t c = 0; c < types.size(); ++c) {
    if (kept[c]) {
      columns_[c] = std::make_unique<VectorWriter>(types[c]);
    }
  }
}

void DecodingWriter::attach(duckdb::DataChunk& chunk) {
  chunk_ = &chunk;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (columns_[c] != nullptr) {
      columns_[c]->attach(chunk.data[c]);
    }
  }
}

void DecodingWriter::finish() {
  for (const auto& column : columns_) {
    if (column != nullptr) {
      column->finish();
    }
  }
}

}  // namespace millrace::sql
