#include "control/alerts/table_queries.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::control {
namespace {

/// Numbers from 0, and twice as much.
class Numbers final : public RowReader {
 public:
  explicit Numbers(std::int64_t count) : count_(count) {}
  std::size_t read(ChunkWriter& to) override {
    std::size_t row = 0;
    for (; row < kChunkRows && next_ < count_; row++, next_++) {
      to.values<std::int64_t>(0)[row] = next_;
      to.values<double>(1)[row] = static_cast<double>(next_) * 2.5;
      to.set_string(2, row, "n" + std::to_string(next_));
      if (next_ == 1) {
        to.set_null(2, row);
      }
    }
    return row;
  }

 private:
  std::int64_t count_;
  std::int64_t next_ = 0;
};

AlertRuleSpec sql_rule(const std::string& sql, AlertTest test = AlertTest::any_row) {
  AlertRuleSpec spec{.name = sql};
  spec.query = {.text = sql, .at = {"p.yaml", 7, 20}, .runs = {}};
  spec.test = test;
  return spec;
}

class TableQueriesTest : public ::testing::Test {
 protected:
  void commit(std::int64_t rows) {
    const auto table = tables_.open("Numbers", schema_, {0});
    sql::Batch batch(schema_);
    Numbers numbers(rows);
    batch.read(numbers);
    table->replace(std::move(batch), batch_);
    tables_.commit({.batch = batch_++});
  }

  sql::Database database_{{.threads = 1, .memory_limit_bytes = 0, .temp_directory = ""}};
  Schema schema_ = database_.parse_schema("id BIGINT, amount DOUBLE, name VARCHAR");
  sql::LiveTables tables_;
  std::int64_t batch_ = 0;
  TableQueries queries_{database_, tables_};
};

TEST_F(TableQueriesTest, CountRowsAndShowTheFirst) {
  const auto all = sql_rule("SELECT * FROM numbers WHERE amount > 2 ORDER BY id");
  EXPECT_FALSE(queries_.ask(all, {}));  // there is no batch yet
  commit(9);
  const auto answer = queries_.ask(all, {});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->row_count, 8);
  ASSERT_EQ(answer->rows.size(), AlertAnswer::kShown);
  EXPECT_EQ(answer->rows[0].dump(), R"({"id":1,"amount":2.5,"name":null})");
  EXPECT_EQ(answer->rows[4].dump(), R"({"id":5,"amount":12.5,"name":"n5"})");
  commit(0);
  EXPECT_EQ(queries_.ask(all, {})->row_count, 0);
  commit(20'000);
  EXPECT_EQ(queries_.ask(all, {})->row_count, AlertAnswer::kRowsMax);
}

TEST_F(TableQueriesTest, GiveAValue) {
  commit(5);
  const auto sum =
      sql_rule("SELECT sum(amount) AS value, count(*) AS n FROM numbers", AlertTest::above);
  EXPECT_EQ(queries_.ask(sum, {})->value, 25);
  EXPECT_EQ(queries_.ask(sql_rule("SELECT max(id) FROM numbers", AlertTest::above), {})->value, 4);
  commit(0);
  EXPECT_EQ(queries_.ask(sum, {})->value, std::nullopt);  // NULL
  EXPECT_THROW((void)queries_.ask(sql_rule("SELECT name FROM numbers", AlertTest::above), {}),
               Error);
  EXPECT_THROW((void)queries_.ask(sql_rule("SELECT * FROM others"), {}), Error);
}

TEST_F(TableQueriesTest, MistakesHaveTheirPlace) {
  AlertsSpec alerts;
  alerts.rules = {sql_rule("SELECT id, amont FROM numbers"), sql_rule("SELECT id FROM numbers"),
                  sql_rule("SELECT name FROM numbers", AlertTest::below),
                  sql_rule("SELECT * FROM read_csv('/etc/passwd')"),
                  sql_rule("DROP TABLE numbers")};
  Diagnostics diagnostics;
  check_alert_queries(alerts, database_,
                      {{.name = "numbers",
                        .kind = sql::Relation::Kind::rows,
                        .schema = schema_,
                        .live = nullptr,
                        .select = {}}},
                      diagnostics);
  EXPECT_EQ(diagnostics.error_count(), 4U) << diagnostics.text();
  EXPECT_TRUE(diagnostics.text().contains(
      "p.yaml:7:34: error: alert `SELECT * FROM read_csv('/etc/passwd')`: read_csv() can't be"))
      << diagnostics.text();
}

TEST(AlertTables, AreThoseThatQueriesName) {
  PipelineSpec spec;
  spec.sources.push_back({.name = "Customers"});
  spec.sources.back().table = true;
  spec.sources.push_back({.name = "orders"});
  spec.datasets.push_back({.name = "Totals", .at = {}, .sql = {}});
  spec.datasets.push_back({.name = "other", .at = {}, .sql = {}});
  spec.alerts.rules = {sql_rule("SELECT * FROM totals JOIN customers USING (id) JOIN orders")};
  EXPECT_EQ(alert_table_names(spec), (std::vector<std::string>{"Customers", "Totals"}));
}

}  // namespace
}  // namespace millrace::control
