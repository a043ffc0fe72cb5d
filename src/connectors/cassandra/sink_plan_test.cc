#include "connectors/cassandra/sink_plan.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "connectors/cassandra/protocol/wire.h"
#include "formats/memory_columns.h"

namespace millrace::cassandra {
namespace {

using Id = CqlType::Id;

/// A table of PRIMARY KEY ((p), c) and a value v, from rows of v, p, c and whether they are
/// deleted.
struct Table {
  Schema schema{.columns = {{.name = "v", .type = "INTEGER"},
                            {.name = "p", .type = "VARCHAR"},
                            {.name = "c", .type = "INTEGER"},
                            {.name = "gone", .type = "BOOLEAN"}}};
  SinkPlan plan{.partition_columns = 1,
                .key_columns = 2,
                .delete_column = 3,
                .keeps_nulls = false,
                .max_row_bytes = 10'000};
  formats::MemoryColumns columns{schema, 4};

  Table() {
    add(1, "p", {.id = Id::varchar});
    add(2, "c", {.id = Id::int_});
    add(0, "v", {.id = Id::smallint});
  }
  void add(std::size_t place, const std::string& name, const CqlType& type) {
    auto converter = ToCql::make(parse_type(schema.columns[place].type), type);
    plan.values.push_back(
        {.place = place, .name = name, .converter = *std::move(converter), .type = type});
  }
  void fill(std::int32_t v, const std::string& p, bool gone) {
    const auto writers = columns.writers();
    writers[0]->values<std::int32_t>()[0] = v;
    writers[1]->set_string(0, p);
    writers[2]->values<std::int32_t>()[0] = 7;
    writers[3]->values<bool>()[0] = gone;
  }
  /// The row as it is staged; else why it is refused: "v: too large".
  std::string encode(std::vector<StagedRow>& rows, Staging& staging) {
    const Chunk chunk{.rows = 1, .columns = columns.views()};
    RowEncoder encoder(plan);
    std::string bytes;
    if (const auto why = encoder.encode(chunk, 0, bytes)) {
      EXPECT_TRUE(bytes.empty());
      return why->column + ": " + why->reason;
    }
    staging.add(bytes);
    staging.for_each_part([&](const auto& part) { rows = part; });
    return "";
  }
};

std::string value_of(std::string_view bytes) {
  std::string value;
  put_bytes(bytes, value);
  return value;
}

TEST(CassandraRows, KeysComeFirst) {
  using namespace std::string_view_literals;
  Table table;
  table.fill(300, "ann", false);
  Staging staging(1'000);
  std::vector<StagedRow> rows;
  ASSERT_EQ(table.encode(rows, staging), "");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_FALSE(rows[0].is_delete);
  EXPECT_EQ(rows[0].partition_key, "ann");
  EXPECT_EQ(rows[0].clustering, value_of("\0\0\0\7"sv));
  EXPECT_EQ(rows[0].values, value_of("ann") + value_of("\0\0\0\7"sv) + value_of("\1\x2c"sv));
}

TEST(CassandraRows, ADeletedRowIsItsKey) {
  using namespace std::string_view_literals;
  Table table;
  table.fill(70'000, "ann", true);  // its value may be anything
  Staging staging(1'000);
  std::vector<StagedRow> rows;
  ASSERT_EQ(table.encode(rows, staging), "");
  EXPECT_TRUE(rows[0].is_delete);
  EXPECT_EQ(rows[0].values, value_of("ann") + value_of("\0\0\0\7"sv));
}

TEST(CassandraRows, ANullIsWrittenOrLeftAlone) {
  for (const bool keeps : {false, true}) {
    Table table;
    table.plan.keeps_nulls = keeps;
    table.fill(1, "ann", false);
    table.columns.writers()[0]->set_null(0);
    Staging staging(1'000);
    std::vector<StagedRow> rows;
    ASSERT_EQ(table.encode(rows, staging), "");
    EXPECT_TRUE(rows[0].values.ends_with(keeps ? "\xff\xff\xff\xfe" : "\xff\xff\xff\xff"));
  }
}

TEST(CassandraRows, WhatTheServerWouldRefuseIsRefused) {
  Staging staging(1'000);
  std::vector<StagedRow> rows;
  Table large;
  large.fill(70'000, "ann", false);
  EXPECT_EQ(large.encode(rows, staging), "v: 70000 is too large for smallint");
  Table empty;
  empty.fill(1, "", false);
  EXPECT_EQ(empty.encode(rows, staging), "p: the partition key is empty");
  Table null;
  null.fill(1, "ann", false);
  null.columns.writers()[2]->set_null(0);
  EXPECT_EQ(null.encode(rows, staging), "c: NULL in the primary key");
  Table key;
  key.fill(1, std::string(70'000, 'x'), false);
  EXPECT_TRUE(key.encode(rows, staging).starts_with("p: 70000 bytes in the primary key"));
  Table row;
  row.fill(1, std::string(7'000, 'x'), false);
  EXPECT_TRUE(row.encode(rows, staging).starts_with(": a row of 7"));
}

}  // namespace
}  // namespace millrace::cassandra
