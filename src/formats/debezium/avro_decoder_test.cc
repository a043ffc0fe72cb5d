#include "formats/debezium/avro_decoder.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "formats/avro/framing.h"
#include "formats/avro/testing.h"
#include "formats/debezium/testing.h"

namespace millrace::debezium {
namespace {

using avro::Bytes;
using avro::error_of;
using avro::shared;

/// The fields of a table's record.
constexpr auto kFields =
    R"({"name":"id","type":"int"},)"
    R"({"name":"name","type":["null","string"],"default":null},)"
    R"({"name":"price","type":["null",{"type":"bytes","scale":2,"precision":9,"connect.version":1,)"
    R"("connect.parameters":{"scale":"2","connect.decimal.precision":"9"},)"
    R"("connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}]},)"
    R"({"name":"at","type":{"type":"long","connect.version":1,)"
    R"("connect.name":"io.debezium.time.MicroTimestamp"}})";

/// What Confluent's AvroConverter makes of an event: the table's record is named once.
std::string envelope(const std::string& fields = kFields) {
  return R"({"type":"record","name":"Envelope","namespace":"shop.public.t","fields":[)"
         R"({"name":"before","type":["null",{"type":"record","name":"Value","fields":[)" +
         fields +
         R"(],"connect.name":"shop.public.t.Value"}],"default":null},)"
         R"({"name":"after","type":["null","Value"],"default":null},)"
         R"({"name":"source","type":{"type":"record","name":"Source",)"
         R"("namespace":"io.debezium.connector.postgresql","fields":[)"
         R"({"name":"version","type":"string"},{"name":"ts_ms","type":"long"},)"
         R"({"name":"snapshot","type":[{"type":"string","connect.default":"false"},"null"]},)"
         R"({"name":"lsn","type":["null","long"],"default":null}]}},)"
         R"({"name":"transaction","type":["null",{"type":"record","name":"block",)"
         R"("namespace":"event","fields":[{"name":"id","type":"string"}]}],"default":null},)"
         R"({"name":"op","type":"string"},)"
         R"({"name":"ts_ms","type":["null","long"],"default":null}],)"
         R"("connect.version":2,"connect.name":"shop.public.t.Envelope"})";
}

std::string row(std::int64_t id, const std::string& name) {
  return Bytes().number(id).number(1).text(name).number(1).text("09").number(1000);
}
const std::string kNull = Bytes().number(0);
std::string some(const std::string& record) { return std::string(Bytes().number(1)) + record; }

std::string event(const std::string& before, const std::string& after, const std::string& op) {
  return std::string(Bytes()
                         .raw(before)
                         .raw(after)
                         .text("2.7.0.Final")
                         .number(1486501486000)
                         .number(0)
                         .text("false")
                         .number(1)
                         .number(4711)
                         .number(0)
                         .text(op)
                         .number(1)
                         .number(1486501486308));
}

Schema declared() {
  return columns(
      {{"name", "VARCHAR"}, {"ID", "BIGINT"}, {"price", "DECIMAL(9,2)"}, {"at", "TIMESTAMP"}});
}

Events plain(const Schema& schema, const std::string& writer = envelope()) {
  return {schema, std::make_unique<AvroChangeDecoder>(plans_of(shared(writer), schema), schema)};
}

Json expected(std::int64_t id, const std::string& name, const std::string& op) {
  return {{"ID", id},   {"name", name}, {"price", "123.45"},
          {"at", 1000}, {"op", op},     {"time", 1486501486000}};
}

TEST(AvroChangesTest, EventsOfOneSchema) {
  auto rows = plain(declared());
  EXPECT_EQ(rows.read(event(kNull, some(row(1, "a")), "c")), expected(1, "a", "c"));
  EXPECT_EQ(rows.read(event(kNull, some(row(1, "a")), "r")), expected(1, "a", "r"));
  EXPECT_EQ(rows.read(event(some(row(1, "a")), some(row(2, "b")), "u")), expected(2, "b", "u"));
  EXPECT_EQ(rows.read(event(some(row(1, "a")), kNull, "d")), expected(1, "a", "d"));
  EXPECT_TRUE(rows.read("key", std::nullopt).is_null());
  EXPECT_TRUE(rows.read(event(kNull, kNull, "m")).is_null());
}

TEST(AvroChangesTest, ColumnsOfTheSchema) {
  const auto found = columns_of_events(*shared(envelope()));
  EXPECT_EQ(found.text(), R"(id INTEGER, name VARCHAR, price DECIMAL(9,2), at TIMESTAMP)");
  auto rows = plain(found);
  EXPECT_EQ(rows.read(event(kNull, some(row(1, "a")), "c"))["id"], 1);
}

TEST(AvroChangesTest, ARemovedRowWithoutBeforeIsThatOfItsKey) {
  auto rows = plain(declared());
  const Json of_key = {{"ID", 7},       {"name", nullptr}, {"price", nullptr},
                       {"at", nullptr}, {"op", "d"},       {"time", 1486501486000}};
  EXPECT_EQ(rows.read(R"({"id":7})", event(kNull, kNull, "d")), of_key);
  EXPECT_EQ(rows.read(R"({"schema":{},"payload":{"id":7}})", event(kNull, kNull, "d")), of_key);
  EXPECT_TRUE(rows.read("7", event(kNull, kNull, "d"))["ID"].is_null());
}

// A key has no nested columns, and JSON no word for some types: neither keeps the others away.
TEST(AvroChangesTest, KeysInJsonOfRowsThatJsonCanNotHave) {
  const auto schema = columns({{"id", "INTEGER"}, {"wait", "INTERVAL"}, {"l", "INTEGER[]"}});
  auto rows = plain(schema, envelope(R"({"name":"id","type":"int"},{"name":"l","type":)"
                                     R"({"type":"array","items":"int"}},{"name":"wait","type":)"
                                     R"({"type":"fixed","name":"W","size":12,)"
                                     R"("logicalType":"duration"}})"));
  EXPECT_EQ(
      rows.read(R"({"id":7,"l":[1]})", event(kNull, kNull, "d")),
      Json({{"id", 7}, {"wait", nullptr}, {"l", nullptr}, {"op", "d"}, {"time", 1486501486000}}));
}

TEST(AvroChangesTest, WhatIsMalformed) {
  auto rows = plain(declared());
  EXPECT_EQ(rows.read(event(kNull, kNull, "t")).get<std::string>().substr(0, 35),
            "op: the table was truncated (op t),");
  EXPECT_EQ(rows.read(event(kNull, kNull, "x")), "op: unknown op \"x\"");
  EXPECT_EQ(rows.read(event(kNull, kNull, "")), "op: unknown op \"\"");
  EXPECT_EQ(rows.read(event(kNull, kNull, "c")), "after: it is null");
  EXPECT_TRUE(rows.read("").is_string());
  EXPECT_TRUE(rows.read(event(kNull, some(row(1, "a")), "c") + "x").is_string());
  EXPECT_EQ(rows.read(event(kNull, some(row(1, "a")), "c"))["ID"], 1) << "goes on";
}

TEST(AvroChangesTest, SchemasThatAreNoneOfEvents) {
  const auto why = [](const std::string& schema) {
    return error_of([&] { (void)plain(declared(), schema); });
  };
  const auto with = [](const std::string& fields) {
    return R"({"type":"record","name":"R","fields":[)" + fields + "]}";
  };
  const std::string none = "avro: the schema is none of Debezium's change events: ";
  const std::string way_out = "; leave `envelope` out if the record is the row";
  EXPECT_EQ(why(R"("string")"), none + "it is of type string" + way_out);
  EXPECT_EQ(why(with("")), none + "its record has no field `op`" + way_out);
  EXPECT_EQ(why(with(R"({"name":"op","type":"string"})")),
            none + "its record has no field `after`" + way_out);
  EXPECT_EQ(why(with(R"({"name":"op","type":"string"},{"name":"after","type":["null","int"]})")),
            none + "its field `after` is of type union of null, int, not a record" + way_out);
  EXPECT_EQ(why(envelope(R"({"name":"id","type":"int"})")),
            "avro: column name: the data has no such field; known is id");
}

/// Schemas as a registry has them.
class Registry final : public avro::NumberedSchemas {
 public:
  void add(std::uint32_t id, const std::string& json) { schemas_[id] = shared(json); }
  avro::SchemaLookup find(std::uint32_t id) override {
    const auto found = schemas_.find(id);
    return found == schemas_.end()
               ? avro::SchemaLookup{.schema = nullptr, .reason = "no such schema"}
               : avro::SchemaLookup{.schema = found->second, .reason = ""};
  }

 private:
  std::map<std::uint32_t, avro::SharedSchema> schemas_;
};

std::string framed(std::uint32_t id, const std::string& body) {
  std::string message;
  avro::write_frame(id, message);
  return message + body;
}

/// Of events in a registry. `known`: the columns without one that is rescued into, the last one.
Events framed_events(Registry& registry, const Schema& schema, const Schema& known) {
  const auto rows = [&](const avro::Plans::Resolve& resolve) {
    formats::FramedPlans plans{.known = std::make_shared<avro::Plans>(registry, resolve)};
    if (known.size() < schema.size()) {
      plans.rest = std::make_shared<avro::Plans>(registry, formats::rest_of(resolve));
      plans.rescue_column = known.size();
    }
    return plans;
  };
  return {schema,
          std::make_unique<AvroChangeDecoder>(plans_of(registry, schema, known, rows), schema)};
}
Events framed_events(Registry& registry, const Schema& schema) {
  return framed_events(registry, schema, schema);
}

TEST(AvroChangesTest, OtherFieldsOfTheRowAreRescued) {
  Registry registry;
  registry.add(1, envelope());
  registry.add(2, R"({"type":"record","name":"Key","fields":[{"name":"id","type":"int"},)"
                  R"({"name":"rest","type":"int"}]})");
  registry.add(3, envelope(R"({"name":"id","type":"int"})"));
  const auto known = columns({{"id", "BIGINT"}, {"name", "VARCHAR"}});
  const auto schema = columns({{"id", "BIGINT"}, {"name", "VARCHAR"}, {"rest", "VARCHAR"}});
  auto rows = framed_events(registry, schema, known);
  const std::string key = framed(2, Bytes().number(7).number(8));
  const auto rescued = [&](const std::string& before, const std::string& after, const char* op) {
    const Json found = rows.read(key, framed(1, event(before, after, op)));
    EXPECT_TRUE(found.is_object()) << found;
    return found["rest"].is_null() ? found["rest"] : Json::parse(found["rest"].get<std::string>());
  };
  const Json rest = {{"price", 123.45}, {"at", "1970-01-01T00:00:00.001000"}};
  EXPECT_EQ(rescued(kNull, some(row(1, "a")), "c"), rest);
  EXPECT_EQ(rescued(some(row(1, "a")), some(row(2, "b")), "u"), rest);
  EXPECT_EQ(rescued(some(row(1, "a")), kNull, "d"), rest);
  const Json bare = rows.read(key, framed(3, event(kNull, some(Bytes().number(5)), "c")));
  EXPECT_EQ(bare["id"], 5);
  EXPECT_TRUE(bare["rest"].is_null());
}

TEST(AvroChangesTest, FramedEventsAndKeys) {
  Registry registry;
  registry.add(1, envelope());
  registry.add(2, envelope(R"({"name":"id","type":"int"},{"name":"extra","type":"string"})"));
  registry.add(3, R"({"type":"record","name":"Key","fields":[{"name":"id","type":"int"}]})");
  registry.add(4, R"("string")");
  const auto schema = declared();
  auto rows = framed_events(registry, schema);
  const std::string key = framed(3, Bytes().number(7));

  EXPECT_EQ(rows.read(key, framed(1, event(kNull, some(row(1, "a")), "c"))), expected(1, "a", "c"));
  EXPECT_EQ(rows.read(key, framed(1, event(some(row(1, "a")), kNull, "d"))), expected(1, "a", "d"));
  // A table that had other columns: those that it lacks are NULL, or the key's.
  const std::string other = Bytes().number(5).text("x");
  const Json of_other = rows.read(key, framed(2, event(kNull, some(other), "c")));
  EXPECT_EQ(of_other["ID"], 5);
  EXPECT_TRUE(of_other["name"].is_null());
  EXPECT_EQ(rows.read(R"({"name":"n"})", framed(2, event(some(other), kNull, "d")))["name"], "n");
  EXPECT_EQ(rows.read(key, framed(1, event(kNull, kNull, "d")))["ID"], 7);
  EXPECT_EQ(rows.read(R"({"id":8})", framed(1, event(kNull, kNull, "d")))["ID"], 8);
  EXPECT_TRUE(rows.read(key, std::nullopt).is_null());

  EXPECT_EQ(rows.read(key, framed(9, "")), ": no such schema");
  EXPECT_TRUE(rows.read(key, "{}").is_string());
  EXPECT_TRUE(rows.read(key, "").is_string());
  EXPECT_EQ(rows.read(framed(9, ""), framed(1, event(kNull, kNull, "d"))),
            ": the message's key: no such schema");
  EXPECT_EQ(rows.read(key, framed(3, Bytes().number(1))).get<std::string>().substr(0, 40),
            ": written with schema 3: avro: the schem");
  EXPECT_EQ(rows.read(key, framed(1, event(kNull, some(row(2, "b")), "u"))), expected(2, "b", "u"));
}

TEST(AvroChangesTest, FieldsInAnotherOrderAndWithoutSource) {
  const std::string schema =
      R"({"type":"record","name":"E","fields":[{"name":"op","type":["null","string"]},)"
      R"({"name":"after","type":{"type":"record","name":"V","fields":[{"name":"id","type":"int"}]}},)"
      R"({"name":"before","type":["V","null"]}]})";
  auto rows = plain(columns({{"id", "INTEGER"}}), schema);
  const std::string after = Bytes().number(1).text("c").number(3).number(1);
  EXPECT_EQ(rows.read(after), Json({{"id", 3}, {"op", "c"}}));
  const std::string removed = Bytes().number(1).text("d").number(3).number(0).number(4);
  EXPECT_EQ(rows.read(removed), Json({{"id", 4}, {"op", "d"}}));
  EXPECT_EQ(rows.read(Bytes().number(0).number(3).number(1)), "op: unknown op null");
}

TEST(AvroChangesTest, DamageIsOutlived) {
  Registry registry;
  registry.add(1, envelope());
  registry.add(3, R"({"type":"record","name":"Key","fields":[{"name":"id","type":"int"}]})");
  const auto schema = declared();
  const std::string key = framed(3, Bytes().number(7));
  const std::vector<std::string> originals{
      framed(1, event(kNull, some(row(1, "a")), "c")),
      framed(1, event(some(row(1, "some longer text")), kNull, "d")),
      framed(1, event(kNull, kNull, "d"))};
  std::mt19937 random(21);
  const auto damaged = [&](std::string bytes) {
    for (std::size_t hits = 1 + random() % 3; hits > 0 && !bytes.empty(); --hits) {
      const std::size_t at = random() % bytes.size();
      if (random() % 4 == 0) {
        bytes.erase(at, 1 + random() % 4);
      } else {
        bytes[at] = static_cast<char>(random());
      }
    }
    return bytes;
  };
  std::size_t refused = 0;
  for (int round = 0; round < 10; ++round) {
    auto rows = framed_events(registry, schema);
    for (int i = 0; i < 150; ++i) {
      const auto& original = originals[random() % originals.size()];
      refused += rows.read(damaged(key), damaged(original)).is_string() ? 1 : 0;
    }
    EXPECT_EQ(rows.read(key, originals[0]), expected(1, "a", "c"));
    EXPECT_EQ(rows.read(key, originals[2])["ID"], 7);
  }
  EXPECT_GT(refused, 500U);
}

}  // namespace
}  // namespace millrace::debezium
