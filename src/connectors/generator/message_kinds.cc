// What the messages of the examples look like.
#include <fmt/compile.h>
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cmath>
#include <iterator>

#include "connectors/generator/messages.h"

namespace millrace {

namespace {

/// "2026-01-01T00:00:00.100Z"
std::string iso_time(std::int64_t ms) {
  namespace chrono = std::chrono;
  const chrono::sys_time<chrono::milliseconds> time{chrono::milliseconds(ms)};
  const auto day = chrono::floor<chrono::days>(time);
  const chrono::year_month_day date{day};
  const chrono::hh_mm_ss clock{time - day};
  return fmt::format(FMT_COMPILE("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z"),
                     static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

/// Many small amounts and few large ones, about 40 on average, in hundredths.
std::int64_t price_cents(RowRandom& random) {
  return 50 + std::llround(-2'000.0 * std::log(random.share() * random.share()));
}

// ---- orders: examples/medallion ----

constexpr std::uint64_t kCustomers = 20'000;
constexpr std::uint64_t kProducts = 1'000;
constexpr std::array<std::string_view, 6> kCategories{"electronics", "clothing", "home",
                                                      "books",       "sports",   "toys"};
constexpr std::array<std::string_view, 8> kCities{"Oslo",  "Lima",  "Cairo", "Quito",
                                                  "Paris", "Osaka", "Delhi", "Accra"};
// As often as they stand here.
constexpr std::array<std::string_view, 10> kStatuses{
    "PAID", "PAID", "PAID", "PAID", "PAID", "PAID", "PENDING", "SHIPPED", "CANCELLED", "REFUNDED"};

void write_order(const Making& making, std::string& json, std::string& key) {
  RowRandom& random = making.random;
  const auto to = std::back_inserter(json);
  const auto customer = random.below(kCustomers);
  const auto status = random.one_of(kStatuses);
  key = fmt::format("O{:010}", making.number);
  fmt::format_to(to,
                 R"({{"event_id":"evt-{:010}","event_type":"{}","event_time":"{}","order":{{)"
                 R"("order_id":"{}","status":"{}","customer":{{"id":{},"name":"Customer {}",)"
                 R"("city":"{}"}},"items":[)",
                 making.number, status == "PAID" ? "order_paid" : "order_updated",
                 iso_time(making.time_ms), key, status, customer, customer,
                 kCities[customer % kCities.size()]);
  const auto items = 1 + random.below(4);
  for (std::uint64_t i = 0; i < items; ++i) {
    const auto product = random.below(kProducts);
    const auto cents = price_cents(random);
    fmt::format_to(to, R"({}{{"product_id":"P{:05}","category":"{}","qty":{},"price":{}.{:02}}})",
                   i == 0 ? "" : ",", product, kCategories[product % kCategories.size()],
                   1 + random.below(5), cents / 100, cents % 100);
  }
  json += "]}}";
}

// ---- listens: examples/listening ----

constexpr std::array<std::string_view, 11> kUsers{"ann",  "bob",  "cleo", "dev",  "eve", "finn",
                                                  "gita", "hugo", "ines", "jack", "kim"};
// Titles with what CSV and JSON have to quote; examples/listening/songs.csv has all but the last.
constexpr std::array<std::string_view, 12> kSongs{
    "Midnight Train", "Golden River",     R"(Hello, "World")", "Für Elise",
    "Broken, Pt. 2",  "Electric Fire",    "Silent City",       "Summer\nRain",
    "Señorita",       "Paper (Live Mix)", "東京の夜",          "Not in the catalogue"};

void fill_listen(const Making& making, FlatRows& row, std::string& key) {
  key = making.random.one_of(kUsers);
  row.set_text(0, key);
  row.set_text(1, making.random.one_of(kSongs));
  row.set(2, making.time_ms);
}

// ---- events: what customers look at ----

constexpr std::array<std::string_view, 3> kEventTypes{"WISHLIST", "LIKE", "CART_ADD"};
constexpr std::string_view kEventAvro =
    R"({"type":"record","name":"CustomerEvent","namespace":"com.customer360","fields":[
  {"name":"event_id","type":"string"},
  {"name":"customer_id","type":"int"},
  {"name":"event_type","type":"string"},
  {"name":"product_id","type":["null","int"],"default":null},
  {"name":"event_timestamp","type":"string"}]}
)";

void fill_event(const Making& making, FlatRows& row, std::string& key) {
  key = fmt::format("evt-{:010}", making.number);
  row.set_text(0, key);
  row.set(1, static_cast<std::int32_t>(1 + making.random.below(kCustomers)));
  row.set_text(2, making.random.one_of(kEventTypes));
  const auto product = making.random.below(kProducts + kProducts / 4);
  if (product < kProducts) {
    row.set(3, static_cast<std::int32_t>(product));
  } else {
    row.set_null(3);
  }
  row.set_text(4, iso_time(making.time_ms));
}

// ---- order-records: examples/retail ----

constexpr std::string_view kOrderRecordAvro =
    R"({"type":"record","name":"OrderRecord","namespace":"com.retail","fields":[
  {"name":"order_id","type":"int"},
  {"name":"customer_id","type":"int"},
  {"name":"amount","type":"double"},
  {"name":"created_at","type":"string"}]}
)";

void fill_order_record(const Making& making, FlatRows& row, std::string& key) {
  const auto id = static_cast<std::int32_t>(1 + making.number % INT32_MAX);
  key = std::to_string(id);
  row.set(0, id);
  row.set(1, static_cast<std::int32_t>(1 + making.random.below(kCustomers)));
  row.set(2, static_cast<double>(price_cents(making.random)) / 100);
  auto created = iso_time(making.time_ms).substr(0, 19);
  created[10] = ' ';
  row.set_text(3, created);
}

Column text(std::string_view name) { return {std::string(name), "VARCHAR", Physical::string}; }
Column integer(std::string_view name) { return {std::string(name), "INTEGER", Physical::i32}; }

}  // namespace

std::span<const MessageKind> message_kinds() {
  static const std::array<MessageKind, 4> kKinds{
      MessageKind{.name = "orders",
                  .summary = "Orders with their items, for examples/medallion",
                  .topic = "custords",
                  .columns = {{text("event_id"),
                               text("event_type"),
                               {"event_time", "TIMESTAMP", Physical::i64},
                               {"order",
                                "STRUCT(order_id VARCHAR, status VARCHAR, customer STRUCT(id "
                                "BIGINT, name VARCHAR, city VARCHAR), items STRUCT(product_id "
                                "VARCHAR, category VARCHAR, qty INTEGER, price DECIMAL(10,2))[])",
                                Physical::other}}},
                  .write = write_order},
      MessageKind{.name = "listens",
                  .summary = "Who listens to which song, for examples/listening",
                  .topic = "test",
                  .columns = {{text("name"), text("song"), {"timestamp", "BIGINT", Physical::i64}}},
                  .avro = R"({"type":"record","name":"Listen","fields":[
  {"name":"name","type":"string"},
  {"name":"song","type":"string"},
  {"name":"timestamp","type":"long"}]}
)",
                  .fill = fill_listen},
      MessageKind{
          .name = "events",
          .summary =
              "What customers like, wish for and put into their carts, for examples/customer-360",
          .topic = "events",
          .columns = {{text("event_id"), integer("customer_id"), text("event_type"),
                       integer("product_id"), text("event_timestamp")}},
          .avro = kEventAvro,
          .fill = fill_event},
      MessageKind{.name = "order-records",
                  .summary = "Flat orders, Avro as a rule, for examples/retail",
                  .topic = "orders_avro_topic",
                  .format = formats::Kind::avro,
                  .columns = {{integer("order_id"),
                               integer("customer_id"),
                               {"amount", "DOUBLE", Physical::f64},
                               text("created_at")}},
                  .avro = kOrderRecordAvro,
                  .fill = fill_order_record},
  };
  return kKinds;
}

}  // namespace millrace
