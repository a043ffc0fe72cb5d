#include "sql/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::sql {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class NamesTest : public ::testing::Test {
 protected:
  std::vector<TableRead> tables(std::string_view sql) { return tables_read(database_, sql); }
  std::vector<std::string> names(std::string_view sql) {
    std::vector<std::string> names;
    for (const auto& read : names_read(database_, sql)) {
      names.push_back(read.name);
    }
    return names;
  }

  Database database_{Database::Options{.threads = 1}};
};

TEST_F(NamesTest, OfADataset) {
  EXPECT_THAT(names("WITH a AS (FROM b) SELECT (SELECT max(i) FROM c) FROM a, B JOIN d USING (i)"),
              UnorderedElementsAre("b", "c", "d"));
  EXPECT_THROW((void)names("FROM read_csv('x.csv')"), SqlError);
}

TEST_F(NamesTest, OfAQueryThatMayDoAnything) {
  EXPECT_THAT(tables("FROM totals"), UnorderedElementsAre(TableRead{"", "totals"}));
  EXPECT_THAT(tables("WITH f AS (FROM read_csv('x.csv')), g AS (FROM f) "
                     "SELECT * FROM g JOIN state.g USING (i) WHERE i IN (FROM State.H) ORDER BY 1"),
              UnorderedElementsAre(TableRead{"state", "g"}, TableRead{"State", "H"}));
  EXPECT_THAT(tables("(FROM a UNION ALL FROM b) EXCEPT FROM a"),
              UnorderedElementsAre(TableRead{"", "a"}, TableRead{"", "b"}));
  EXPECT_THAT(tables("SUMMARIZE totals"), UnorderedElementsAre(TableRead{"", "totals"}));
  EXPECT_THAT(tables("DESCRIBE FROM totals"), UnorderedElementsAre(TableRead{"", "totals"}));
  EXPECT_THAT(tables("PIVOT totals ON kind USING sum(n)"),
              ::testing::Contains(TableRead{"", "totals"}));
  EXPECT_THAT(tables("SELECT 1; SHOW TABLES; FROM range(3)"), IsEmpty());
  EXPECT_THROW((void)tables("SELEC 1"), SqlError);
}

}  // namespace
}  // namespace millrace::sql
