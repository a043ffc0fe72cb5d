#include "connectors/console/console.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sql/database.h"
#include "support/rows.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

class ConsoleTest : public ::testing::Test {
 protected:
  std::string print(std::initializer_list<std::pair<std::string, std::string>> entries,
                    const std::string& columns, const std::string& query) {
    const auto options = support::mapping(entries);
    const auto connection = support::mapping({});
    ConnectorRequest request;
    request.name = "look";
    request.connection = &connection;
    request.options = &options;
    Diagnostics diagnostics;
    const auto sink = console_connector()->make_sink(request, diagnostics);
    EXPECT_FALSE(diagnostics.has_errors());
    SinkStart start;
    start.schema = database_.parse_schema(columns);
    start.mode = OutputMode::complete;
    sink->open(start);
    ::testing::internal::CaptureStdout();
    EXPECT_GE(rows_.write_batch(*sink, 3, start.schema, query).rows, 0);
    return ::testing::internal::GetCapturedStdout();
  }

  sql::Database database_{{.threads = 1}};
  support::Rows rows_{database_};
};

TEST_F(ConsoleTest, DrawsATable) {
  EXPECT_EQ(print({}, "name VARCHAR, n INTEGER",
                  "SELECT * FROM (VALUES ('Zoë', 1), (NULL, NULL::INTEGER)) AS t(name, n)"),
            "-------------------------------------------\n"
            "Batch: 3  look (complete, 2 rows)\n"
            "-------------------------------------------\n"
            "+----+----+\n"
            "|name|n   |\n"
            "+----+----+\n"
            "|Zoë |1   |\n"
            "|NULL|NULL|\n"
            "+----+----+\n");
}

TEST_F(ConsoleTest, ShowsSomeRowsAndCountsAll) {
  const auto text = print({{"num_rows", "3"}}, "i BIGINT", "SELECT i FROM range(9000) AS t(i)");
  EXPECT_THAT(text, HasSubstr("(complete, 9,000 rows)"));
  EXPECT_THAT(text, HasSubstr("only showing top 3 rows"));
}

TEST_F(ConsoleTest, CutsLongValuesBetweenCharacters) {
  const std::string query = "SELECT repeat('ü', 50) AS v";
  std::string cut;
  for (int i = 0; i < 37; i++) {
    cut += "ü";
  }
  EXPECT_THAT(print({}, "v VARCHAR", query), HasSubstr("|" + cut + "...|"));
  EXPECT_THAT(print({{"truncate", "false"}}, "v VARCHAR", query), Not(HasSubstr("...")));
}

// Data must not be able to move the cursor or to look like other rows.
TEST_F(ConsoleTest, EscapesControlCharacters) {
  EXPECT_THAT(print({}, "v VARCHAR", "SELECT 'a' || chr(10) || chr(27) || '[2J' AS v"),
              HasSubstr("|a\\x0a\\x1b[2J|"));
}

TEST_F(ConsoleTest, PrintsNothingForAnEmptyBatch) {
  EXPECT_EQ(print({}, "v VARCHAR", "SELECT 'a' AS v WHERE false"), "");
}

}  // namespace
}  // namespace millrace
