#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "connectors/cassandra/from_cql.h"
#include "connectors/cassandra/protocol/test_hex.h"
#include "connectors/cassandra/protocol/wire.h"
#include "connectors/cassandra/same_value.h"
#include "connectors/cassandra/to_cql.h"
#include "core/int128.h"
#include "formats/memory_columns.h"

namespace millrace::cassandra {
namespace {

using Id = CqlType::Id;

std::string unhex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

/// A column of one value, by what fills it.
template <class Fill>
formats::MemoryColumn column_of(const std::string& type, const Fill& fill) {
  formats::MemoryColumn column(parse_type(type), 4);
  fill(column);
  return column;
}

/// The bytes of a value, without their length; what is refused: "refused: why".
template <class T>
std::string encoded(const std::string& sql, const CqlType& cql, T value) {
  auto column = column_of(sql, [&](auto& to) {
    if constexpr (std::is_convertible_v<T, std::string_view>) {
      to.set_string(0, value);
    } else {
      to.template values<T>()[0] = value;
    }
  });
  const auto converter = ToCql::make(parse_type(sql), cql);
  if (!converter) {
    return "no way";
  }
  std::string bytes;
  if (const auto why = converter->write(column.view(), 0, bytes)) {
    return "refused: " + *why;
  }
  WireReader reader(bytes);
  return hex(reader.bytes().value_or("?"));
}

/// A value read into a column of this type; `get` looks at it. What is refused: "refused: why".
template <class Get>
std::string decoded(const CqlType& cql, const std::string& sql, const std::string& bytes,
                    const Get& get) {
  formats::MemoryColumn column(parse_type(sql), 4);
  const auto converter = FromCql::make(cql, parse_type(sql));
  if (!converter) {
    return "no way";
  }
  if (const auto why = converter->read(unhex(bytes), column, 0)) {
    return "refused: " + *why;
  }
  return get(column.view());
}

const auto kText = [](const ColumnView& view) { return std::string(view.string(0)); };

// The bytes are those that the Python driver makes of the same values.
TEST(CassandraValues, WholeNumbersAreCheckedAgainstTheirType) {
  EXPECT_EQ(encoded("INTEGER", {.id = Id::tinyint}, std::int32_t{-128}), "80");
  EXPECT_EQ(encoded("INTEGER", {.id = Id::tinyint}, std::int32_t{128}),
            "refused: 128 is too large for tinyint");
  EXPECT_EQ(encoded("BIGINT", {.id = Id::int_}, std::int64_t{-2}), "fffffffe");
  EXPECT_EQ(encoded("UBIGINT", {.id = Id::bigint}, std::numeric_limits<std::uint64_t>::max()),
            "refused: 18446744073709551615 is too large for bigint");
  EXPECT_EQ(encoded("UTINYINT", {.id = Id::smallint}, std::uint8_t{255}), "00ff");
  EXPECT_EQ(encoded("DOUBLE", {.id = Id::int_}, 1.0), "no way");
  EXPECT_EQ(encoded("BIGINT", {.id = Id::float_}, std::int64_t{1}), "no way");
  EXPECT_EQ(encoded("DOUBLE", {.id = Id::float_}, 1.5), "no way");
  EXPECT_EQ(encoded("FLOAT", {.id = Id::double_}, 1.5F), "3ff8000000000000");
}

TEST(CassandraValues, VarintsTakeTheFewestBytes) {
  const std::pair<std::int64_t, const char*> all[] = {
      {0, "00"},     {1, "01"},       {-1, "ff"},        {127, "7f"},
      {128, "0080"}, {-128, "80"},    {-129, "ff7f"},    {255, "00ff"},
      {256, "0100"}, {32767, "7fff"}, {32768, "008000"}, {-32768, "8000"}};
  for (const auto& [value, bytes] : all) {
    EXPECT_EQ(encoded("BIGINT", {.id = Id::varint}, value), bytes) << value;
    EXPECT_EQ(decoded({.id = Id::varint}, "BIGINT", bytes,
                      [](const ColumnView& view) {
                        return std::to_string(view.values<std::int64_t>()[0]);
                      }),
              std::to_string(value));
    EXPECT_EQ(decoded({.id = Id::varint}, "VARCHAR", bytes, kText), std::to_string(value));
  }
  EXPECT_EQ(decoded({.id = Id::varint}, "VARCHAR", "0c9f2c9cd04674edea40000000", kText),
            "1000000000000000000000000000000");
  EXPECT_EQ(decoded({.id = Id::varint}, "VARCHAR", "f360d3632fb98b1215c0000000", kText),
            "-1000000000000000000000000000000");
  EXPECT_EQ(decoded({.id = Id::varint}, "TINYINT", "0080", kText).substr(0, 24),
            "refused: 128 is too larg");
}

TEST(CassandraValues, DecimalsKeepTheirPoint) {
  EXPECT_EQ(encoded("DECIMAL(12,2)", {.id = Id::decimal}, std::int64_t{150}), "000000020096");
  EXPECT_EQ(encoded("DECIMAL(12,2)", {.id = Id::decimal}, std::int64_t{-150}), "00000002ff6a");
  const auto as_text = [](const std::string& bytes) {
    return decoded({.id = Id::decimal}, "VARCHAR", bytes, kText);
  };
  EXPECT_EQ(as_text("0000000000"), "0");
  EXPECT_EQ(as_text("000000020096"), "1.50");
  EXPECT_EQ(as_text("00000002ff6a"), "-1.50");
  EXPECT_EQ(as_text("fffffffd01"), "1000");
  EXPECT_EQ(as_text("0000000401"), "0.0001");
  EXPECT_EQ(as_text("0000000927e41b3246bec9b16e398115"), "12345678901234567890.123456789");
  const auto as_decimal = [](const std::string& bytes) {
    return decoded({.id = Id::decimal}, "DECIMAL(6,3)", bytes, [](const ColumnView& view) {
      return std::to_string(view.values<std::int32_t>()[0]);
    });
  };
  EXPECT_EQ(as_decimal("000000020096"), "1500");
  EXPECT_EQ(as_decimal("fffffffe01"), "100000");
  EXPECT_EQ(as_decimal("0000000403e8"), "100");  // 0.1000
  // 10^38 - 1 with a point after 37 digits: another zero is more than 128 bits hold.
  EXPECT_EQ(decoded({.id = Id::decimal}, "DECIMAL(38,38)",
                    "000000014b3b4ca85a86c47a098a223fffffffff", kText)
                .substr(0, 7),
            "refused");
  EXPECT_EQ(as_decimal("fffffffd01"),
            "refused: 1000 is no DECIMAL(6,3); `types` may name another type");
  EXPECT_EQ(as_decimal("0000000401").substr(0, 15), "refused: 0.0001");
  EXPECT_EQ(as_decimal("7fffffff01").substr(0, 7), "refused");
}

TEST(CassandraValues, TimesAreCountedAsCqlDoes) {
  EXPECT_EQ(encoded("DATE", {.id = Id::date}, std::int32_t{0}), "80000000");
  EXPECT_EQ(encoded("DATE", {.id = Id::date}, std::int32_t{-1}), "7fffffff");
  EXPECT_EQ(encoded("DATE", {.id = Id::date}, std::numeric_limits<std::int32_t>::max()),
            "refused: it is infinite, which CQL can't say");
  EXPECT_EQ(encoded("TIME", {.id = Id::time}, std::int64_t{1}), "00000000000003e8");
  EXPECT_EQ(encoded("TIMESTAMP", {.id = Id::timestamp}, std::int64_t{1'999}), "0000000000000001");
  EXPECT_EQ(encoded("TIMESTAMP", {.id = Id::timestamp}, std::int64_t{-1}), "ffffffffffffffff");
  EXPECT_EQ(encoded("TIMESTAMP_S", {.id = Id::timestamp}, std::int64_t{2}), "00000000000007d0");
  const auto interval = [](std::int32_t months, std::int32_t days, std::int64_t micros) {
    return encoded("INTERVAL", {.id = Id::duration}, Interval{months, days, micros});
  };
  EXPECT_EQ(interval(0, 0, 0), "000000");
  EXPECT_EQ(interval(14, 3, 14'706'500'000), "1c06fc1ac03f6ab200");
  EXPECT_EQ(interval(1, -1, 0).substr(0, 7), "refused");
  EXPECT_EQ(decoded({.id = Id::duration}, "INTERVAL", "f0fffffffef0fffffffefffffffffffffffffe",
                    [](const ColumnView& view) {
                      const auto& value = view.values<Interval>()[0];
                      return std::to_string(value.months) + " " + std::to_string(value.days) + " " +
                             std::to_string(value.micros);
                    }),
            "2147483647 2147483647 9223372036854775");
  EXPECT_EQ(decoded({.id = Id::duration}, "INTERVAL", "f0", kText).substr(0, 7), "refused");
}

TEST(CassandraValues, TextsAndAddresses) {
  EXPECT_EQ(encoded("VARCHAR", {.id = Id::varchar}, "né"), "6ec3a9");
  EXPECT_EQ(encoded("VARCHAR", {.id = Id::ascii}, "né").substr(0, 7), "refused");
  EXPECT_EQ(encoded("VARCHAR", {.id = Id::inet}, "10.0.0.255"), "0a0000ff");
  EXPECT_EQ(encoded("VARCHAR", {.id = Id::inet}, "::1"), "00000000000000000000000000000001");
  EXPECT_EQ(encoded("VARCHAR", {.id = Id::inet}, "home").substr(0, 7), "refused");
  EXPECT_EQ(decoded({.id = Id::inet}, "VARCHAR", "0a0000ff", kText), "10.0.0.255");
  EXPECT_EQ(decoded({.id = Id::varchar}, "VARCHAR", "ff", kText), "refused: it is no valid UTF-8");
  EXPECT_EQ(decoded({.id = Id::int_}, "INTEGER", "ff", kText).substr(0, 7), "refused");
}

TEST(CassandraValues, CollectionsAndRecordsGoBothWays) {
  const std::string sql = "STRUCT(b INTEGER, a MAP(VARCHAR, BIGINT[]))";
  const CqlType cql{
      .id = Id::udt,
      .name = "u",
      .parts = {{.id = Id::map,
                 .parts = {{.id = Id::varchar}, {.id = Id::list, .parts = {{.id = Id::bigint}}}}},
                {.id = Id::int_},
                {.id = Id::varchar}},
      .fields = {"A", "b", "c"}};
  auto column = column_of(sql, [&](auto& to) {
    to.parts()[0]->template values<std::int32_t>()[0] = 7;
    ColumnWriter& map = *to.parts()[1];
    map.begin_list(0);
    for (const char* key : {"x", "y"}) {
      const auto entry = map.add_element(0);
      map.parts()[0]->set_string(entry, key);
      ColumnWriter& list = *map.parts()[1];
      list.begin_list(entry);
      for (std::int64_t i = 0; i < 3; ++i) {
        const auto element = list.add_element(entry);
        list.parts()[0]->template values<std::int64_t>()[element] = i;
      }
    }
  });
  const auto to = ToCql::make(parse_type(sql), cql);
  ASSERT_TRUE(to);
  std::string bytes;
  ASSERT_EQ(to->write(column.view(), 0, bytes), std::nullopt);
  WireReader reader(bytes);
  const auto value = reader.bytes();
  const std::string back = sql_type_for(cql);
  EXPECT_EQ(back, R"(STRUCT("A" MAP(VARCHAR, BIGINT[]), "b" INTEGER, "c" VARCHAR))");
  formats::MemoryColumn read(parse_type(back), 4);
  ASSERT_EQ(FromCql::make(cql, parse_type(back))->read(value, read, 0), std::nullopt);
  const auto view = read.view();
  EXPECT_EQ(view.parts()[1].values<std::int32_t>()[0], 7);
  EXPECT_TRUE(view.parts()[2].is_null(0));
  const auto entries = view.parts()[0].values<ListEntry>()[0];
  ASSERT_EQ(entries.length, 2U);
  EXPECT_EQ(view.parts()[0].parts()[0].string(1), "y");
  EXPECT_EQ(view.parts()[0].parts()[1].parts()[0].values<std::int64_t>()[5], 2);
  for (std::size_t size = 1; size < value->size(); ++size) {
    formats::MemoryColumn torn(parse_type(back), 4);
    (void)FromCql::make(cql, parse_type(back))->read(value->substr(0, size), torn, 0);
  }
  EXPECT_FALSE(ToCql::make(parse_type("STRUCT(z INTEGER)"), cql));
  EXPECT_FALSE(
      ToCql::make(parse_type("INTEGER[]"), {.id = Id::list, .parts = {{.id = Id::varchar}}}));
}

TEST(CassandraValues, VectorsHaveOneSize) {
  const CqlType cql{.id = Id::vector, .parts = {{.id = Id::float_}}, .dimension = 2};
  auto column = column_of("FLOAT[]", [](auto& to) {
    for (std::size_t row = 0; row < 2; ++row) {
      to.begin_list(row);
      for (std::size_t i = 0; i <= row; ++i) {
        const auto element = to.add_element(row);
        to.parts()[0]->template values<float>()[element] = 1.5F;
      }
    }
  });
  const auto to = ToCql::make(parse_type("FLOAT[]"), cql);
  std::string bytes;
  EXPECT_EQ(to->write(column.view(), 0, bytes), "1 elements, and the vector has 2");
  bytes.clear();
  ASSERT_EQ(to->write(column.view(), 1, bytes), std::nullopt);
  EXPECT_EQ(hex(bytes), "000000083fc000003fc00000");
}

TEST(CassandraValues, TypesOfATableThatIsMade) {
  const auto type_for = [](const char* sql) { return cql_type_for(parse_type(sql)); };
  EXPECT_EQ(type_for("UINTEGER"), "bigint");
  EXPECT_EQ(type_for("UBIGINT"), "varint");
  EXPECT_EQ(type_for("TIMESTAMP WITH TIME ZONE"), "timestamp");
  EXPECT_EQ(type_for("VARCHAR[][]"), "list<frozen<list<text>>>");
  EXPECT_EQ(type_for("MAP(VARCHAR, STRUCT(a INTEGER, b DATE))"),
            "map<text, frozen<tuple<int, date>>>");
  EXPECT_EQ(type_for("ENUM('a')"), "");
}

TEST(CassandraValues, KeysAreReadFromText) {
  const auto parsed = [](Id id, std::string_view text) {
    const auto bytes = parse_value({.id = id}, text);
    return bytes ? hex(*bytes) : "none";
  };
  EXPECT_EQ(parsed(Id::int_, "-2"), "fffffffe");
  EXPECT_EQ(parsed(Id::tinyint, "128"), "none");
  EXPECT_EQ(parsed(Id::bigint, "7"), "0000000000000007");
  EXPECT_EQ(parsed(Id::varchar, "ann"), "616e6e");
  EXPECT_EQ(parsed(Id::uuid, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
            "f81d4fae7dec11d0a76500a0c91e6bf6");
  EXPECT_EQ(parsed(Id::date, "1970-01-01"), "80000000");
  EXPECT_EQ(parsed(Id::timestamp, "1970-01-01T00:00:01Z"), "00000000000003e8");
}

/// A collection of these bytes, "01" and so on; of a map, keys and values in turn.
std::string collection(std::initializer_list<std::string_view> elements, std::int32_t count) {
  std::string bytes;
  put(count, bytes);
  for (const auto element : elements) {
    put_bytes(unhex(element), bytes);
  }
  return bytes;
}

TEST(SameValue, SetsAndMapsHaveNoOrder) {
  const CqlType blob{.id = Id::blob};
  const CqlType set{.id = Id::set, .parts = {blob}};
  const CqlType list{.id = Id::list, .parts = {blob}};
  const CqlType map{.id = Id::map, .parts = {blob, blob}};
  const auto ab = collection({"aa", "bb"}, 2);
  const auto ba = collection({"bb", "aa"}, 2);
  EXPECT_TRUE(is_same_value(set, ab, ba));
  EXPECT_TRUE(is_same_value(set, collection({"bb", "aa", "bb"}, 3), ab)) << "kept once";
  EXPECT_FALSE(is_same_value(set, ab, collection({"aa", "bc"}, 2))) << "as many, but others";
  EXPECT_FALSE(is_same_value(set, ab, collection({"aabb"}, 1)));
  EXPECT_FALSE(is_same_value(list, ab, ba));
  const auto one_two = collection({"01", "aa", "02", "bb"}, 2);
  EXPECT_TRUE(is_same_value(map, one_two, collection({"02", "bb", "01", "aa"}, 2)));
  EXPECT_FALSE(is_same_value(map, one_two, collection({"01", "bb", "02", "aa"}, 2)));
  for (const auto& type : {set, list, map}) {
    EXPECT_TRUE(is_same_value(type, collection({}, 0), std::nullopt)) << "no empty value is kept";
    EXPECT_FALSE(is_same_value(type, one_two, std::nullopt));
    EXPECT_FALSE(is_same_value(type, one_two, one_two.substr(0, 9))) << "cut short";
  }
  EXPECT_FALSE(is_same_value(blob, unhex("aa"), std::nullopt));
  EXPECT_FALSE(is_same_value(blob, unhex(""), std::nullopt));
}

TEST(SameValue, PartsOfOtherValues) {
  const CqlType blob{.id = Id::blob};
  const CqlType sets{.id = Id::list, .parts = {{.id = Id::set, .parts = {blob}}}};
  const auto in_list = [](const std::string& set) {
    std::string bytes;
    put(std::int32_t{1}, bytes);
    put_bytes(set, bytes);
    return bytes;
  };
  EXPECT_TRUE(is_same_value(sets, in_list(collection({"aa", "bb"}, 2)),
                            in_list(collection({"bb", "aa"}, 2))));
  const CqlType udt{.id = Id::udt, .name = "u", .parts = {blob, blob}, .fields = {"a", "b"}};
  std::string before;
  put_bytes(unhex("01"), before);
  auto after = before;
  put_null(after);
  EXPECT_TRUE(is_same_value(udt, before, after)) << "a field that the type has got since";
  put_bytes(unhex("02"), before);
  EXPECT_FALSE(is_same_value(udt, before, after));
}

}  // namespace
}  // namespace millrace::cassandra
