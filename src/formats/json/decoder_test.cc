#include "formats/json/decoder.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "formats/json/test_rows.h"

namespace millrace::json {
namespace {

using nlohmann::json;

json malformed(const std::string& why) { return {{"malformed", why}}; }

TEST(JsonDecoderTest, KeysInAnyOrderAndMissingOnes) {
  Rows rows(Columns{{"a", "INTEGER"}, {"b", "VARCHAR"}, {"c", "DOUBLE"}});
  EXPECT_EQ(rows.read(R"({"a":1,"b":"x","c":0.5})"), json({{"a", 1}, {"b", "x"}, {"c", 0.5}}));
  EXPECT_EQ(rows.read(R"({"c":1,"a":2,"b":null})"), json({{"a", 2}, {"b", nullptr}, {"c", 1.0}}));
  EXPECT_EQ(rows.read(R"({"c":2,"a":3})"), json({{"a", 3}, {"b", nullptr}, {"c", 2.0}}));
  EXPECT_EQ(rows.read(R"({"x":{"a":7},"b":"y","z":[1]})"),
            json({{"a", nullptr}, {"b", "y"}, {"c", nullptr}}));
  EXPECT_EQ(rows.read("{}"), json({{"a", nullptr}, {"b", nullptr}, {"c", nullptr}}));
  EXPECT_EQ(rows.read(" \t\r\n{ \"a\" : 1 , \"b\" : \"x\" } \n")["b"], "x");
}

TEST(JsonDecoderTest, OfAKeyThatIsThereTwiceTheFirstCounts) {
  Rows rows(Columns{{"a", "INTEGER"}, {"m", "MAP(VARCHAR, INTEGER)"}, {"s", "STRUCT(x INTEGER)"}});
  EXPECT_EQ(rows.read(R"({"a":1,"a":2,"a":"no number"})")["a"], 1);
  EXPECT_EQ(rows.read(R"({"a":null,"a":2})")["a"], nullptr);
  EXPECT_EQ(rows.read(R"({"m":{"k":1,"\u006b":2}})")["m"], json({{"k", 1}}));
  EXPECT_EQ(rows.read(R"({"s":{"x":1,"x":2},"s":{"x":3}})")["s"], json({{"x", 1}}));
  EXPECT_EQ(rows.read(R"({"a":1,"a":01})"), malformed(": unexpected `01` at byte 11"));
}

TEST(JsonDecoderTest, KeysWithEscapes) {
  Rows rows(
      Columns{{"näme", "INTEGER"}, {"a\"b\\c", "INTEGER"}, {"n\\n", "INTEGER"}, {"", "INTEGER"}});
  EXPECT_EQ(rows.read(R"({"n\u00e4me":1,"a\"b\\c":2,"n\\n":3,"":4})"),
            json({{"näme", 1}, {"a\"b\\c", 2}, {"n\\n", 3}, {"", 4}}));
  // n\n is a letter and a new line, not the name with a backslash in it.
  EXPECT_EQ(rows.read(R"({"n\n":3})")["n\\n"], nullptr);
  EXPECT_EQ(rows.read(R"({"\q":3})"), malformed(": an escape that is none in a key at byte 1"));
}

TEST(JsonDecoderTest, KeysInAnotherCase) {
  Rows rows(Columns{{"userId", "INTEGER"}, {"s", "STRUCT(\"Key\" INTEGER)"}});
  EXPECT_EQ(rows.read(R"({"USERID":1})")["userId"], 1);
  EXPECT_EQ(rows.read(R"({"USERID":1,"userId":2,"userid":3})")["userId"], 2);
  EXPECT_EQ(rows.read(R"({"USERID":1,"USERID":2})")["userId"], 1);
  EXPECT_EQ(rows.read(R"({"S":{"KEY":5},"userid":1})"), json({{"userId", 1}, {"s", {{"Key", 5}}}}));
  EXPECT_EQ(rows.read(R"({"USERID":1,"userid":2})"),
            malformed("userId: keys \"USERID\" and \"userid\" could both be it"));
  EXPECT_EQ(rows.read(R"({"USERID":"x"})"), malformed("userId: `\"x\"` is no INTEGER"));
  // What went wrong before has left nothing behind.
  EXPECT_EQ(rows.read(R"({"userid":4})")["userId"], 4);

  Rows exact(Columns{{"userId", "INTEGER"}}, {.ignore_case = false});
  EXPECT_EQ(exact.read(R"({"USERID":1,"userid":2})")["userId"], nullptr);
}

TEST(JsonDecoderTest, OtherKeysAreRescued) {
  Rows rows(Columns{{"a", "INTEGER"}, {"rest", "VARCHAR"}}, {.rescue_column = "rest"});
  EXPECT_EQ(rows.read(R"({"a":1})"), json({{"a", 1}, {"rest", nullptr}}));
  EXPECT_EQ(rows.read(R"({"b": [1, {"c":"\n"}] ,"a":1,"d\"e":null,"rest":2,"REST":3})"),
            json({{"a", 1}, {"rest", R"({"b":[1, {"c":"\n"}],"d\"e":null,"rest":2,"REST":3})"}}));
  EXPECT_EQ(rows.read(R"({"a":2})"), json({{"a", 2}, {"rest", nullptr}}));
  EXPECT_THROW(Rows(Columns{{"a", "INTEGER"}}, {.rescue_column = "a"}), Error);
  EXPECT_THROW(Rows(Columns{{"a", "INTEGER"}}, {.rescue_column = "b"}), Error);
}

TEST(JsonDecoderTest, OtherKeysOfStructsAreRescuedUnderTheirNames) {
  Rows rows(Columns{{"rest", "VARCHAR"},
                    {"s", R"(STRUCT(a INTEGER, "q\" STRUCT(b INTEGER, l STRUCT(c INTEGER)[])))"}},
            {.rescue_column = "rest"});
  const auto rescued = [&](const char* record) { return rows.read(record)["rest"]; };
  EXPECT_EQ(rescued(R"({"s":{"a":1,"q\\":{"b":2,"l":[{"c":1,"new":2}]}}})"), nullptr)
      << "what is new in a list has no place";
  EXPECT_EQ(rescued(R"({"s":{"zip":"1"},"x":2})"), R"({"s":{"zip":"1"},"x":2})");
  EXPECT_EQ(rescued(R"({"x":2,"S":{"Q\\":{"y":[1],"b":3,"z":null},"a":1,"rest":4}})"),
            R"({"x":2,"s":{"rest":4,"q\\":{"y":[1],"z":null}}})");
  EXPECT_EQ(rows.read(R"({"s":{"zip":"1","a":7,"q\\":null},"s":{"zip":"2"}})"),
            json({{"rest", R"({"s":{"zip":"1"}})"}, {"s", {{"a", 7}, {"q\\", nullptr}}}}));
  EXPECT_EQ(rows.read(R"({"s":{"zip":"1","a":"x"}})"), malformed("s.a: `\"x\"` is no INTEGER"));
  EXPECT_EQ(rescued(R"({"s":{"a":1}})"), nullptr);
}

// What is rescued does not depend on which of the other columns are read.
TEST(JsonDecoderTest, KeysAreRescuedFromColumnsThatNobodyReads) {
  const Schema schema =
      schema_of(Columns{{"s", "STRUCT(a INTEGER, t STRUCT(b INTEGER))"}, {"rest", "VARCHAR"}});
  testing::MemoryColumns columns(schema);
  Decoder decoder(schema, {.rescue_column = "rest"});
  const char* const record = R"({"s":{"x":1,"a":"no number","t":{"y":2,"b":3}},"z":4})";
  decoder.begin(std::vector<ColumnWriter*>{nullptr, columns.writers()[1]});
  EXPECT_FALSE(decoder.decode(record, 0));
  EXPECT_FALSE(decoder.decode(R"({"s":[1],"z":4})", 1));
  EXPECT_EQ(columns.row(0)["rest"], R"({"s":{"x":1,"t":{"y":2}},"z":4})");
  EXPECT_EQ(columns.row(1)["rest"], R"({"z":4})");
  decoder.begin(std::vector<ColumnWriter*>{nullptr, nullptr});
  EXPECT_FALSE(decoder.decode(record, 2));
}

TEST(JsonDecoderTest, OtherKeysAreAChangeOfTheSchema) {
  const Schema schema = schema_of(Columns{{"a", "INTEGER"}, {"s", "STRUCT(b INTEGER)[]"}});
  testing::MemoryColumns columns(schema);
  Decoder decoder(schema, {.refuse_unknown = true});
  decoder.begin(columns.writers());
  EXPECT_FALSE(decoder.decode(R"({"A":1,"s":[{"b":2},null]})", 0));
  const auto change = decoder.decode(R"({"a":1,"s":[{},{"b":2,"c\u0031":{"x":[]}}]})", 1);
  ASSERT_TRUE(change);
  EXPECT_TRUE(change->is_schema_change);
  EXPECT_EQ(change->column, "s[1].c1");
  // Damage after it counts more, and the next record is another one.
  for (const char* damaged : {R"({"x":1)", R"({"x":1} 2)", R"({"x":1,"a":tru})"}) {
    const auto why = decoder.decode(damaged, 1);
    ASSERT_TRUE(why);
    EXPECT_FALSE(why->is_schema_change) << damaged;
  }
  EXPECT_FALSE(decoder.decode(R"({"a":"x"})", 1)->is_schema_change);
  EXPECT_FALSE(decoder.decode(R"({"a":1})", 1));
}

TEST(JsonDecoderTest, NestedValues) {
  Rows rows(Columns{{"o",
                     "STRUCT(id BIGINT, items STRUCT(sku VARCHAR, price DECIMAL(10,2), tags "
                     "VARCHAR[])[], attrs MAP(VARCHAR, STRUCT(n INTEGER)[]))"}});
  const json order = rows.read(
      R"({"o":{"id":1,"items":[{"sku":"a","price":1.5,"tags":["x","longer than twelve"]},null,)"
      R"({"price":"2","sku":null,"tags":[]},{}],"attrs":{"k":[{"n":1},{}],"e":[],"z":null}}})");
  EXPECT_EQ(order["o"]["items"], json::parse(R"([
      {"sku":"a","price":"1.50","tags":["x","longer than twelve"]}, null,
      {"sku":null,"price":"2.00","tags":[]}, {"sku":null,"price":null,"tags":null}])"));
  EXPECT_EQ(order["o"]["attrs"], json::parse(R"({"k":[{"n":1},{"n":null}],"e":[],"z":null})"));
  EXPECT_EQ(rows.read(R"({"o":null})")["o"], nullptr);
  EXPECT_EQ(rows.read(R"({"o":{}})")["o"],
            json({{"id", nullptr}, {"items", nullptr}, {"attrs", nullptr}}));
  EXPECT_EQ(rows.read(R"({"o":{"items":[],"attrs":{}}})")["o"],
            json({{"id", nullptr}, {"items", json::array()}, {"attrs", json::object()}}));
}

TEST(JsonDecoderTest, TheWayToTheValueAtFault) {
  Rows rows(Columns{{"items", "STRUCT(price DECIMAL(10,2))[]"},
                    {"m", "MAP(VARCHAR, STRUCT(x INTEGER[])[])"},
                    {"s", "STRUCT(a STRUCT(b BOOLEAN))"}});
  EXPECT_EQ(rows.read(R"({"items":[{"price":1},{},null,{"price":"abc"}]})"),
            malformed("items[3].price: `\"abc\"` is no DECIMAL(10,2)"));
  EXPECT_EQ(rows.read(R"({"m":{"k":[{"x":[1,2,{}]}]}})"),
            malformed("m.k[0].x[2]: `{}` is no INTEGER"));
  EXPECT_EQ(rows.read(R"({"s":{"a":{"b":"maybe"}}})"),
            malformed("s.a.b: `\"maybe\"` is no BOOLEAN"));
  EXPECT_EQ(rows.read(R"({"s":[]})"), malformed("s: `[]` is no STRUCT"));
  EXPECT_EQ(rows.read(R"({"items":{}})"), malformed("items: `{}` is no LIST"));
  EXPECT_EQ(rows.read(R"({"m":"{}"})"), malformed("m: `\"{}\"` is no MAP"));
  EXPECT_EQ(rows.read(R"({"s":{"a":{"b":")" + std::string(100, 'x') + R"("}}})"),
            malformed("s.a.b: `\"" + std::string(59, 'x') + "...` is no BOOLEAN"));
  // Where the record isn't even JSON, that is what is wrong with it.
  EXPECT_EQ(rows.read(R"({"s":{"a":{"b":[1 2]}}})"), malformed(": unexpected `2` at byte 18"));
  EXPECT_EQ(rows.read(R"({"s":{"a":{"b":true}}}x)"),
            malformed(": something follows the record's value at byte 22"));
}

TEST(JsonDecoderTest, ColumnsThatNobodyReads) {
  const Schema schema = schema_of({{"a", "INTEGER"}, {"b", "INTEGER"}, {"l", "INTEGER[]"}});
  testing::MemoryColumns columns(schema);
  Decoder decoder(schema, {});
  std::vector<ColumnWriter*> writers(columns.writers().begin(), columns.writers().end());
  writers[1] = writers[2] = nullptr;
  decoder.begin(writers);
  EXPECT_FALSE(decoder.decode(R"({"l":[1,"x"],"b":"not read","a":1})", 0));
  EXPECT_EQ(columns.row(0)["a"], 1);
  // The JSON has to be right all the same.
  EXPECT_TRUE(decoder.decode(R"({"l":[1,"\x"],"b":1,"a":1})", 1));
  EXPECT_TRUE(decoder.decode(R"({"l":[1,],"b":1,"a":1})", 1));
  EXPECT_TRUE(decoder.decode(R"({"l":[1],"b":1.,"a":1})", 1));
}

TEST(JsonDecoderTest, RecordsThatAreNoObjects) {
  Rows rows(Columns{{"a", "INTEGER"}});
  EXPECT_EQ(rows.read(""), malformed(": the record is empty"));
  EXPECT_EQ(rows.read("  \n"), malformed(": the record is empty"));
  for (const auto* text : {"1", "null", "\"a\"", "[]", "[{\"a\":1}]"}) {
    EXPECT_EQ(rows.read(text), malformed(": the record is not a JSON object")) << text;
  }
  EXPECT_EQ(rows.read("{\"a\":1}{\"a\":2}"),
            malformed(": something follows the record's value at byte 7"));
  EXPECT_EQ(rows.read("\xef\xbb\xbf{\"a\":1}"), malformed(": unexpected `\xef\xbb\xbf` at byte 0"));
  EXPECT_EQ(rows.read("{\"a\":1"), malformed(": the record ends too early"));
  EXPECT_EQ(rows.read("{\"a\""), malformed(": the record ends too early"));
  EXPECT_EQ(rows.read("{\"a\":\"x"), malformed(": a string does not end"));
  EXPECT_EQ(rows.read("{\"a\":\"\xc3\"}"), malformed(": not valid UTF-8"));
}

TEST(JsonDecoderTest, ListsOfOneRecordMayBeLimited) {
  Rows rows(Columns{{"l", "INTEGER[][]"}, {"m", "MAP(VARCHAR, INTEGER)"}}, {.max_elements = 4});
  EXPECT_EQ(rows.read(R"({"l":[[1,2,3]]})")["l"], json::parse("[[1,2,3]]"));
  EXPECT_EQ(rows.read(R"({"l":[[1,2],[3]]})"),
            malformed("l[1]: lists and maps of more than 4 elements"));
  EXPECT_EQ(rows.read(R"({"m":{"a":1,"b":2,"c":3,"d":4,"e":5}})"),
            malformed("m: lists and maps of more than 4 elements"));
  EXPECT_EQ(rows.read(R"({"m":{"a":1}})")["m"], json({{"a", 1}}));
}

TEST(JsonDecoderTest, MapsWithManyKeys) {
  Rows rows(Columns{{"m", "MAP(VARCHAR, MAP(VARCHAR, INTEGER))"}});
  for (const int count : {15, 16, 17, 1000}) {
    json expected = json::object();
    std::string text = R"({"m":{)";
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < count; ++i) {
        const std::string key = "key number " + std::to_string(i);
        expected[key] = {{"a", i}};
        text += (text.back() == '{' ? "\"" : ",\"") + key + R"(":{"a":)" +
                std::to_string(i + round * 5000) + R"(,"a":0})";
      }
    }
    EXPECT_EQ(rows.read(text + "}}")["m"], expected);
  }
}

TEST(JsonDecoderTest, TypesThatAreRefused) {
  for (const auto* type : {"MAP(INTEGER, VARCHAR)", "ENUM('a')", "INTEGER[3]", "JSON"}) {
    EXPECT_THROW(Rows(Columns{{"v", type}}), Error) << type;
  }
  std::string deep = "INTEGER";
  for (std::size_t i = 1; i < kMaxTypeDepth; ++i) {
    deep += "[]";
  }
  EXPECT_NO_THROW(Rows(Columns{{"v", deep}}));
  EXPECT_THROW(Rows(Columns{{"v", deep + "[]"}}), Error);
}

TEST(JsonDecoderTest, DeepValues) {
  std::string type = "INTEGER";
  std::string open;
  std::string close;
  for (std::size_t i = 1; i < kMaxTypeDepth; ++i) {
    type.insert(0, "STRUCT(a ");
    type += ')';
    open += R"({"a":)";
    close += '}';
  }
  EXPECT_TRUE(value_as(type, open + "1" + close).starts_with(open));
  const std::string brackets(100'000, '[');
  EXPECT_EQ(value_as("VARCHAR", brackets), "malformed: : values nested too deep at byte 1029");
  EXPECT_TRUE(value_as("VARCHAR", std::string(1024, '[') + std::string(1024, ']')).size() > 2048);
  EXPECT_EQ(value_as("VARCHAR", std::string(1025, '[') + std::string(1025, ']')),
            "malformed: : values nested too deep at byte 1029");
}

TEST(JsonDecoderTest, TextsOfAMegabyte) {
  const std::string plain(1 << 20, 'x');
  EXPECT_EQ(value_as("VARCHAR", '"' + plain + '"').size(), plain.size() + 2);
  std::string escapes;
  for (int i = 0; i < 1 << 18; ++i) {
    escapes += "\\n\\u20ac";
  }
  EXPECT_GT(value_as("VARCHAR", '"' + escapes + '"').size(), escapes.size() / 2);
  EXPECT_EQ(value_as("VARCHAR", '"' + escapes + "\\\""), "malformed: : a string does not end");
}

TEST(JsonDecoderTest, RowsAreAsIfTheMalformedHadNotBeenThere) {
  Rows rows(Columns{{"l", "STRUCT(a INTEGER)[]"}, {"s", "STRUCT(a VARCHAR)"}, {"i", "INTEGER"}});
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(
        rows.read(R"({"l":[{"a":1},null,{"a":null}],"s":null,"i":"x"})").contains("malformed"));
    EXPECT_EQ(rows.read(R"({"l":[{"a":7},{"a":8},{"a":9}],"s":{"a":"t"},"i":3})"),
              json::parse(R"({"l":[{"a":7},{"a":8},{"a":9}],"s":{"a":"t"},"i":3})"));
  }
}

}  // namespace
}  // namespace millrace::json
