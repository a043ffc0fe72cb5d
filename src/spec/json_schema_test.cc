#include <gtest/gtest.h>

#include "spec/pipeline.h"
#include "spec/test_support.h"

namespace millrace {
namespace {

TEST(JsonSchema, DescribesEveryBlock) {
  const Json schema = pipeline_json_schema(testing::test_connectors());
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_EQ(schema["required"], Json::array({"pipeline"}));
  EXPECT_EQ(schema["anyOf"][1]["required"], Json::array({"serve"}));
  EXPECT_EQ(schema["properties"]["threads"]["anyOf"][0]["minimum"], 1);
  for (const char* name : {"source", "sink", "dataset", "connection", "checkpoint", "duration"}) {
    EXPECT_TRUE(schema["$defs"].contains(name)) << name;
  }
}

// A branch for each connector that has the role, and one for names of connections.
TEST(JsonSchema, KnowsTheOptionsOfEachConnector) {
  const Json schema = pipeline_json_schema(testing::test_connectors());
  const Json& branches = schema["$defs"]["source"]["allOf"];
  ASSERT_EQ(branches.size(), 3U);
  const Json& topics = branches[0];
  EXPECT_EQ(topics["if"]["properties"]["from"]["anyOf"][0]["const"], "topics");
  EXPECT_EQ(topics["then"]["additionalProperties"], false);
  EXPECT_EQ(topics["then"]["required"], Json::array({"topic"}));
  EXPECT_EQ(topics["then"]["properties"]["as"], true);
  EXPECT_EQ(topics["then"]["properties"]["start"]["anyOf"][0]["enum"],
            Json::array({"earliest", "latest"}));
  EXPECT_EQ(topics["then"]["properties"]["start"]["description"],
            "Where to begin. Default: latest.");
}

TEST(JsonSchema, QuarantineHasTheOptionsOfSinks) {
  const Json schema = pipeline_json_schema(testing::test_connectors());
  EXPECT_EQ(schema["properties"]["quarantine"]["$ref"], "#/$defs/quarantine");
  const Json& quarantine = schema["$defs"]["quarantine"];
  EXPECT_EQ(quarantine["required"], Json::array({"to"}));
  const Json& console = quarantine["allOf"][0]["then"]["properties"];
  EXPECT_TRUE(console.contains("limit"));
  EXPECT_FALSE(console.contains("from"));
}

TEST(Reference, HasASectionForEachRole) {
  const std::string page = reference_markdown(testing::test_connectors());
  for (const char* line :
       {"## The file", "## checkpoint", "## quarantine", "## topics", "### topics connection",
        "### topics source", "### rate source", "### console sink",
        "| `topic` | text | **required** | The topic to read. Example: `orders`. |",
        "| `poll_timeout` | duration, at least 1ms | `100ms` | The longest wait. |",
        "| `fetch_size` | size | `1MiB` | How much to ask for. |",
        "| `start` | `earliest` or `latest` | `latest` | Where to begin. |",
        "| `limit` | whole number, 1 to 1000 | `20` | How many rows to show. |",
        "    brokers: localhost:9092"}) {
    EXPECT_NE(page.find(std::string(line) + "\n"), std::string::npos) << line;
  }
  EXPECT_EQ(page.find("### rate sink"), std::string::npos);
}

}  // namespace
}  // namespace millrace
