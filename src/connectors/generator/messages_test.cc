#include "connectors/generator/messages.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "formats/avro/schema.h"

namespace millrace {
namespace {

using Flaw = Message::Flaw;
using nlohmann::json;

std::vector<Message> made(const MessageKind& kind, const MessageOptions& options,
                          std::uint64_t count, formats::Kind format = formats::Kind::json) {
  MessageStream stream(kind, format, options);
  std::vector<Message> messages(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    stream.make(i, messages[i]);
  }
  return messages;
}

const MessageOptions kFlawed{.invalid = 0.1, .late = 0.05, .duplicates = 0.2};

TEST(Messages, TheSameSeedGivesTheSameInAnyOrder) {
  for (const auto& kind : message_kinds()) {
    const auto all = made(kind, kFlawed, 500);
    MessageStream again(kind, formats::Kind::json, kFlawed);
    Message message;
    for (std::uint64_t i = all.size(); i-- > 0;) {
      again.make(i, message);
      EXPECT_EQ(message.value, all[i].value) << kind.name << " " << i;
      EXPECT_EQ(message.key, all[i].key);
      EXPECT_EQ(message.flaw, all[i].flaw);
    }
    auto other = kFlawed;
    other.seed = 43;
    EXPECT_NE(made(kind, other, 1)[0].value, all[0].value) << kind.name;
  }
}

TEST(Messages, FlawsHaveTheirShares) {
  for (const auto& kind : message_kinds()) {
    std::map<Flaw, int> counts;
    for (const auto& message : made(kind, kFlawed, 10'000)) {
      counts[message.flaw]++;
    }
    EXPECT_NEAR(counts[Flaw::malformed], 1'000, 150) << kind.name;
    EXPECT_NEAR(counts[Flaw::late], 500, 100) << kind.name;
    EXPECT_NEAR(counts[Flaw::duplicate], 2'000, 200) << kind.name;
    for (const auto& message : made(kind, {}, 1'000)) {
      EXPECT_EQ(message.flaw, Flaw::none);
    }
  }
}

TEST(Messages, MalformedOnesAreNoJsonAndOthersAre) {
  for (const auto& kind : message_kinds()) {
    for (const auto& message : made(kind, kFlawed, 1'000)) {
      const auto parsed = json::parse(message.value, nullptr, /*allow_exceptions=*/false);
      EXPECT_EQ(parsed.is_object(), message.flaw != Flaw::malformed) << message.value;
      EXPECT_FALSE(message.value.empty());
    }
  }
}

TEST(Messages, DuplicatesRepeatOneOfTheThousandBefore) {
  for (const auto& kind : message_kinds()) {
    const auto all = made(kind, kFlawed, 5'000);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].flaw != Flaw::duplicate) {
        continue;
      }
      bool found = false;
      for (std::size_t j = i < 2'000 ? 0 : i - 2'000; j < i && !found; ++j) {
        found =
            all[j].flaw == Flaw::none && all[j].value == all[i].value && all[j].key == all[i].key;
      }
      EXPECT_TRUE(found) << kind.name << " " << i;
    }
  }
}

TEST(Messages, LateOnesHappenedBetweenOnceAndTwiceAsMuchBefore) {
  MessageOptions options{.late = 0.3};
  options.late_by = std::chrono::minutes(60);
  options.start_ms = 1'000'000'000'000;
  options.per_second = 2;
  int late = 0;
  const auto all = made(*find_message_kind("listens"), options, 1'000);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto on_time = options.start_ms + static_cast<std::int64_t>(i) * 500;
    const auto time = json::parse(all[i].value).at("timestamp").get<std::int64_t>();
    if (all[i].flaw == Flaw::late) {
      EXPECT_GE(on_time - time, 60 * 60'000);
      EXPECT_LE(on_time - time, 120 * 60'000);
      late++;
    } else {
      EXPECT_EQ(time, on_time);
    }
  }
  EXPECT_GT(late, 200);
}

TEST(Messages, KeysAreThoseOfTheReferencePipelines) {
  const auto key_of = [](std::string_view kind, auto expected) {
    for (const auto& message : made(*find_message_kind(kind), {}, 20)) {
      EXPECT_EQ(message.key, expected(json::parse(message.value))) << kind;
    }
  };
  key_of("orders", [](const json& j) { return j.at("order").at("order_id").get<std::string>(); });
  key_of("listens", [](const json& j) { return j.at("name").get<std::string>(); });
  key_of("events", [](const json& j) { return j.at("event_id").get<std::string>(); });
  key_of("order-records",
         [](const json& j) { return std::to_string(j.at("order_id").get<int>()); });
}

TEST(Messages, AnOrderHasWhatTheMedallionReads) {
  const auto order = json::parse(made(*find_message_kind("orders"), {}, 1)[0].value);
  EXPECT_EQ(order.at("event_time"), "2026-01-01T00:00:00.000Z");
  EXPECT_TRUE(order.at("order").at("customer").at("id").is_number_integer());
  for (const auto& item : order.at("order").at("items")) {
    EXPECT_GT(item.at("qty").get<int>(), 0);
    EXPECT_GT(item.at("price").get<double>(), 0);
    EXPECT_TRUE(item.at("product_id").is_string() && item.at("category").is_string());
  }
}

TEST(Messages, EventIdsAreUnlessTheyAreDuplicatesOnce) {
  std::set<std::string> keys;
  for (const auto& message : made(*find_message_kind("events"), kFlawed, 2'000)) {
    if (message.flaw != Flaw::duplicate) {
      EXPECT_TRUE(keys.insert(message.key).second) << message.key;
    }
  }
}

TEST(Messages, AvroFitsTheSchema) {
  for (const auto& kind : message_kinds()) {
    if (kind.avro.empty()) {
      EXPECT_THROW(MessageStream(kind, formats::Kind::avro, {}), Error);
      continue;
    }
    EXPECT_NO_THROW((void)avro::parse_schema(kind.avro)) << kind.name;
    const auto records = made(kind, {}, 100, formats::Kind::avro);
    for (const auto& record : records) {
      EXPECT_FALSE(record.value.empty());
    }
  }
  // event_id, customer_id, event_type, product_id, event_timestamp: lengths are zig-zag varints.
  const auto events = made(*find_message_kind("events"), {}, 1, formats::Kind::avro);
  EXPECT_TRUE(
      events[0].value.starts_with("\x1c"
                                  "evt-0000000000"))
      << events[0].value;
  EXPECT_TRUE(
      events[0].value.ends_with("\x30"
                                "2026-01-01T00:00:00.000Z"))
      << events[0].value;
}

}  // namespace
}  // namespace millrace
