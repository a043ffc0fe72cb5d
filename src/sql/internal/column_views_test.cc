#include "sql/internal/column_views.h"

#include <gtest/gtest.h>

namespace millrace::sql {
namespace {

using duckdb::ConstantVector;
using duckdb::ListVector;
using duckdb::LogicalType;
using duckdb::Value;
using duckdb::Vector;
using duckdb::VectorType;

/// Makes a list vector a constant of three elements, and gives the vector of these.
Vector& constant_list(Vector& list) {
  list.SetVectorType(VectorType::CONSTANT_VECTOR);
  ConstantVector::GetData<duckdb::list_entry_t>(list)[0] = {0, 3};
  ListVector::SetListSize(list, 3);
  return ListVector::GetEntry(list);
}

// DuckDB's Flatten() repeats the list, and leaves its elements as they are.
TEST(ColumnViewsTest, TheElementsOfAConstantListAreFlatToo) {
  const auto structs = LogicalType::STRUCT({{"a", LogicalType::INTEGER}});
  duckdb::DataChunk chunk;
  chunk.Initialize(duckdb::Allocator::DefaultAllocator(),
                   {LogicalType::LIST(LogicalType::INTEGER), LogicalType::LIST(structs),
                    LogicalType::MAP(LogicalType::INTEGER, LogicalType::VARCHAR)});
  chunk.SetCardinality(2);
  constant_list(chunk.data[0]).Reference(Value::INTEGER(7));
  constant_list(chunk.data[1]).Reference(Value::STRUCT({{"a", Value::INTEGER(8)}}));
  Vector& entries = constant_list(chunk.data[2]);
  entries.Reference(Value::STRUCT({{"key", Value::INTEGER(9)}, {"value", Value("x")}}));
  ColumnViews views;
  const Chunk shown = views.of(chunk);
  for (const ColumnView& column : shown.columns) {
    for (std::size_t row = 0; row < shown.rows; ++row) {
      EXPECT_EQ(column.values<ListEntry>()[row].offset, 0);
      EXPECT_EQ(column.values<ListEntry>()[row].length, 3);
    }
  }
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(shown.columns[0].parts()[0].values<std::int32_t>()[i], 7);
    EXPECT_EQ(shown.columns[1].parts()[0].parts()[0].values<std::int32_t>()[i], 8);
    EXPECT_EQ(shown.columns[2].parts()[0].values<std::int32_t>()[i], 9);
    EXPECT_EQ(shown.columns[2].parts()[1].string(i), "x");
  }
}

// The views of parts are where they were, and show the next chunk.
TEST(ColumnViewsTest, AreUsedAgainForTheNextChunk) {
  const auto list = LogicalType::LIST(LogicalType::INTEGER);
  ColumnViews views;
  const ColumnView* before = nullptr;
  for (const std::int32_t value : {1, 2}) {
    duckdb::DataChunk chunk;
    chunk.Initialize(duckdb::Allocator::DefaultAllocator(), {list});
    chunk.SetCardinality(1);
    chunk.SetValue(0, 0, Value::LIST({Value::INTEGER(value), Value(LogicalType::INTEGER)}));
    const Chunk shown = views.of(chunk);
    ASSERT_EQ(shown.columns[0].parts().size(), 1);
    const ColumnView& elements = shown.columns[0].parts()[0];
    EXPECT_EQ(elements.values<std::int32_t>()[0], value);
    EXPECT_FALSE(elements.is_null(0));
    EXPECT_TRUE(elements.is_null(1));
    EXPECT_TRUE(before == nullptr || before == &elements);
    before = &elements;
  }
}

}  // namespace
}  // namespace millrace::sql
