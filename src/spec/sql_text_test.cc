#include "spec/sql_text.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

/// The SQL under `q:` of a YAML text.
SqlText sql_of(std::string text) {
  Diagnostics diagnostics;
  const auto yaml = parse_yaml("f.yaml", std::move(text), diagnostics);
  EXPECT_EQ(diagnostics.text(), "");
  return sql_in_yaml(*yaml, *yaml->root.find("q"));
}

std::string place_of(const SqlText& sql, std::string_view word) {
  return sql.locate(sql.text.find(word)).text();
}

TEST(SqlText, LiteralBlock) {
  const SqlText sql = sql_of("a: 1\nq: |  # comment\n    SELECT a,\n\n      oops\n    FROM b\n");
  EXPECT_EQ(sql.text, "SELECT a,\n\n  oops\nFROM b\n");
  EXPECT_EQ(sql.at.text(), "f.yaml:3:5");
  EXPECT_EQ(place_of(sql, "SELECT"), "f.yaml:3:5");
  EXPECT_EQ(place_of(sql, "oops"), "f.yaml:5:7");
  EXPECT_EQ(place_of(sql, "FROM"), "f.yaml:6:5");
  EXPECT_EQ(place_of(sql, "b\n"), "f.yaml:6:10");
}

TEST(SqlText, LiteralBlockThatSaysItsIndentation) {
  const SqlText sql = sql_of("q: |2-\n    SELECT\n  oops");
  EXPECT_EQ(sql.text, "  SELECT\noops");
  EXPECT_EQ(place_of(sql, "SELECT"), "f.yaml:2:5");
  EXPECT_EQ(place_of(sql, "oops"), "f.yaml:3:3");
}

TEST(SqlText, FoldedBlock) {
  const SqlText sql = sql_of("q: >-\n\n  SELECT a,\n  oops\n\n\n  FROM b\n");
  EXPECT_EQ(place_of(sql, "SELECT"), "f.yaml:3:3");
  EXPECT_EQ(place_of(sql, "oops"), "f.yaml:4:3");
  EXPECT_EQ(place_of(sql, "FROM"), "f.yaml:7:3");
}

TEST(SqlText, PlainOnOneLineAndOnSeveral) {
  const SqlText one = sql_of("q: SELECT 'é', oops FROM b # comment\n");
  EXPECT_EQ(place_of(one, "SELECT"), "f.yaml:1:4");
  EXPECT_EQ(place_of(one, "oops"), "f.yaml:1:16");
  EXPECT_EQ(one.locate(one.text.size()).text(), "f.yaml:1:27");
  const SqlText several = sql_of("q: SELECT\n   a,\n\n   oops\n");
  EXPECT_EQ(place_of(several, "oops"), "f.yaml:4:4");
}

TEST(SqlText, SingleQuotes) {
  const SqlText sql = sql_of("q: 'SELECT ''a'' AS é, oops\n  FROM b'\n");
  EXPECT_EQ(sql.text, "SELECT 'a' AS é, oops FROM b");
  EXPECT_EQ(sql.at.text(), "f.yaml:1:5");
  EXPECT_EQ(place_of(sql, "oops"), "f.yaml:1:24");
  EXPECT_EQ(place_of(sql, "FROM"), "f.yaml:2:3");
}

TEST(SqlText, DoubleQuotesWithEscapes) {
  const SqlText sql = sql_of("q: \"SELECT \\\"\\x41\\u00e9\\\",\\n\\toops \\\n     FROM b\"\n");
  EXPECT_EQ(sql.text, "SELECT \"Aé\",\n\toops FROM b");
  EXPECT_EQ(place_of(sql, "\"Aé"), "f.yaml:1:12");
  EXPECT_EQ(place_of(sql, "é"), "f.yaml:1:18");
  EXPECT_EQ(place_of(sql, "oops"), "f.yaml:1:31");
  EXPECT_EQ(place_of(sql, "FROM"), "f.yaml:2:6");
}

TEST(SqlText, ReferencesAndAnchors) {
  const SqlText sql = sql_of("q: &name !!str \"SELECT '${env:X}', oops\"\n");
  EXPECT_EQ(sql.text, "SELECT '${env:X}', oops");
  EXPECT_EQ(place_of(sql, "oops"), "f.yaml:1:36");
}

TEST(SqlText, FilesStandAsTheyAre) {
  const SqlText sql{.text = "SELECT é,\r\n  oops", .at = {"x.sql", 1, 1}, .runs = {}};
  EXPECT_EQ(place_of(sql, ","), "x.sql:1:9");
  EXPECT_EQ(place_of(sql, "oops"), "x.sql:2:3");
  EXPECT_EQ(sql.locate(1000).text(), "x.sql:2:7");
}

TEST(ScanSql, FindsStatementsOutsideOfTextsAndComments) {
  EXPECT_TRUE(scan_sql("").empty);
  EXPECT_TRUE(scan_sql(" ;\n-- only; a comment\n/* and /* nested; */ */").empty);
  EXPECT_FALSE(scan_sql("SELECT ';', \";\", $$;$$, $a$;$$;$a$, e'\\';' -- ;\n").end.has_value());
  EXPECT_EQ(scan_sql("SELECT 1 ; -- end").end, 9);
  EXPECT_EQ(scan_sql("SELECT 1 ; -- end").second_statement, std::nullopt);
  EXPECT_EQ(scan_sql("SELECT 1;SELECT 2").second_statement, 9);
  // What is not closed is the SQL parser's to complain about.
  for (const char* open : {"SELECT '", "SELECT \"", "SELECT $$", "/*", "e'\\", "$"}) {
    (void)scan_sql(open);
  }
}

TEST(ScanSql, GivesNamesInLowerCase) {
  const SqlWords words =
      scan_sql("SELECT a.X1, \"Some Name\" FROM Größe -- comment\n WHERE 'text'");
  const std::vector<std::string> expected = {"a",         "from",  "größe", "select",
                                             "some name", "where", "x1"};
  EXPECT_EQ(words.names, expected);
}

TEST(ScanSql, KnowsReservedWords) {
  EXPECT_TRUE(is_reserved_word("Order"));
  EXPECT_FALSE(is_reserved_word("orders"));
}

}  // namespace
}  // namespace millrace
