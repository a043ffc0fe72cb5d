// How fast the records of a container file become columns in memory, by the processor's time of one
// thread. All of its records are unpacked first; bench/formats.py makes a file and puts others
// beside.
//   avro_bench FILE SECONDS [COLUMN...]
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <iostream>
#include <span>
#include <stdexcept>

#include "base/strings.h"
#include "formats/avro/container.h"
#include "formats/avro/testing.h"

namespace millrace::avro {
namespace {

struct Block {
  std::string bytes;
  std::int64_t records;
};

struct File {
  std::string schema;
  std::vector<Block> blocks;
  std::size_t bytes = 0;
};

File load(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  ContainerReader reader([&](char* to, std::size_t bytes) {
    stream.read(to, static_cast<std::streamsize>(bytes));
    return static_cast<std::size_t>(stream.gcount());
  });
  File file{.schema = reader.schema(), .blocks = {}};
  while (reader.next() == ContainerReader::Found::block) {
    file.blocks.push_back({std::string(reader.bytes()), reader.records()});
    file.bytes += reader.bytes().size();
  }
  return file;
}

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// Gives the number of records.
std::int64_t decode(const File& file, Decoder& decoder, testing::MemoryColumns& memory,
                    const std::vector<ColumnWriter*>& to) {
  std::int64_t records = 0;
  std::size_t row = 0;
  decoder.begin(to);
  for (const auto& block : file.blocks) {
    std::string_view rest = block.bytes;
    for (std::int64_t i = 0; i < block.records; i++) {
      if (row == kChunkRows) {
        memory.clear();
        decoder.begin(to);
        row = 0;
      }
      if (const auto wrong = decoder.decode_next(rest, row)) {
        throw std::runtime_error(fmt::format("record {}: {}", records + i, wrong->reason));
      }
      row++;
    }
    records += block.records;
  }
  memory.clear();
  return records;
}

void measure(const File& file, double seconds, std::span<char*> columns) {
  const auto schema = shared(file.schema);
  const auto all = columns_of(*schema);
  testing::MemoryColumns memory(all);
  std::vector<ColumnWriter*> to;
  to.reserve(all.columns.size());
  for (std::size_t i = 0; i < all.columns.size(); i++) {
    const bool wanted = columns.empty() || std::ranges::any_of(columns, [&](const char* name) {
                          return name == all.columns[i].name;
                        });
    to.push_back(wanted ? memory.writers()[i] : nullptr);
  }
  Decoder decoder(resolve(schema));
  std::int64_t rows = 0;
  std::size_t bytes = 0;
  const auto start = processor_seconds();
  double spent = 0;
  while (spent < seconds) {
    rows += decode(file, decoder, memory, to);
    bytes += file.bytes;
    spent = processor_seconds() - start;
  }
  fmt::print("{} {} {:.3f}\n", rows, bytes, spent);
}

}  // namespace
}  // namespace millrace::avro

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: avro_bench FILE SECONDS [COLUMN...]\nPrints records, bytes, seconds.\n";
    return 2;
  }
  try {
    millrace::avro::measure(millrace::avro::load(argv[1]),
                            millrace::parse_number(argv[2]).value_or(2),
                            std::span(argv, static_cast<std::size_t>(argc)).subspan(3));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
