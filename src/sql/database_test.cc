#include "sql/database.h"

#include <gtest/gtest.h>

#include <string>

#include "base/test_folder.h"
#include "sql/plan.h"
#include "sql/support_test.h"

namespace millrace::sql {
namespace {

Database::Options options(int threads = 1) {
  return {.threads = threads, .memory_limit_bytes = 512'000'000, .temp_directory = ""};
}

TEST(Database, ParsesAndNormalisesSchemas) {
  Database database(options());
  const Schema schema = database.parse_schema(
      "id int8, price decimal(12,2), n numeric, t text, seen timestamptz, tags varchar[], \"odd "
      "name\" "
      "struct(a int, b enum('x', 'y')), u uuid, d date, b blob, h hugeint");
  EXPECT_EQ(
      schema.text(),
      "id BIGINT, price DECIMAL(12,2), n DECIMAL(18,3), t VARCHAR, seen TIMESTAMP WITH TIME "
      "ZONE, tags VARCHAR[], \"odd name\" STRUCT(a INTEGER, b ENUM('x', 'y')), u UUID, d DATE, "
      "b BLOB, h HUGEINT");
  const auto physical = [&](std::string_view name) {
    return schema.columns[schema.find(name)].physical;
  };
  EXPECT_EQ(physical("id"), Physical::i64);
  EXPECT_EQ(physical("price"), Physical::i64);
  EXPECT_EQ(physical("t"), Physical::string);
  EXPECT_EQ(physical("seen"), Physical::i64);
  EXPECT_EQ(physical("tags"), Physical::other);
  EXPECT_EQ(physical("u"), Physical::other);
  EXPECT_EQ(physical("d"), Physical::i32);
  EXPECT_EQ(physical("b"), Physical::string);
  EXPECT_EQ(physical("h"), Physical::i128);
  // What was normalised is read back as it is, also by declare().
  database.declare("all_types", schema, Shape::stream);
  const auto plan = database.plan("test", "FROM all_types");
  EXPECT_EQ(plan->schema(), schema);
}

TEST(Database, MistakesInSchemasHaveAPlace) {
  Database database(options());
  try {
    (void)database.parse_schema("id BIGINT, price DECIML(12,2)");
    FAIL();
  } catch (const SqlError& error) {
    EXPECT_NE(std::string(error.what()).find("DECIML"), std::string::npos) << error.what();
  }
  try {
    (void)database.parse_schema("id BIGINT,, x INT");
    FAIL();
  } catch (const SqlError& error) {
    EXPECT_EQ(error.position(), 10U);
  }
  EXPECT_THROW((void)database.parse_schema("a INT, A INT"), SqlError);
}

TEST(Database, NamesAreUniqueWithoutRegardToCase) {
  Database database(options());
  const Schema schema = database.parse_schema("x INTEGER");
  database.declare("Orders", schema, Shape::stream);
  EXPECT_EQ(database.plan("test", "SELECT X FROM oRDERS")->inputs()[0].name, "Orders");
  database.declare("ORDERS", schema, Shape::table);  // from now on
  EXPECT_EQ(database.plan("test", "SELECT x FROM orders")->inputs()[0].shape, Shape::table);
  EXPECT_EQ(database.plan("test", "SELECT o.x FROM orders o")->schema().text(), "x INTEGER");
  EXPECT_EQ(database.plan("test", "SELECT orders.x FROM orders")->schema().text(), "x INTEGER");
  EXPECT_EQ(database.plan("test", "WITH orders AS (SELECT 1 AS y) FROM orders")->schema().text(),
            "y INTEGER");
}

TEST(Database, QueriesAsText) {
  Database database(options());
  const TextTable all =
      database.query("SELECT i AS a, NULLIF(i, 1)::VARCHAR AS b FROM range(3) t(i)");
  EXPECT_EQ(all.schema.text(), "a BIGINT, b VARCHAR");
  ASSERT_EQ(all.rows.size(), 3U);
  EXPECT_EQ(all.rows[1][1], std::nullopt);
  EXPECT_FALSE(all.truncated);
  EXPECT_FALSE(database.query("FROM range(3)", 3).truncated);
  const TextTable some = database.query("FROM range(100000)", 5);
  EXPECT_EQ(some.rows.size(), 5U);
  EXPECT_TRUE(some.truncated);
  EXPECT_THROW(database.query("SELECT 1 + 'x'"), SqlError);
  // Declared names are for datasets: no rows stand behind them here.
  database.declare("orders", database.parse_schema("x INTEGER"), Shape::stream);
  EXPECT_THROW(database.query("FROM orders"), SqlError);
}

TEST(Database, SettingsAreOurs) {
  Database database(options(2));
  EXPECT_EQ(database.threads(), 2);
  const auto setting = [&](const std::string& name) {
    return *database.query("SELECT current_setting('" + name + "')").rows[0][0];
  };
  EXPECT_EQ(setting("threads"), "2");
  EXPECT_EQ(setting("TimeZone"), "UTC");
  EXPECT_EQ(setting("autoinstall_known_extensions"), "false");
  EXPECT_EQ(setting("autoload_known_extensions"), "false");
  EXPECT_NE(setting("disabled_optimizers").find("statistics_propagation"), std::string::npos);
  EXPECT_EQ(setting("temp_directory"), "");
  EXPECT_EQ(setting("memory_limit"), "488.2 MiB");
}

TEST(Database, ReadsTheSchemaOfAParquetFile) {
  Database database(options());
  const TempFolder folder;
  const auto path = folder.path() + "/it's a test.parquet";
  database.query("COPY (SELECT 1 AS a, 'x' AS b, 1.5::DECIMAL(9,2) AS c) TO " + quote_text(path));
  EXPECT_EQ(database.parquet_schema(path).text(), "a INTEGER, b VARCHAR, c DECIMAL(9,2)");
  ASSERT_TRUE(remove_file(path));
  try {
    (void)database.parquet_schema(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.blame(), Blame::external);
  }
}

TEST(Database, TablesOfRowsCanBeQueried) {
  Database database(options(2));
  const auto select =
      "SELECT CASE WHEN i % 3 = 0 THEN NULL ELSE i END AS \"odd name\", {'a': i, 't': repeat('x', "
      "i % 20)} AS s, [i::VARCHAR] AS l, (i % 2)::DECIMAL(9,2) AS d FROM range(5000) AS r(i)";
  const auto schema = database.plan("test", select)->schema();
  database.create_table("state", "my \"table\"", schema,
                        *testing::batch_of(database, schema, select));
  database.create_table("state", "empty", schema, Batch(schema));
  EXPECT_EQ(testing::rows_of(database, "FROM state.\"my \"\"table\"\"\""),
            testing::rows_of(database, select));
  EXPECT_EQ(database.query("FROM state.empty").schema, schema);
  EXPECT_TRUE(database.query("FROM state.empty").rows.empty());
}

TEST(Database, Quotes) {
  EXPECT_EQ(quote_text("it's"), "'it''s'");
  EXPECT_EQ(quote_name("a \"b\""), "\"a \"\"b\"\"\"");
}

}  // namespace
}  // namespace millrace::sql
