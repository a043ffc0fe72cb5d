// How fast records become columns, by the processor's time of one thread: json_bench [seconds a
// case]
#include <fmt/format.h>

#include <ctime>
#include <string>
#include <vector>

#include "base/strings.h"
#include "formats/json/decoder.h"
#include "formats/testing/columns.h"

namespace millrace::json {
namespace {

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// Some thousands of records, as different from each other as those of a topic.
struct Case {
  std::string name;
  Schema schema;
  std::vector<std::string> records;
};

Schema schema_of(const std::vector<std::pair<std::string, std::string>>& columns) {
  Schema schema;
  for (const auto& [name, type] : columns) {
    schema.columns.push_back({.name = name, .type = type, .physical = physical_of(type)});
  }
  return schema;
}

std::string event(std::size_t i) {
  const auto h = i * 0x9E37'79B9'7F4A'7C15ULL;
  const char* const types[] = {"page_view", "add_to_cart", "purchase", "search"};
  const std::string product = i % 3 == 0 ? "null" : fmt::format("{}", h % 90'000);
  return fmt::format(
      R"({{"event_id": "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", "customer_id": {}, "event_type": "{}", "product_id": {}, "event_timestamp": "2024-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}"}})",
      h & 0xFFFF'FFFFU, (h >> 32U) & 0xFFFFU, (h >> 8U) & 0xFFFU, (h >> 20U) & 0xFFFU,
      h & 0xFFFF'FFFF'FFFFU, h % 50'000, types[h % 4], product, 1 + h % 12, 1 + h % 28, h % 24,
      h % 60, i % 60, h % 1'000'000);
}

std::string order(std::size_t i) {
  const auto h = i * 0x9E37'79B9'7F4A'7C15ULL;
  std::string items;
  for (std::size_t j = 0; j < 3; ++j) {
    items +=
        fmt::format(R"({}{{"sku":"SKU-{:06}","quantity":{},"price":{}.{:02}}})", j == 0 ? "" : ",",
                    (h >> j) % 1'000'000, 1 + h % 5, h % 300, (h >> j) % 100);
  }
  return fmt::format(
      R"({{"order_id":{},"customer":{{"id":{},"name":"Customer {}","email":"c{}@example.com"}},"items":[{}],"tags":{{"channel":"web","campaign":"c{}"}},"total":{}.{:02},"paid":{},"ordered_at":"2024-{:02}-{:02}T{:02}:{:02}:{:02}Z"}})",
      1'000'000 + i, h % 50'000, h % 50'000, h % 50'000, items, h % 90, h % 900, h % 100,
      h % 2 == 0 ? "true" : "false", 1 + h % 12, 1 + h % 28, h % 24, h % 60, i % 60);
}

std::vector<std::string> records_of(std::string (*make)(std::size_t)) {
  constexpr std::size_t kRecords = 20 * kChunkRows;
  std::vector<std::string> records;
  records.reserve(kRecords);
  for (std::size_t i = 0; i < kRecords; ++i) {
    records.push_back(make(i));
  }
  return records;
}

void run(const Case& what, double seconds, const DecoderOptions& options = {}) {
  Decoder decoder(what.schema, options);
  testing::MemoryColumns columns(what.schema);
  decoder.begin(columns.writers());
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  std::size_t row = 0;
  const double start = processor_seconds();
  double took = 0;
  while (took < seconds) {
    for (const std::string& record : what.records) {
      if (row == kChunkRows) {
        columns.clear();
        row = 0;
      }
      if (const auto wrong = decoder.decode(record, row)) {
        fmt::print("{}: {}: {}\n", what.name, wrong->column, wrong->reason);
        return;
      }
      ++row;
      bytes += static_cast<std::int64_t>(record.size());
    }
    rows += static_cast<std::int64_t>(what.records.size());
    took = processor_seconds() - start;
  }
  fmt::print("{:<28} {:>6.0f} bytes  {:>6.2f} million records/s  {:>6.0f} MB/s\n", what.name,
             static_cast<double>(bytes) / static_cast<double>(rows),
             static_cast<double>(rows) / took / 1e6, static_cast<double>(bytes) / took / 1e6);
}

}  // namespace
}  // namespace millrace::json

int main(int argc, char** argv) {
  using namespace millrace;
  using namespace millrace::json;
  const double seconds = argc > 1 ? parse_number(argv[1]).value_or(2) : 2;
  const auto events = records_of(event);
  const auto orders = records_of(order);
  run({"events",
       schema_of({{"event_id", "VARCHAR"},
                  {"customer_id", "INTEGER"},
                  {"event_type", "VARCHAR"},
                  {"product_id", "INTEGER"},
                  {"event_timestamp", "TIMESTAMP"}}),
       events},
      seconds);
  run({"events, time as VARCHAR",
       schema_of({{"event_id", "VARCHAR"},
                  {"customer_id", "INTEGER"},
                  {"event_type", "VARCHAR"},
                  {"product_id", "INTEGER"},
                  {"event_timestamp", "VARCHAR"}}),
       events},
      seconds);
  run({"events, two of five columns",
       schema_of({{"customer_id", "INTEGER"}, {"event_timestamp", "TIMESTAMP"}}), events},
      seconds);
  run({"orders with 3 items",
       schema_of({{"order_id", "BIGINT"},
                  {"customer", "STRUCT(id BIGINT, \"name\" VARCHAR, email VARCHAR)"},
                  {"items", "STRUCT(sku VARCHAR, quantity INTEGER, price DECIMAL(10,2))[]"},
                  {"tags", "MAP(VARCHAR, VARCHAR)"},
                  {"total", "DECIMAL(12,2)"},
                  {"paid", "BOOLEAN"},
                  {"ordered_at", "TIMESTAMP WITH TIME ZONE"}}),
       orders},
      seconds);
  run({"orders, one column", schema_of({{"total", "DOUBLE"}}), orders}, seconds);
}
