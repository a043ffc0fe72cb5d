#include "connectors/blackhole/blackhole.h"

#include <gtest/gtest.h>

#include "sql/database.h"
#include "support/rows.h"

namespace millrace {
namespace {

TEST(Blackhole, CountsTheRowsOfABatch) {
  const auto nothing = support::mapping({});
  ConnectorRequest request;
  request.name = "nowhere";
  request.connection = &nothing;
  request.options = &nothing;
  Diagnostics diagnostics;
  const auto sink = blackhole_connector()->make_sink(request, diagnostics);
  ASSERT_NE(sink, nullptr);
  sql::Database database({.threads = 2});
  support::Rows rows(database);
  const auto schema = database.parse_schema("i BIGINT");
  EXPECT_EQ(rows.write_batch(*sink, 0, schema, "SELECT i FROM range(5000) AS t(i)").rows, 5000);
  EXPECT_EQ(rows.write_batch(*sink, 1, schema, "SELECT i FROM range(3) AS t(i)").rows, 3);
}

}  // namespace
}  // namespace millrace
