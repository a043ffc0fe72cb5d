#include "formats/json/infer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "formats/json/test_rows.h"

namespace millrace::json {
namespace {

std::string inferred(const std::vector<std::string>& records) {
  Inference inference;
  for (const std::string& record : records) {
    EXPECT_FALSE(inference.add(record)) << record;
  }
  return inference.schema().text();
}

TEST(JsonInferTest, Scalars) {
  EXPECT_EQ(inferred({R"({"b":true,"i":1,"h":9223372036854775808,"d":1.5,"s":"x","n":null})"}),
            "b BOOLEAN, i BIGINT, h HUGEINT, d DOUBLE, s VARCHAR, n VARCHAR");
  EXPECT_EQ(inferred({R"({"a":1,"b":1,"c":"x","d":1})",
                      R"({"a":1.5,"b":99999999999999999999,"c":1,"d":1e400})",
                      R"({"a":2,"b":null,"d":1000000000000000000000000000000000000000000})"}),
            "a DOUBLE, b HUGEINT, c VARCHAR, d VARCHAR");
  EXPECT_EQ(inferred({R"({"a":true,"b":-9223372036854775808})", R"({"a":1})"}),
            "a VARCHAR, b BIGINT");
}

TEST(JsonInferTest, Times) {
  EXPECT_EQ(
      inferred({R"({"a":"2024-02-29","b":"2024-02-29T12:00:00","c":"2024-02-29T12:00:00Z"})"}),
      "a DATE, b TIMESTAMP, c TIMESTAMP WITH TIME ZONE");
  EXPECT_EQ(inferred({R"({"a":"2024-02-29","b":"2024-02-29 12:00","c":"2024-02-29T12:00:00Z"})",
                      R"({"a":"2024-02-29 12:00","b":"soon","c":"2024-02-29T12:00:00"})"}),
            "a TIMESTAMP, b VARCHAR, c VARCHAR");
  EXPECT_EQ(inferred({R"({"a":"2024-02-30","b":"12:00"})"}), "a VARCHAR, b VARCHAR");
}

TEST(JsonInferTest, NestedValues) {
  EXPECT_EQ(inferred({R"({"o":{"x":1,"end":[]},"l":[1,2],"m":[[{"a":1}],[]]})",
                      R"({"o":{"y":"z","end":["x"]},"l":[0.5,null],"m":[[{"b":true},null]]})"}),
            "o STRUCT(\"x\" BIGINT, \"end\" VARCHAR[], \"y\" VARCHAR), l DOUBLE[], "
            "m STRUCT(\"a\" BIGINT, \"b\" BOOLEAN)[][]");
  EXPECT_EQ(inferred({R"({"a":{},"b":{"x":1},"c":[1,"x"],"d":[{}]})", R"({"b":[1],"d":1})"}),
            "a VARCHAR, b VARCHAR, c VARCHAR[], d VARCHAR");
}

TEST(JsonInferTest, Names) {
  EXPECT_EQ(inferred({R"({"ID":1,"a b":2,"s":{"q\"\u0041":1},"":5})", R"({"id":1.5,"new":true})"}),
            "ID DOUBLE, \"a b\" BIGINT, s STRUCT(\"q\"\"A\" BIGINT), new BOOLEAN");
}

TEST(JsonInferTest, MalformedRecordsChangeNothing) {
  Inference inference;
  EXPECT_TRUE(inference.add(R"({"a":1,"b":})"));
  EXPECT_TRUE(inference.add(R"({"a":"\x"})"));
  EXPECT_TRUE(inference.add("[1]"));
  EXPECT_TRUE(inference.add(""));
  EXPECT_TRUE(inference.schema().empty());
}

TEST(JsonInferTest, ManyKeysAndDeepValues) {
  std::string keys;
  for (int i = 0; i < 1001; ++i) {
    keys += (keys.empty() ? "" : ",") + ("\"k" + std::to_string(i) + "\":1");
  }
  EXPECT_EQ(inferred({"{\"o\":{" + keys + "}}"}), "o VARCHAR");
  Inference inference;
  EXPECT_FALSE(inference.add("{" + keys + "}"));
  EXPECT_EQ(inference.schema().size(), 1000);

  Inference deep;
  EXPECT_FALSE(deep.add("{\"v\":" + std::string(500, '[') + std::string(500, ']') + "}"));
  EXPECT_NO_THROW(Decoder(deep.schema(), {}));
}

// What was inferred takes what it was inferred from.
TEST(JsonInferTest, TheSchemaReadsItsSamples) {
  const std::vector<std::string> records = {
      R"({"id":1,"at":"2024-02-29T12:00:00Z","items":[{"sku":"a","n":1}],"x":{"y":[1.5]}})",
      R"({"id":99999999999999999999,"at":null,"items":[{"n":2.5,"sku":null}],"x":"text"})"};
  Inference inference;
  for (const auto& record : records) {
    ASSERT_FALSE(inference.add(record));
  }
  const Schema schema = inference.schema();
  Decoder decoder(schema, {});
  testing::MemoryColumns columns(schema);
  decoder.begin(columns.writers());
  EXPECT_FALSE(decoder.decode(records[0], 0));
  EXPECT_FALSE(decoder.decode(records[1], 1));
  EXPECT_EQ(columns.row(0)["x"], R"({"y":[1.5]})");
  EXPECT_EQ(columns.row(1)["items"][0]["n"], 2.5);
}

}  // namespace
}  // namespace millrace::json
