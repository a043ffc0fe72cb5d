// How fast the lines of a file become columns in memory, by the processor's time of one thread. All
// are read first; bench/formats.py makes a file and puts others beside.
//   json_bench FILE SECONDS COLUMN=TYPE...
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/strings.h"
#include "formats/json/decoder.h"
#include "formats/testing/columns.h"

namespace millrace::json {
namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream stream(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

Schema schema_of(std::span<char*> columns) {
  Schema schema;
  for (const std::string_view column : columns) {
    const auto equals = column.find('=');
    const std::string type(column.substr(std::min(equals, column.size() - 1) + 1));
    schema.columns.push_back({.name = std::string(column.substr(0, equals)),
                              .type = type,
                              .physical = physical_of(type)});
  }
  return schema;
}

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void measure(const std::vector<std::string>& lines, double seconds, const Schema& schema) {
  Decoder decoder(schema, {});
  testing::MemoryColumns columns(schema);
  decoder.begin(columns.writers());
  std::size_t rows = 0;
  std::size_t bytes = 0;
  std::size_t row = 0;
  const auto start = processor_seconds();
  double spent = 0;
  while (spent < seconds) {
    for (const auto& line : lines) {
      if (row == kChunkRows) {
        columns.clear();
        row = 0;
      }
      if (const auto wrong = decoder.decode(line, row)) {
        throw std::runtime_error(fmt::format("{}: {}: {}", line, wrong->column, wrong->reason));
      }
      row++;
      bytes += line.size() + 1;
    }
    rows += lines.size();
    spent = processor_seconds() - start;
  }
  fmt::print("{} {} {:.3f}\n", rows, bytes, spent);
}

}  // namespace
}  // namespace millrace::json

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: json_bench FILE SECONDS COLUMN=TYPE...\nPrints records, bytes, seconds.\n";
    return 2;
  }
  try {
    millrace::json::measure(
        millrace::json::lines_of(argv[1]), millrace::parse_number(argv[2]).value_or(2),
        millrace::json::schema_of(std::span(argv, static_cast<std::size_t>(argc)).subspan(3)));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
