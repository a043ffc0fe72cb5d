#include "connectors/cassandra/protocol/messages.h"

#include <gtest/gtest.h>

#include "connectors/cassandra/protocol/row_cells.h"
#include "connectors/cassandra/protocol/token.h"
#include "connectors/cassandra/protocol/wire.h"

namespace millrace::cassandra {
namespace {

using Id = CqlType::Id;

// Known tokens: those of the Python driver's tests, and more by its Murmur3Token.
TEST(CassandraTokens, AreThoseOfTheServer) {
  const auto many = [](std::string_view text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) {
      all += text;
    }
    return all;
  };
  using namespace std::string_view_literals;
  EXPECT_EQ(token_of("123"), -7468325962851647638);
  EXPECT_EQ(token_of(many("\x00\xff\x10\xfa\x99"sv, 10)), 5837342703291459765);
  EXPECT_EQ(token_of(many("\xfe", 8)), -8927430733708461935);
  EXPECT_EQ(token_of(many("\x10", 8)), 1446172840243228796);
  EXPECT_EQ(token_of("9223372036854775807"), 7162290910810015547);
  EXPECT_EQ(token_of(""), 0);
  EXPECT_EQ(token_of(many("\xf0", 9)), -4960693442087820359);
  EXPECT_EQ(token_of(many("a", 15)), 9009355242376953788);
  EXPECT_EQ(token_of(many("\x80\x01", 8)), 4707074728726451789);
  EXPECT_EQ(token_of(many("\xff", 23)), 1938495958014436960);
}

TEST(CassandraTokens, ATokenBelongsToTheNextNodeOfTheRing) {
  const TokenRing ring({{100, 1}, {-100, 0}, {200, 2}});
  EXPECT_EQ(ring.owner(-101), 0U);
  EXPECT_EQ(ring.owner(-100), 0U);
  EXPECT_EQ(ring.owner(-99), 1U);
  EXPECT_EQ(ring.owner(200), 2U);
  EXPECT_EQ(ring.owner(201), 0U);
}

TEST(CassandraTokens, RangesCoverTheRing) {
  for (const std::size_t count : {1U, 2U, 3U, 64U, 1000U}) {
    const auto ranges = split_ring(count);
    ASSERT_EQ(ranges.size(), count);
    EXPECT_EQ(ranges.front().from, std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(ranges.back().to, std::numeric_limits<std::int64_t>::max());
    for (std::size_t i = 1; i < count; ++i) {
      EXPECT_EQ(ranges[i].from, ranges[i - 1].to);
      EXPECT_LT(ranges[i].from, ranges[i].to);
    }
  }
}

TEST(CassandraTokens, AKeyOfSeveralColumnsHasTheirLengths) {
  std::string key;
  add_key_part("ab", key);
  add_key_part("", key);
  using namespace std::string_view_literals;
  EXPECT_EQ(key, "\0\2ab\0\0\0\0"sv);
}

TEST(CassandraMessages, ParametersDependOnTheVersion) {
  const Prepared statement{.text = "", .id = "id", .result_id = "rid", .values = {{}}};
  using namespace std::string_view_literals;
  EXPECT_EQ(execute_body(4, statement, "VALUE", {.consistency = Consistency::one}),
            "\0\2id\0\1\1\0\1VALUE"sv);
  EXPECT_EQ(execute_body(5, statement, "VALUE",
                         {.consistency = Consistency::one, .page_rows = 9, .paging_state = "p"}),
            "\0\2id\0\3rid\0\1\0\0\0\x0d\0\1VALUE\0\0\0\x09\0\0\0\1p"sv);
  std::string statements;
  add_to_batch(statement, "A", statements);
  add_to_batch(statement, "B", statements);
  EXPECT_EQ(batch_body(4, 2, statements, Consistency::local_quorum),
            "\1\0\2\1\0\2id\0\1A\1\0\2id\0\1B\0\6\0"sv);
}

TEST(CassandraMessages, RowsHaveColumnsPagesAndCells) {
  std::string body;
  put(std::int32_t{2}, body);            // rows
  put(std::int32_t{0x01 | 0x02}, body);  // of one table, with more pages
  put(std::int32_t{2}, body);
  put_bytes("next", body);
  put_string("ks", body);
  put_string("t", body);
  put_string("id", body);
  put(std::uint16_t{0x09}, body);
  put_string("tags", body);
  put(std::uint16_t{0x21}, body);  // map<text, frozen<list<int>>>
  put(std::uint16_t{0x0D}, body);
  put(std::uint16_t{0x20}, body);
  put(std::uint16_t{0x09}, body);
  put(std::int32_t{2}, body);
  for (int i = 0; i < 2; ++i) {
    put_bytes("abcd", body);
    put_null(body);
  }
  const auto rows = read_rows(body);
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->paging_state, "next");
  EXPECT_EQ(rows->columns[0].name, "id");
  EXPECT_EQ(type_text(rows->columns[1].type), "map<text, frozen<list<int>>>");
  RowCells cells(*rows, body);
  EXPECT_TRUE(cells.next());
  EXPECT_EQ(cells["id"], "abcd");
  EXPECT_EQ(cells["tags"], std::nullopt);
  EXPECT_TRUE(cells.next());
  EXPECT_FALSE(cells.next());
  for (std::size_t size = 0; size < body.size(); ++size) {
    const auto torn = body.substr(0, size);
    EXPECT_THROW(
        {
          const auto some = read_rows(torn);
          RowCells torn_cells(*some, torn);
          while (torn_cells.next()) {
          }
        },
        BadFrame)
        << size;
  }
}

TEST(CassandraMessages, TypesOfTheServersOwnAreBytesOrVectors) {
  const auto type_of = [](const std::string& name) {
    std::string bytes;
    put(std::uint16_t{0}, bytes);
    put_string(name, bytes);
    WireReader reader(bytes);
    return read_type(reader);
  };
  const auto vector = type_of(
      "org.apache.cassandra.db.marshal.VectorType(org.apache.cassandra.db.marshal.FloatType , 3)");
  EXPECT_EQ(type_text(vector), "vector<float, 3>");
  EXPECT_EQ(type_of("com.example.Mine").id, Id::custom);
  EXPECT_EQ(type_of("VectorType(FloatType,0)").id, Id::custom);
}

TEST(CassandraMessages, TypesAreNotNestedForEver) {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) {
    put(std::uint16_t{0x20}, bytes);
  }
  WireReader reader(bytes);
  EXPECT_THROW((void)read_type(reader), BadFrame);
}

TEST(CassandraMessages, ErrorsSayWhetherToTryAgain) {
  const auto error_of = [](std::int32_t code) {
    std::string body;
    put(code, body);
    put_string("why", body);
    return read_error(body);
  };
  using Passing = ServerError::Passing;
  for (const std::int32_t code : {0x1000, 0x1001, 0x1002, 0x1100, 0x1200}) {
    EXPECT_EQ(error_of(code).passing(), Passing::yes) << code;
  }
  for (const std::int32_t code : {0x0000, 0x1300, 0x1500}) {
    EXPECT_EQ(error_of(code).passing(), Passing::perhaps) << code;
  }
  for (const std::int32_t code : {0x0100, 0x2000, 0x2100, 0x2200, 0x2300, 0x2400, 0x7777}) {
    EXPECT_EQ(error_of(code).passing(), Passing::no) << code;
  }
  EXPECT_EQ(error_of(0x1100).text(), "write timeout: why");
}

}  // namespace
}  // namespace millrace::cassandra
