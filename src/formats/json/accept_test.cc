// What must be taken for JSON and what must not (RFC 8259), the rules one by one. Each document
// stands for the value of a field, in a column that is read as text and in one that nobody reads.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "formats/json/test_rows.h"

namespace millrace::json {
namespace {

using namespace std::string_literals;

/// In a column of another type a value is malformed in any case; of a document that is no JSON the
/// type may be what is noticed first.
bool is_accepted(const std::string& value, const std::string& type, bool is_read, bool expected) {
  const Schema schema = schema_of(Columns{{"v", type}});
  testing::MemoryColumns columns(schema);
  Decoder decoder(schema, {});
  std::vector<ColumnWriter*> writers(columns.writers().begin(), columns.writers().end());
  writers[0] = is_read ? writers[0] : nullptr;
  decoder.begin(writers);
  columns.mark();
  const std::string record = "{\"v\":" + value + "}";
  const std::vector<char> exact(record.begin(), record.end());
  const auto wrong = decoder.decode({exact.data(), exact.size()}, 0);
  return !wrong || (expected && !wrong->column.empty());
}

const std::vector<std::string> kTypes = {"VARCHAR",           "DOUBLE",  "VARCHAR[]",
                                         "STRUCT(a VARCHAR)", "BOOLEAN", "MAP(VARCHAR, VARCHAR)",
                                         "STRUCT(z BIGINT)",  "BLOB",    "TIMESTAMP"};

void expect_all(const std::vector<std::string>& values, bool accepted) {
  for (const std::string& value : values) {
    EXPECT_EQ(is_accepted(value, "VARCHAR", false, accepted), accepted) << value;
    for (const std::string& type : kTypes) {
      EXPECT_EQ(is_accepted(value, type, true, accepted), accepted) << type << ": " << value;
    }
  }
}

TEST(JsonAcceptTest, Values) {
  expect_all({"null",
              "true",
              "false",
              "0",
              "\"\"",
              "{}",
              "[]",
              " null ",
              "\t\n\r1",
              "[null]",
              "[ ]",
              "{ }",
              "[[]  ]",
              "[\"\"]",
              "[true]",
              "[1\n]",
              " [1]",
              "[1,null,null,2]",
              "[null, 1, \"1\", {}]",
              R"({"a":"b"})",
              "{\"a\":[]}",
              R"({"a":"b","c":"d"})",
              R"({"a":"b","a":"b"})",
              "{\"\":0}",
              R"({"a\u0000b":1})",
              "{\n\"a\": \"b\"\n}",
              R"({"min": -1.0e+28, "max": 1.0e+28})",
              R"({"a":{"b":[{"c":{}}]}})"},
             true);
}

TEST(JsonAcceptTest, Numbers) {
  expect_all({"-0", "-1", "123", "123.456", "0e+1", "0e1", "1E22", "1E-2", "1E+2", "123e45",
              "123.456e78", "123e-10000000", "-123", "[ 4]", "20e1", "0.4e-05",
              "-0.000000000000000000000000000000000000000000000000000000000000000000000000000001",
              "123123123123123123123123123123", "[0,-0.0,1e1]"},
             true);
  expect_all({"++1234",  "+1",        "+Inf",   "-01",          "-1.0.",
              "-2.",     "-NaN",      ".-1",    ".2e-3",        "0.1.2",
              "0.3e+",   "0.3e",      "0.e1",   "0E+",          "0E",
              "0e+",     "0e",        "1.0e+",  "1.0e-",        "1.0e",
              "1 000",   "1eE2",      "2.e+3",  "2.e-3",        "2.e3",
              "9.e+",    "Inf",       "NaN",    "1+2",          "0x1",
              "0x42",    "Infinity",  "0e+-1",  "-123.123foo",  "-Infinity",
              "-foo",    "- 1",       "-012",   "-.123",        "-1x",
              "1ea",     "1.",        ".123",   "1.2a-3",       "1.8011670033376514H-308",
              "012",     "-",         "1_000",  "\xef\xbc\x91", "123\xe5",
              "1e1\xe5", "0\xe5",     "1e\xe5", "1\"a\"",       "1\\\"",
              "1\x01",   "1,",        "1 2",    "[1 2]",        "[-]",
              "[1e]",    "-\x30\x00"s},
             false);
}

TEST(JsonAcceptTest, Strings) {
  expect_all({R"("\u0060\u012a\u12AB")",
              R"("\uD801\udc37")",
              R"("\ud83d\ude39\ud83d\udc8d")",
              R"("\"\\\/\b\f\n\r\t")",
              R"("\\u0000")",
              R"("\"")",
              R"("a/*b*/c/*d//e")",
              R"("\\a")",
              R"("\\n")",
              R"("\u0012")",
              R"("\uFFFF")",
              R"("\uDBFF\uDFFF")",
              R"("new\u00A0line")",
              R"("\u0000")",
              R"("\u002c")",
              "\"π\"",
              "\"\xf0\x9b\xbf\xbf\"",
              "\"asd \"",
              "\" \"",
              R"("\uD834\uDd1e")",
              R"("\u0821")",
              R"("\u0123")",
              "\"\xe2\x80\xa8\"",
              "\"\xe2\x80\xa9\"",
              R"("\u0061\u30af\u30EA\u30b9")",
              R"("new\u000Aline")",
              "\"\x7f\"",
              R"("\uA66D")",
              R"("\u005C")",
              "\"⍂㈴⍂\"",
              R"("\uDBFF\uDFFE")",
              R"("\uD83F\uDFFE")",
              R"("\u200B")",
              R"("\uFDD0")",
              R"("\uFFFE")",
              R"("\u0022")",
              "\"€𝄞\"",
              "\"a\x7f\x61\"",
              "\"\xf4\x8f\xbf\xbf\"",
              "\"\xef\xbf\xbf\"",
              R"({"\u0061":"\u0062"})"},
             true);
  expect_all({R"("\uD800\")",
              R"("\uD800\u")",
              R"("\uD800\u1")",
              R"("\uD800\u1x")",
              "\xc3\xa9",
              "\"\\\0\""s,
              R"("\x00")",
              R"("\\\")",
              "\"\\\t\"",
              "\"\\🌀\"",
              R"("\")",
              R"("\u00A")",
              R"("\uD834\uDd")",
              R"("\uD800\uD800\x")",
              "\"\\u\xe5\"",
              R"("\a")",
              R"("\uqqqq")",
              "\"\\\xe5\"",
              R"(\u0020"asd")",
              R"(\n)",
              "\"",
              "'single'",
              "abc",
              R"("\)",
              "\"a\x00\x61\""s,
              "\"new\nline\"",
              "\"\t\"",
              R"("\UA66D")",
              R"(""x)",
              "\"\x1f\"",
              R"("\u 123")",
              R"("\u+123")",
              R"("\u12)",
              R"("\'")",
              R"({"\q":1})",
              R"({"\ud800":1})",
              R"("a""b")",
              R"("a"b)",
              R"(b"a")",
              R"("a"\)"},
             false);
}

// Where RFC 8259 leaves it open, a column could not hold it: halves of surrogate pairs and bytes
// that are not UTF-8.
TEST(JsonAcceptTest, TextThatIsNone) {
  expect_all({R"("\uDADA")",
              R"("\uD888\u1234")",
              R"("\uD800\n")",
              R"("\uDd1ea")",
              R"("\uD800\uD800\n")",
              R"("\ud800")",
              R"("\ud800abc")",
              R"("\uDd1e\uD834")",
              R"("\uDFAA")",
              R"({"\uDFAA":0})",
              "\"\xe6\x97\xa5\xd1\x88\xfa\"",
              "\"\xed\xa0\x80\"",
              "\"\xff\"",
              "\"\xe9\"",
              "\"\x81\"",
              "\"\xf4\xbf\xbf\xbf\"",
              "\"\xc0\xaf\"",
              "\"\xfc\x83\xbf\xbf\xbf\xbf\"",
              "\"\xfc\x80\x80\x80\x80\x80\"",
              "\"\xe0\xff\"",
              "\"\xf0\x9f\x98\"",
              "\"\xe2\x82\"",
              "\"\xc3\"",
              "{\"\xc3\":1}"},
             false);
}

TEST(JsonAcceptTest, Structure) {
  expect_all({"",
              " ",
              "[1 true]",
              "[a\xe5]",
              "[\"\": 1]",
              "[\"\"],",
              "[,1]",
              "[1,,2]",
              "[\"x\",,]",
              "[\"x\"]]",
              "[\"\",]",
              "[\"x\"",
              "[x",
              "[3[4]]",
              "[\xff]",
              "[1:2]",
              "[,]",
              "[   , \"\"]",
              "[\"a\",\n4\n,1,",
              "[1,]",
              "[1,,]",
              "[\"\va\"\\f]",
              "[*]",
              "[{}",
              "[fals]",
              "[nul]",
              "[tru]",
              "nulL",
              "True",
              "TRUE",
              "123\0"s,
              "[\"x\", truth]",
              "{[: \"x\"}",
              "{\"x\", null}",
              R"({"x"::"b"})",
              "{🇨🇭}",
              R"({"a":"a" 123})",
              "{key: 'value'}",
              "{\"\xb9\":\"0\",}",
              "{\"a\" b}",
              "{:\"b\"}",
              R"({"a" "b"})",
              "{\"a\":",
              "{\"a\"",
              "{1:1}",
              "{9999E9999:1}",
              "{null:null,null:null}",
              "{\"id\":0,,,,,}",
              "{'a':0}",
              "{\"id\":0,}",
              R"({"a":"b"}/**/)",
              R"({"a":"b"}/**//)",
              R"({"a":"b"}//)",
              R"({"a":"b"}/)",
              R"({"a":"b",,"c":"d"})",
              "{a: \"b\"}",
              R"({"a":"a)",
              R"({ "foo" : "bar", "a" })",
              R"({"a":"b"}#)",
              "\xef\xbb\xbf",
              "\xef\xbb{}",
              "\xef\xbb\xbf{}",
              "\xe2\x81\xa0",
              "[\xe2\x81\xa0]",
              "<.>",
              "[<null>]",
              "[1]x",
              "[1]]",
              "[\"asd]",
              "å",
              "[True]",
              "1]",
              "{\"x\": true,",
              "[][]",
              "]",
              "[",
              "[\0]"s,
              "2@",
              "{}}",
              "{\"\":",
              R"({"a":/*comment*/"b"})",
              R"({"a": true} "x")",
              "['",
              "[,",
              "[{",
              "[\"a",
              "[\"a\"",
              "{",
              "{]",
              "{,",
              "{[",
              "{\"a",
              "{'a'",
              R"(["\{["\{["\{["\{)",
              "\xe9",
              "*",
              R"({"a":"b"}#{})",
              R"([\u000A""])",
              "[1",
              "[ false, nul",
              "[ true, fals",
              "[ false, tru",
              R"({"asd":"asd")",
              "[\f]",
              "[\v]",
              "[\x1a]",
              "[1\f2]",
              "{\"a\"\x1a\"b\"}",
              "\xc2\xa0"},
             false);
  expect_all({std::string(100'000, '['), std::string(20'000, '[') + std::string(20'000, ']')},
             false);
  std::string objects;
  for (int i = 0; i < 50'000; ++i) {
    objects += "[{\"\":";
  }
  expect_all({objects}, false);
}

}  // namespace
}  // namespace millrace::json
