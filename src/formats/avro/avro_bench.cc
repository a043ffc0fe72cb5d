// How many records a second one thread decodes into columns in memory.
//   avro_bench [seconds]
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "base/strings.h"
#include "formats/avro/testing.h"

namespace millrace::avro {
namespace {

constexpr const char* kEvent = R"({"type":"record","name":"Event","fields":[
  {"name":"event_id","type":"string"},{"name":"customer_id","type":"int"},
  {"name":"event_type","type":"string"},{"name":"product_id","type":["null","int"]},
  {"name":"event_timestamp","type":"string"}]})";

std::vector<std::string> events() {
  constexpr std::string_view kTypes[] = {"page_view", "add_to_cart", "purchase", "search"};
  std::vector<std::string> records;
  for (std::size_t i = 0; i < kChunkRows; i++) {
    const auto number = static_cast<std::int64_t>(i);
    Bytes record;
    record.text(fmt::format("{:08x}-7dec-41d0-a765-{:012x}", number * 7919, number))
        .number(number * 37 % 100'000)
        .text(kTypes[i % 4]);
    i % 3 == 0 ? record.number(0) : record.number(1).number(number);
    records.push_back(record.text("2024-05-01T12:34:56.789Z"));
  }
  return records;
}

void measure(const char* what, const std::vector<bool>& read, double seconds) {
  const auto writer = shared(kEvent);
  const auto records = events();
  testing::MemoryColumns memory(columns_of(*writer));
  std::vector<ColumnWriter*> to;
  to.reserve(read.size());
  for (std::size_t i = 0; i < read.size(); i++) {
    to.push_back(read[i] ? memory.writers()[i] : nullptr);
  }
  Decoder decoder(resolve(writer));
  std::size_t bytes = 0;
  std::size_t rows = 0;
  const auto start = std::chrono::steady_clock::now();
  std::chrono::duration<double> spent{};
  while (spent.count() < seconds) {
    memory.clear();
    decoder.begin(to);
    for (std::size_t i = 0; i < records.size(); i++) {
      if (decoder.decode(records[i], i)) {
        fmt::print("malformed\n");
        std::exit(1);
      }
      bytes += records[i].size();
    }
    rows += records.size();
    spent = std::chrono::steady_clock::now() - start;
  }
  fmt::print("{:24} {:6.2f} M records/s  {:5.2f} GB/s\n", what,
             static_cast<double>(rows) / spent.count() / 1e6,
             static_cast<double>(bytes) / spent.count() / 1e9);
}

}  // namespace
}  // namespace millrace::avro

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? millrace::parse_number(argv[1]).value_or(2) : 2;
  millrace::avro::measure("all 5 columns", {true, true, true, true, true}, seconds);
  millrace::avro::measure("customer_id, product_id", {false, true, false, true, false}, seconds);
  millrace::avro::measure("none", {false, false, false, false, false}, seconds);
  return 0;
}
