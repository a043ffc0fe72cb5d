#include "formats/debezium/json_decoder.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>

#include "formats/debezium/testing.h"

namespace millrace::debezium {
namespace {

Events events(const Schema& schema, const json::DecoderOptions& options = {},
              bool is_framed = false) {
  return {schema, std::make_unique<JsonChangeDecoder>(schema, options, is_framed)};
}

Schema customers() {
  return columns({{"id", "INTEGER"}, {"first_name", "VARCHAR"}, {"email", "VARCHAR"}});
}

// What MySQL's connector writes about the customers of Debezium's tutorial.
constexpr auto kMySqlSource =
    R"("source":{"version":"2.7.0.Final","connector":"mysql","name":"shop","ts_ms":1486501486000,)"
    R"("snapshot":"false","db":"inventory","table":"customers","server_id":223344,"gtid":null,)"
    R"("file":"mysql-bin.000003","pos":484,"row":0,"thread":7,"query":null})";

std::string mysql(const std::string& before, const std::string& after, const std::string& op) {
  return R"({"before":)" + before + R"(,"after":)" + after + "," + kMySqlSource +
         R"(,"transaction":null,"op":")" + op +
         R"(","ts_ms":1486501486308,"ts_us":1486501486308910,"ts_ns":1486501486308910814})";
}

/// The row of a table, as most of these tests look at it.
Json short_row(Json row) {
  if (row.is_object()) {
    row.erase("source");
    row.erase("time");
  }
  return row;
}

TEST(JsonChangesTest, WhatMySqlTells) {
  auto rows = events(customers());
  const std::string anne = R"({"id":1004,"first_name":"Anne","email":"annek@noanswer.org"})";
  const std::string marie = R"({"id":1004,"first_name":"Anne Marie","email":"annek@noanswer.org"})";
  EXPECT_EQ(rows.read(mysql("null", anne, "c")),
            Json({{"id", 1004},
                  {"first_name", "Anne"},
                  {"email", "annek@noanswer.org"},
                  {"op", "c"},
                  {"time", 1486501486000},
                  {"source", Json::parse("{" + std::string(kMySqlSource) + "}")["source"]}}));
  const Json updated = rows.read(mysql(anne, marie, "u"));
  EXPECT_EQ(updated["op"], "u");
  EXPECT_EQ(updated["first_name"], "Anne Marie");
  const Json removed = rows.read(R"({"id":1004})", mysql(marie, "null", "d"));
  EXPECT_EQ(removed["op"], "d");
  EXPECT_EQ(removed["first_name"], "Anne Marie");
  EXPECT_EQ(rows.read(R"({"id":1004})", std::nullopt), Json());
  EXPECT_EQ(rows.read(mysql("null", anne, "r"))["op"], "r");
}

TEST(JsonChangesTest, AnUpdateOfTheKeyIsARemovalATombstoneAndACreation) {
  auto rows = events(columns({{"id", "INTEGER"}, {"email", "VARCHAR"}}));
  const auto removed =
      rows.read(R"({"id":1})", R"({"before":{"id":1,"email":"a"},"after":null,"op":"d"})");
  EXPECT_EQ(removed, Json({{"id", 1}, {"email", "a"}, {"op", "d"}}));
  EXPECT_TRUE(rows.read(R"({"id":1})", std::nullopt).is_null());
  const auto made =
      rows.read(R"({"id":2})", R"({"before":null,"after":{"id":2,"email":"a"},"op":"c"})");
  EXPECT_EQ(made, Json({{"id", 2}, {"email", "a"}, {"op", "c"}}));
}

// PostgreSQL tells of a row that is gone no more than its REPLICA IDENTITY has.
TEST(JsonChangesTest, WhatBeforeDoesNotHaveComesFromTheKey) {
  auto rows = events(columns({{"id", "INTEGER"}, {"Region", "VARCHAR"}, {"email", "VARCHAR"}}));
  const Json of_key = {{"id", 7}, {"Region", "eu"}, {"email", nullptr}, {"op", "d"}};
  const std::string key = R"({"id":7,"region":"eu"})";
  EXPECT_EQ(rows.read(key, R"({"before":null,"after":null,"op":"d"})"), of_key);
  EXPECT_EQ(rows.read(key, R"({"after":null,"op":"d"})"), of_key);
  EXPECT_EQ(rows.read(key, R"({"before":{"id":7},"op":"d"})"), of_key);
  EXPECT_EQ(rows.read(R"({"schema":{"type":"struct"},"payload":)" + key + "}",
                      R"({"before":{},"op":"d"})"),
            of_key);
  // What `before` says counts, NULL too.
  EXPECT_EQ(rows.read(R"({"id":8,"region":"us","email":"x"})",
                      R"({"before":{"id":7,"region":null,"email":"a"},"op":"d"})"),
            Json({{"id", 7}, {"Region", nullptr}, {"email", "a"}, {"op", "d"}}));
  const Json nothing = {{"id", nullptr}, {"Region", nullptr}, {"email", nullptr}, {"op", "d"}};
  for (const char* other : {"7", "\"7\"", "plain text", "", "[7]", "{}"}) {
    EXPECT_EQ(rows.read(other, R"({"before":null,"op":"d"})"), nothing) << other;
  }
  EXPECT_EQ(rows.read(R"({"before":null,"op":"d"})"), nothing);
  EXPECT_EQ(rows.read(R"({"id":)", R"({"before":null,"op":"d"})"),
            "key: the message's key: the record ends too early");
  EXPECT_EQ(rows.read(R"({"id":"x"})", R"({"before":null,"op":"d"})"),
            "id: the message's key: `\"x\"` is no INTEGER");
}

TEST(JsonChangesTest, WhatIsNoRow) {
  auto rows = events(customers());
  for (const char* message : {"", "null", R"({"schema":null,"payload":null})",
                              R"({"op":"m","message":{"content":"x"}})"}) {
    EXPECT_TRUE(rows.read(message).is_null()) << message;
  }
  EXPECT_TRUE(rows.read("1", std::nullopt).is_null());
}

TEST(JsonChangesTest, WhatIsMalformed) {
  auto rows = events(customers());
  EXPECT_EQ(rows.read(R"({"op":"t","source":{}})"),
            "op: the table was truncated (op t), which no row can tell: what is kept of it has to "
            "be made anew");
  EXPECT_EQ(rows.read(R"({"id":1,"first_name":"a"})"),
            "op: the message is no Debezium envelope: no `op`");
  EXPECT_EQ(rows.read(R"({"op":"c","after":{"id":"x"}})"), "id: `\"x\"` is no INTEGER");
  EXPECT_EQ(rows.read(R"({"op":"c","after":null})"), "after: it is no object");
  EXPECT_EQ(rows.read(R"({"op":"d","before":{"id":1.5}})"),
            "id: `1.5` has more digits behind the point than INTEGER");
  EXPECT_EQ(rows.read(R"({"op":"c","after":{"id":1},"source":{"ts_ms":"x"}})"),
            "source.ts_ms: it is no number of milliseconds");
  EXPECT_EQ(short_row(rows.read(R"({"op":"c","after":{"id":1}})"))["id"], 1) << "goes on";
}

// Without a schema a number means what the column's type and `timestamp_unit` say.
TEST(JsonChangesTest, WithoutASchemaTheColumnsTypesCount) {
  const auto schema = columns({{"d", "DATE"},
                               {"t", "TIMESTAMP"},
                               {"z", "TIMESTAMP WITH TIME ZONE"},
                               {"a", "DECIMAL(9,2)"},
                               {"b", "DECIMAL(9,2)"}});
  auto rows = events(schema, {.timestamp_unit = json::TimestampUnit::microseconds});
  EXPECT_EQ(rows.read(R"({"op":"c","after":{"d":19782,"t":1709210096789000,)"
                      R"("z":"2024-02-29T12:34:56.789Z","a":"12.50","b":12.5}})"),
            Json({{"d", 19782},
                  {"t", 1709210096789000},
                  {"z", 1709210096789000},
                  {"a", "12.50"},
                  {"b", "12.50"},
                  {"op", "c"}}));
}

/// An event of one column `v` with the schema that JsonConverter writes around it.
std::string wrapped(const std::string& type, const std::string& value) {
  const std::string record =
      R"({"type":"struct","optional":true,"name":"shop.t.Value","fields":[)" +
      std::string(R"({"field":"v","optional":true,)") + type + "}]";
  return R"({"schema":{"type":"struct","name":"shop.t.Envelope","fields":[)" + record +
         R"(,"field":"before"},)" + record +
         R"(,"field":"after"},{"type":"string","field":"op"}]},"payload":{"before":null,"after":{"v":)" +
         value + R"(},"op":"c","ts_ms":1}})";
}

std::string value_as(const char* sql_type, const std::string& type, const std::string& value) {
  auto rows = events(columns({{"v", sql_type}}));
  const Json row = rows.read(wrapped(type, value));
  return row.is_object() ? row["v"].dump() : row.get<std::string>();
}

std::string named(const std::string& type, const std::string& name) {
  return R"("type":")" + type + R"(","name":")" + name + R"(","version":1)";
}

TEST(JsonChangesTest, WithASchemaTimesAreWhatItSays) {
  const std::string debezium = "io.debezium.time.";
  const std::string connect = "org.apache.kafka.connect.data.";
  for (const auto& name : {debezium + "Date", connect + "Date"}) {
    EXPECT_EQ(value_as("DATE", named("int32", name), "19782"), "19782");
    EXPECT_EQ(value_as("TIMESTAMP", named("int32", name), "-1"), "-86400000000");
    EXPECT_EQ(value_as("INTEGER", named("int32", name), "19782"), "19782");
    EXPECT_EQ(value_as("TIME", named("int32", name), "19782"), "v: `\"2024-02-29\"` is no TIME");
  }
  EXPECT_EQ(value_as("TIME", named("int32", debezium + "Time"), "45296789"), "45296789000");
  EXPECT_EQ(value_as("TIME", named("int32", connect + "Time"), "45296789"), "45296789000");
  EXPECT_EQ(value_as("TIME", named("int64", debezium + "MicroTime"), "45296789012"), "45296789012");
  EXPECT_EQ(value_as("TIME", named("int64", debezium + "NanoTime"), "45296789012345"),
            "45296789012");
  EXPECT_EQ(value_as("TIME", named("string", debezium + "ZonedTime"), "\"12:34:56Z\""),
            "45296000000");
  const std::string micros = "1709210096789012";
  EXPECT_EQ(value_as("TIMESTAMP", named("int64", debezium + "Timestamp"), "1709210096789"),
            "1709210096789000");
  EXPECT_EQ(value_as("TIMESTAMP", named("int64", connect + "Timestamp"), "-1"), "-1000");
  EXPECT_EQ(value_as("TIMESTAMP", named("int64", debezium + "MicroTimestamp"), micros), micros);
  EXPECT_EQ(value_as("TIMESTAMP_NS", named("int64", debezium + "NanoTimestamp"), micros + "345"),
            micros + "345");
  EXPECT_EQ(value_as("BIGINT", named("int64", debezium + "MicroTimestamp"), micros), micros);
  EXPECT_EQ(value_as("TIMESTAMP WITH TIME ZONE", named("string", debezium + "ZonedTimestamp"),
                     "\"2024-02-29T12:34:56.789012Z\""),
            micros);
  EXPECT_EQ(value_as("TIMESTAMP", named("int64", debezium + "MicroTimestamp"), "null"), "null");
}

TEST(JsonChangesTest, ATimeThatDoesNotFitIsMalformed) {
  const auto micros = named("int64", "io.debezium.time.MicroTimestamp");
  EXPECT_EQ(value_as("TIMESTAMP", micros, "9223372036825200000"), "v: a time that is out of range");
  EXPECT_EQ(value_as("TIMESTAMP", micros, "-9223372036854775808"),
            "v: a time that is out of range");
  EXPECT_EQ(value_as("TIMESTAMP", micros, "9223372036854775808"),
            "v: it is no whole number, which its type of times is");
  EXPECT_EQ(value_as("TIMESTAMP", micros, "\"x\""),
            "v: it is no whole number, which its type of times is");
  EXPECT_EQ(value_as("DATE", micros, "1"), "v: `\"1970-01-01T00:00:00.000001\"` is no DATE");
  EXPECT_EQ(value_as("DATE", named("int32", "io.debezium.time.Date"), "9223372036854775807"),
            "v: a time that is out of range");
  EXPECT_EQ(value_as("TIME", named("int64", "io.debezium.time.MicroTime"), "-1"),
            "v: a time that is out of range");
}

std::string decimal(const std::string& scale) {
  return R"("type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,)"
         R"("parameters":{"scale":")" +
         scale + R"(","connect.decimal.precision":"10"})";
}

TEST(JsonChangesTest, WithASchemaDecimalsAreTheirDigits) {
  EXPECT_EQ(value_as("DECIMAL(9,2)", decimal("2"), "\"MDk=\""), "\"123.45\"");  // 0x3039
  EXPECT_EQ(value_as("DECIMAL(9,2)", decimal("2"), "\"/w==\""), "\"-0.01\"");
  EXPECT_EQ(value_as("DECIMAL(9,2)", decimal("2"), R"("\/w==")"), "\"-0.01\"");
  EXPECT_EQ(value_as("DECIMAL(9,2)", decimal("0"), "\"AA==\""), "\"0.00\"");
  EXPECT_EQ(value_as("DECIMAL(9,2)", decimal("-3"), "\"AQ==\""), "\"1000.00\"");
  EXPECT_EQ(value_as("VARCHAR", decimal("4"), "\"/w==\""), "\"-0.0001\"");
  EXPECT_EQ(value_as("DOUBLE", decimal("2"), "\"MDk=\""), "123.45");
  EXPECT_EQ(value_as("BLOB", decimal("2"), "\"MDk=\""), "\"3039\"");
  EXPECT_EQ(value_as("DECIMAL(9,2)", decimal("2"), "123.45"), "\"123.45\"");
  EXPECT_EQ(value_as("DECIMAL(9,2)", decimal("2"), "null"), "null");
  // The least number of 128 bits.
  EXPECT_EQ(value_as("VARCHAR", decimal("1"), "\"gAAAAAAAAAAAAAAAAAAAAA==\""),
            "\"-17014118346046923173168730371588410572.8\"");
  const std::string variable = named("struct", "io.debezium.data.VariableScaleDecimal");
  EXPECT_EQ(value_as("DECIMAL(9,2)", variable, R"({"scale":1,"value":"MDk="})"), "\"1234.50\"");
  EXPECT_EQ(value_as("VARCHAR", variable, R"({"scale":1,"value":"MDk="})"), "\"1234.5\"");
}

TEST(JsonChangesTest, WhatIsNoDecimalIsMalformed) {
  const std::string none = "v: it is no decimal of up to 38 digits in base64";
  EXPECT_EQ(value_as("DECIMAL(9,2)", decimal("2"), "\"\""), none);
  EXPECT_EQ(value_as("DECIMAL(9,2)", decimal("2"), "\"M\""), none);
  EXPECT_EQ(value_as("DECIMAL(9,2)", decimal("2"), "\"AQAAAAAAAAAAAAAAAAAAAAAA\""), none);
  EXPECT_EQ(value_as("DECIMAL(9,2)", decimal("39"), "\"AQ==\""),
            "v: a decimal whose schema has no scale from -38 to 38");
  EXPECT_EQ(value_as("DECIMAL(4,2)", decimal("2"), "\"MDk=\""),
            "v: `123.45` is out of range for DECIMAL(4,2)");
  const std::string variable = named("struct", "io.debezium.data.VariableScaleDecimal");
  for (const char* value : {R"({"scale":39,"value":"AQ=="})", R"({"value":"AQ=="})", "{}", "1",
                            "[]", R"({"scale":"1","value":1})", "\"AQ==\""}) {
    EXPECT_EQ(value_as("DECIMAL(9,2)", variable, value), none) << value;
  }
}

// The first message of another schema must not be read by what the last one said.
TEST(JsonChangesTest, EachMessageIsReadByItsOwnSchema) {
  auto rows = events(columns({{"v", "TIMESTAMP"}}));
  for (int i = 0; i < 200; ++i) {
    const std::string padding = R"(,"doc":")" + std::to_string(i) + "\"";
    EXPECT_EQ(rows.read(wrapped(named("int64", "io.debezium.time.MicroTimestamp") + padding,
                                "1000"))["v"],
              1000);
    EXPECT_EQ(
        rows.read(wrapped(named("int64", "io.debezium.time.Timestamp") + padding, "1000"))["v"],
        1'000'000);
    EXPECT_EQ(rows.read(R"({"op":"c","after":{"v":1000}})")["v"], 1'000'000);
  }
}

TEST(JsonChangesTest, ARemovedRowIsReadByTheSchemasOfItsPartAndKey) {
  auto rows = events(columns({{"d", "DATE"}, {"at", "TIMESTAMP"}}));
  const std::string at = named("int64", "io.debezium.time.MicroTimestamp");
  const std::string key = R"({"schema":{"type":"struct","fields":[{"field":"at",)" + at +
                          R"(}]},"payload":{"at":1000}})";
  EXPECT_EQ(rows.read(key, R"({"schema":{"fields":[{"field":"before","fields":[{"field":"d",)" +
                               named("int32", "io.debezium.time.Date") +
                               R"(}]}]},"payload":{"before":{"d":3},"op":"d"}})"),
            Json({{"d", 3}, {"at", 1000}, {"op", "d"}}));
}

TEST(JsonChangesTest, KeysThatAreNoColumnsAreRescued) {
  const auto schema = columns({{"id", "INTEGER"}, {"more", "VARCHAR"}});
  auto rows = events(schema, {.rescue_column = "more"});
  for (const char* message :
       {R"({"op":"c","after":{"id":1,"x":2}})", R"({"op":"d","before":{"id":1,"x":2}})"}) {
    EXPECT_EQ(rows.read(R"({"id":1})", message)["more"], R"({"x":2})") << message;
  }
}

TEST(JsonChangesTest, FramedMessages) {
  auto rows = events(columns({{"id", "INTEGER"}}), {}, true);
  const std::string frame("\0\0\0\0\7", 5);
  EXPECT_EQ(rows.read(frame + R"({"op":"c","after":{"id":1}})")["id"], 1);
  EXPECT_EQ(rows.read(frame + R"({"id":2})", frame + R"({"op":"d","before":null})")["id"], 2);
  EXPECT_TRUE(rows.read(frame, std::nullopt).is_null());
  EXPECT_TRUE(rows.read(R"({"op":"c","after":{"id":1}})").is_string());
}

// Lists are written one behind the other: a row that fails half way must leave nothing.
TEST(JsonChangesTest, ListsOfRemovedAndMalformedRows) {
  auto rows = events(columns({{"l", "INTEGER[]"}, {"m", "MAP(VARCHAR, INTEGER)"}}));
  EXPECT_EQ(rows.read(R"({"op":"c","after":{"l":[1,2],"m":{"a":1}}})")["l"], Json({1, 2}));
  EXPECT_TRUE(rows.read(R"({"op":"c","after":{"l":[3,4],"m":{"a":"x"}}})").is_string());
  const auto removed = rows.read("{}", R"({"op":"d","before":{"l":[5]}})");
  EXPECT_EQ(removed["l"], Json({5}));
  EXPECT_TRUE(removed["m"].is_null());
  EXPECT_EQ(rows.read(R"({"op":"u","after":{"l":[6],"m":{"b":2}}})")["l"], Json({6}));
}

/// Damages a text: some bytes changed, removed or doubled, or the end cut off.
std::string damaged(std::string text, std::mt19937& random) {
  constexpr std::string_view kBytes = "{}[]\",:\\0-9eE.nulltf \x00\xff\x80";
  for (std::size_t hits = 1 + random() % 3; hits > 0 && !text.empty(); --hits) {
    const std::size_t at = random() % text.size();
    switch (random() % 4) {
      case 0:
        text[at] = kBytes[random() % kBytes.size()];
        break;
      case 1:
        text.erase(at, 1 + random() % 8);
        break;
      case 2:
        text.insert(at, text.substr(random() % text.size(), 1 + random() % 20));
        break;
      default:
        text.resize(random() % 8 == 0 ? at : text.size());
        break;
    }
  }
  return text;
}

// Whatever comes, it is a row, none, or malformed; and what comes after it is read as ever.
TEST(JsonChangesTest, DamageIsOutlived) {
  const auto schema =
      columns({{"id", "INTEGER"}, {"v", "DECIMAL(9,2)"}, {"at", "TIMESTAMP"}, {"l", "VARCHAR[]"}});
  const std::string key =
      R"({"schema":{"type":"struct","fields":[{"type":"int32","field":"id"}]},"payload":{"id":7}})";
  const std::string fields = R"("fields":[{"type":"int32","field":"id"},{"field":"v",)" +
                             decimal("2") + R"(},{"field":"at",)" +
                             named("int64", "io.debezium.time.MicroTimestamp") + "}]";
  const std::string row = R"({"id":7,"v":"MDk=","at":1709210096789012,"l":["a","é\n"]})";
  const std::string event = R"({"schema":{"fields":[{"field":"before",)" + fields +
                            R"(},{"field":"after",)" + fields + R"(}]},"payload":{"before":)" +
                            row + R"(,"after":)" + row +
                            R"(,"source":{"ts_ms":5},"op":"u","ts_ms":6}})";
  std::string removal = event;
  removal.replace(removal.find(R"("op":"u")"), 8, R"("op":"d")");
  const std::array originals{event, removal, mysql("null", R"({"id":7})", "d")};
  std::mt19937 random(20);
  std::size_t read = 0;
  std::size_t refused = 0;
  for (int round = 0; round < 10; ++round) {
    auto rows = events(schema);
    for (int i = 0; i < 150; ++i) {
      const auto& original = originals[random() % originals.size()];
      const Json result =
          rows.read(random() % 2 == 0 ? damaged(key, random) : key, damaged(original, random));
      (result.is_string() ? refused : read) += 1;
    }
    EXPECT_EQ(rows.read(key, event)["v"], "123.45");
    EXPECT_EQ(rows.read(key, removal)["l"], Json({"a", "é\n"}));
  }
  EXPECT_GT(read, 50U);
  EXPECT_GT(refused, 500U);
}

}  // namespace
}  // namespace millrace::debezium
