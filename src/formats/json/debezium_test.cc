#include "formats/json/debezium.h"

#include <gtest/gtest.h>

#include <string>

#include "formats/json/test_rows.h"

namespace millrace::json {
namespace {

using Kind = Change::Kind;

std::string why_malformed(std::string_view message) {
  Envelope envelope;
  Change change;
  const auto wrong = envelope.open(message, change);
  return wrong ? wrong->column + ": " + wrong->reason : "";
}

TEST(DebeziumTest, AnUpdateWithoutSchema) {
  Envelope envelope;
  Change change;
  const std::string message =
      R"({"before":{"id":1,"x":"a"},"after":{ "id": 1, "x": "b" },"source":{"db":"shop","ts_ms":5},)"
      R"("op":"u","ts_ms":1709210096789,"transaction":null})";
  ASSERT_FALSE(envelope.open(message, change));
  EXPECT_EQ(change.kind, Kind::update);
  EXPECT_EQ(change.before, R"({"id":1,"x":"a"})");
  EXPECT_EQ(change.after, R"({ "id": 1, "x": "b" })");
  EXPECT_EQ(change.source, R"({"db":"shop","ts_ms":5})");
  EXPECT_EQ(change.ts_ms, 1709210096789);
  EXPECT_EQ(change.source_ts_ms, 5);
  EXPECT_TRUE(change.schema.empty());
  Rows rows({{"id", "INTEGER"}, {"x", "VARCHAR"}});
  EXPECT_EQ(rows.read(change.after), nlohmann::json({{"id", 1}, {"x", "b"}}));
}

TEST(DebeziumTest, WithSchemaAndPayload) {
  Envelope envelope;
  Change change;
  for (
      const auto* message :
      {R"({"schema":{"type":"struct","fields":[{"field":"op"}]},"payload":{"op":"c","after":{"id":1}}})",
       R"({"payload":{"after":{"id":1},"before":null,"op":"c","ts_ms":null},"schema":null})"}) {
    ASSERT_FALSE(envelope.open(message, change)) << message;
    EXPECT_EQ(change.kind, Kind::create);
    EXPECT_EQ(change.after, R"({"id":1})");
    EXPECT_TRUE(change.before.empty());
    EXPECT_FALSE(change.ts_ms);
    EXPECT_FALSE(change.source_ts_ms);
  }
  EXPECT_TRUE(change.schema.empty()) << "null";
  ASSERT_FALSE(envelope.open(R"({"schema":{"a":[1]},"payload":{"op":"c","after":{}}})", change));
  EXPECT_EQ(change.schema, R"({"a":[1]})");
}

TEST(DebeziumTest, KeysWithAndWithoutSchema) {
  Envelope envelope;
  Wrapped key;
  ASSERT_FALSE(envelope.open_key(R"({"id":1})", key));
  EXPECT_EQ(key.payload, R"({"id":1})");
  EXPECT_TRUE(key.schema.empty());
  ASSERT_FALSE(envelope.open_key(R"({"schema":{"a":1},"payload":{"id":1}})", key));
  EXPECT_EQ(key.payload, R"({"id":1})");
  EXPECT_EQ(key.schema, R"({"a":1})");
  ASSERT_FALSE(envelope.open_key(R"({"schema":null,"payload":1})", key));
  EXPECT_EQ(key.payload, "1");
  // A table may well have columns of these names.
  ASSERT_FALSE(envelope.open_key(R"({"schema":"public","payload":1})", key));
  EXPECT_EQ(key.payload, R"({"schema":"public","payload":1})");
  ASSERT_FALSE(envelope.open_key("[1]", key));
  EXPECT_EQ(envelope.open_key("{]", key)->reason, "unexpected `]` at byte 1");
}

TEST(DebeziumTest, EachKind) {
  Envelope envelope;
  Change change;
  ASSERT_FALSE(envelope.open(R"({"op":"d","before":{"id":1},"after":null})", change));
  EXPECT_EQ(change.kind, Kind::remove);
  EXPECT_EQ(change.before, R"({"id":1})");
  ASSERT_FALSE(envelope.open(R"({"op":"d","before":null})", change));
  EXPECT_TRUE(change.before.empty());
  ASSERT_FALSE(envelope.open(R"({"op":"r","after":{}})", change));
  EXPECT_EQ(change.kind, Kind::read);
  ASSERT_FALSE(envelope.open(R"({"op":"t"})", change));
  EXPECT_EQ(change.kind, Kind::truncate);
  ASSERT_FALSE(envelope.open(R"({"op":"m","message":{}})", change));
  EXPECT_EQ(change.kind, Kind::message);
  for (const auto* message : {"", "null", R"({"schema":null,"payload":null})"}) {
    ASSERT_FALSE(envelope.open(message, change)) << message;
    EXPECT_EQ(change.kind, Kind::tombstone);
    EXPECT_TRUE(change.before.empty());
  }
}

TEST(DebeziumTest, WhatIsMalformed) {
  EXPECT_EQ(why_malformed(R"({"id":1})"), "op: the message is no Debezium envelope: no `op`");
  EXPECT_EQ(why_malformed(R"({"schema":{},"payload":{"id":1}})"),
            "op: the message is no Debezium envelope: no `op`");
  EXPECT_EQ(why_malformed("{}"), "op: the message is no Debezium envelope: no `op`");
  EXPECT_EQ(why_malformed(R"({"op":"x"})"), "op: unknown op \"x\"");
  EXPECT_EQ(why_malformed(R"({"op":1})"), "op: unknown op 1");
  EXPECT_EQ(why_malformed(R"({"op":"ééééééééééééé"})"), "op: unknown op \"ééééééééé...");
  EXPECT_EQ(why_malformed(R"({"op":"c","after":null})"), "after: it is no object");
  EXPECT_EQ(why_malformed(R"({"op":"c","after":[1]})"), "after: it is no object");
  EXPECT_EQ(why_malformed(R"({"op":"u","after":{},"before":1})"), "before: it is no object");
  EXPECT_EQ(why_malformed(R"({"op":"c","after":{},"ts_ms":"x"})"),
            "ts_ms: it is no number of milliseconds");
  EXPECT_EQ(why_malformed(R"({"op":"c","after":{},"source":{"ts_ms":1.5}})"),
            "source.ts_ms: it is no number of milliseconds");
  EXPECT_EQ(why_malformed(R"({"op":"c","after":{"a":01}})"), ": unexpected `01` at byte 23");
  EXPECT_EQ(why_malformed(R"({"op":"c","after":{}}x)"),
            ": something follows the record's value at byte 21");
  EXPECT_EQ(why_malformed("[]"), ": unexpected `[` at byte 0");
  EXPECT_EQ(why_malformed("  "), ": the record is empty");
}

}  // namespace
}  // namespace millrace::json
