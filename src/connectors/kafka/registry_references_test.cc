#include "connectors/kafka/registry_references.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace millrace::kafka {
namespace {

using avro::Json;
using References = std::vector<ReferencedSchema>;

constexpr auto* kCity = R"({"type": "record", "name": "geo.City", "fields": [
    {"name": "name", "type": "string"}]})";
constexpr auto* kHouse = R"({"type": "record", "name": "geo.House", "fields": [
    {"name": "city", "type": "City"}, {"name": "number", "type": "int"}]})";

std::string canonical(const std::string& json, const References& references) {
  return canonical_form(parse_with_references(json, references));
}

/// What ends it; empty: nothing.
std::string failure(const std::string& json, const References& references) {
  try {
    (void)parse_with_references(json, references);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(RegistryReferences, ATypeIsWrittenWhereItIsUsedFirst) {
  const std::string order = R"({"type": "record", "name": "shop.Order", "fields": [
      {"name": "to", "type": "geo.City"}, {"name": "from", "type": ["null", "geo.City"]}]})";
  EXPECT_EQ(canonical(order, {{"city", kCity}}),
            R"({"name":"shop.Order","type":"record","fields":[{"name":"to","type":)"
            R"({"name":"geo.City","type":"record","fields":[{"name":"name","type":"string"}]}},)"
            R"({"name":"from","type":["null","geo.City"]}]})");
}

TEST(RegistryReferences, AReferenceMayUseThoseBeforeIt) {
  const std::string houses = R"({"type": "array", "items": "geo.House"})";
  EXPECT_EQ(canonical(houses, {{"city", kCity}, {"house", kHouse}}),
            R"({"type":"array","items":{"name":"geo.House","type":"record","fields":[)"
            R"({"name":"city","type":{"name":"geo.City","type":"record","fields":[)"
            R"({"name":"name","type":"string"}]}},{"name":"number","type":"int"}]}})");
  EXPECT_NE(failure(houses, {{"house", kHouse}, {"city", kCity}}), "");
}

// A type within a referenced type may be used before the one around it.
TEST(RegistryReferences, ATypeIsWrittenOnceOnly) {
  const std::string tree = R"({"type": "record", "name": "Tree", "fields": [{"name": "root", "type":
      {"type": "record", "name": "Node", "fields": [
          {"name": "tree", "type": ["null", "Tree"]}]}}]})";
  EXPECT_EQ(canonical(R"({"type": "record", "name": "a.B", "fields": [
                {"name": "node", "type": "Node"}, {"name": "tree", "type": "Tree"}]})",
                      {{"tree", tree}}),
            R"({"name":"a.B","type":"record","fields":[{"name":"node","type":{"name":"Node",)"
            R"("type":"record","fields":[{"name":"tree","type":["null",{"name":"Tree",)"
            R"("type":"record","fields":[{"name":"root","type":"Node"}]}]}]}},)"
            R"({"name":"tree","type":"Tree"}]})");
}

TEST(RegistryReferences, DefaultsAndLogicalTypesStay) {
  const std::string price = R"({"type": "fixed", "name": "Price", "size": 8,
      "logicalType": "decimal", "precision": 10, "scale": 2})";
  const auto schema = parse_with_references(
      R"({"type": "record", "name": "R", "fields": [
          {"name": "price", "type": "Price"},
          {"name": "values", "type": {"type": "map", "values": "Price"}, "default": {}}]})",
      {{"price", price}});
  const avro::Node& record = schema.root();
  EXPECT_EQ(describe(*record.fields[0].type), "fixed Price (decimal 10,2)");
  EXPECT_EQ(record.fields[0].type->scale, 2);
  EXPECT_EQ(record.fields[1].type->parts[0], record.fields[0].type);
  EXPECT_EQ(record.fields[1].default_value, Json::object());
}

TEST(RegistryReferences, WhatIsNoSchemaIsRefused) {
  EXPECT_NE(failure(R"("geo.Town")", {{"city", kCity}}).find("no type `geo.Town`"),
            std::string::npos);
  EXPECT_NE(failure(R"("geo.City")", {{"city", kCity}, {"again", kCity}}).find("defined twice"),
            std::string::npos);
  // Two texts that make a valid one only together.
  EXPECT_EQ(failure(R"("int"}, {"name": "x", "type": "int")", {{"city", kCity}}),
            "avro schema: the schema is no valid JSON");
  EXPECT_EQ(failure(R"("int")", {{"`a` version 1", "long"}}),
            "avro schema: `a` version 1 is no valid JSON");
}

TEST(RegistryReferences, DepthIsLimitedAcrossSchemas) {
  References references;
  std::string inner = R"("int")";
  for (int i = 0; i < 70; i++) {
    const std::string name = "A" + std::to_string(i);
    references.push_back(
        {name, fmt::format(
                   R"({{"type": "record", "name": "{}", "fields": [{{"name": "f", "type": {}}}]}})",
                   name, inner)});
    inner = fmt::format("\"{}\"", name);
  }
  EXPECT_EQ(failure(R"("A50")", references), "");
  EXPECT_NE(failure(R"("A69")", references).find("nested more than 64 deep"), std::string::npos);
  EXPECT_NE(failure(R"("int")", {{"deep", std::string(100'000, '[') + std::string(100'000, ']')}})
                .find("deep"),
            std::string::npos);
}

}  // namespace
}  // namespace millrace::kafka
