#include "formats/avro/container.h"

#include <algorithm>
#include <memory>

#include "formats/avro/columns.h"
#include "formats/avro/decoder.h"
#include "formats/avro/resolve.h"
#include "fuzz/support.h"
#include "fuzz/targets.h"

namespace millrace::fuzz {

namespace {

using avro::ContainerReader;
using Shared = std::shared_ptr<const avro::AvroSchema>;

constexpr avro::ContainerLimits kLimits{.header_bytes = 1U << 20U, .block_bytes = 8U << 20U};

/// Gives at most `most` bytes at a time.
avro::ReadBytes reads_of(std::string_view file, std::size_t most) {
  return [file, most](char* to, std::size_t bytes) mutable {
    const std::size_t count = std::min({bytes, most, file.size()});
    std::copy_n(file.data(), count, to);
    file.remove_prefix(count);
    return count;
  };
}

/// Reads the records of a block as a source would.
void read_records(const ContainerReader& reader, avro::Decoder& decoder, OneRow& row) {
  constexpr std::int64_t kRecordsMax = 100;
  std::string_view rest = reader.bytes();
  for (std::int64_t i = 0; i < std::min(reader.records(), kRecordsMax); i++) {
    if (row.read_by([&] { return decoder.decode_next(rest, 0); }).row.empty()) {
      break;
    }
  }
}

void read_blocks(ContainerReader& reader, std::size_t file_bytes) {
  const auto schema = unless_refused([&] {
    return std::make_shared<const avro::AvroSchema>(
        avro::parse_schema(reader.schema(), avro::Names::any));
  });
  const auto plan = schema ? unless_refused([&] { return avro::resolve(*schema); }) : std::nullopt;
  std::unique_ptr<avro::Decoder> decoder;
  std::unique_ptr<OneRow> row;
  if (plan) {
    decoder = std::make_unique<avro::Decoder>(*plan, avro::Limits{.elements = 100});
    row = std::make_unique<OneRow>(*decoder, avro::columns_of(**schema));
  }
  std::int64_t last = 0;
  for (auto found = reader.next(); found != ContainerReader::Found::end; found = reader.next()) {
    expect(reader.offset() > last, "a block that lies before the last one");
    expect(std::cmp_less_equal(reader.offset(), file_bytes), "a block behind the end");
    last = reader.offset();
    if (found == ContainerReader::Found::damaged) {
      expect_text(reader.damage());
    } else if (row) {
      expect(reader.bytes().size() <= kLimits.block_bytes, "a block larger than the limit");
      read_records(reader, *decoder, *row);
    }
  }
}

/// What is written with a codec is read back.
void check_round_trip(avro::Codec codec, std::string_view bytes) {
  std::string file;
  avro::ContainerWriter writer([&](std::string_view part) { file += part; }, R"("bytes")",
                               {.codec = codec, .block_bytes = 64, .marker = {'m', 'a', 'r', 'k'}});
  constexpr std::size_t kRecordBytes = 40;
  for (std::size_t at = 0; at < bytes.size(); at += kRecordBytes) {
    writer.add(bytes.substr(at, kRecordBytes));
  }
  writer.finish();
  ContainerReader reader(reads_of(file, file.size()));
  std::string read;
  while (reader.next() == ContainerReader::Found::block) {
    read += reader.bytes();
  }
  expect(read == bytes, "what was written is not what is read");
}

}  // namespace

void avro_container(std::string_view input) {
  const unsigned how = take_byte(input);
  const std::size_t read_bytes = how % 16 == 0 ? input.size() + 1 : how % 16;
  const Exact file(input);
  const auto reader = unless_refused([&] {
    return std::make_unique<ContainerReader>(reads_of(file.view(), read_bytes), kLimits);
  });
  if (reader) {
    read_blocks(**reader, input.size());
  }
  constexpr std::size_t kWrittenMax = 4096;  // a block is 64 bytes, and bzip2 takes its time
  if (input.size() <= kWrittenMax && how / 16 <= static_cast<unsigned>(avro::Codec::xz)) {
    check_round_trip(static_cast<avro::Codec>(how / 16), input);
  }
}

}  // namespace millrace::fuzz
