#include "sql/internal/state/rows.h"

namespace millrace::sql {

using duckdb::data_ptr_t;
using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::Vector;

duckdb::unique_ptr<duckdb::TupleDataCollection> reader_of(
    duckdb::ClientContext& context, duckdb::GroupedAggregateHashTable& table) {
  return duckdb::make_uniq<duckdb::TupleDataCollection>(context, table.GetLayoutPtr(),
                                                        duckdb::MemoryTag::HASH_TABLE);
}

void gather_column(duckdb::TupleDataCollection& reader, const data_ptr_t* rows, idx_t count,
                   idx_t column, Vector& out) {
  const auto& all = *FlatVector::IncrementalSelectionVector();
  Vector pointers(duckdb::LogicalType::POINTER,
                  duckdb::data_ptr_cast(const_cast<data_ptr_t*>(rows)));
  // Rows hold ARRAYs as LISTs; DuckDB casts them back through a vector of the list type.
  duckdb::unique_ptr<Vector> cast;
  if (duckdb::TypeVisitor::Contains(out.GetType(), duckdb::LogicalTypeId::ARRAY)) {
    cast = duckdb::make_uniq<Vector>(duckdb::ArrayType::ConvertToList(out.GetType()));
  }
  reader.Gather(pointers, all, count, column, out, all, cast.get());
}

std::int64_t bytes_of(const duckdb::GroupedAggregateHashTable& table) {
  const auto rows = table.GetPartitionedData().SizeInBytes();
  return static_cast<std::int64_t>(rows + (table.Capacity() * sizeof(duckdb::ht_entry_t)));
}

}  // namespace millrace::sql
