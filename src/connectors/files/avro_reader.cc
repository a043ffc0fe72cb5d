#include "connectors/files/avro_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "core/growing_columns.h"
#include "core/planned_files.h"
#include "formats/input_file.h"
#include "formats/schema_change.h"

namespace millrace {

namespace {

/// What is damaged is kept in parts of so many bytes, as it may be all of a file.
constexpr std::size_t kPartBytes = 1 << 20;
/// Schemas whose decoders are at hand for records of all kinds.
constexpr std::size_t kWritersMax = 64;

}  // namespace

std::string avro_schema_of(const FileScan& scan) {
  const auto& file = scan.files.front();
  auto bytes = formats::open_file(scan, file);
  try {
    return avro::ContainerReader(std::move(bytes)).schema();
  } catch (const Error& error) {
    throw Error(error.blame(), fmt::format("`{}`: {}", file.path, error.what()), error.retry());
  }
}

std::size_t AvroReader::read(ChunkWriter& to) {
  rows_.begin(to);
  std::size_t row = 0;
  while (row < kChunkRows) {
    if (records_.count > 0) {
      row += rows_.add(*writer_, path_, records_, row) ? 1 : 0;
    } else if (!next_block()) {
      break;
    }
  }
  return row;
}

/// False: all files are read.
bool AvroReader::next_block() {
  while (records_.count == 0) {
    if (!blocks_) {
      if (next_file_ == files_.files.size()) {
        return false;
      }
      open(files_.files[next_file_]);
      continue;
    }
    lose_rest();
    switch (blocks_->next()) {
      case avro::ContainerReader::Found::block:
        records_ = {
            .bytes = blocks_->bytes(), .count = blocks_->records(), .offset = blocks_->offset()};
        break;
      case avro::ContainerReader::Found::damaged:
        lose(blocks_->damage(), blocks_->offset(),
             [this] { return blocks_->take_damaged(kPartBytes); });
        break;
      case avro::ContainerReader::Found::end:
        close();
        break;
    }
  }
  return true;
}

/// A file of which not even the header can be read is damaged as a whole.
void AvroReader::open(const FileScan::File& file) {
  check_unchanged(files_, file);
  path_ = file.path;
  auto bytes = formats::open_file(files_, file);
  try {
    blocks_.emplace(std::move(bytes));
    writer_.emplace(rows_.writer(blocks_->schema(), path_));
  } catch (const formats::SchemaChange&) {
    throw;
  } catch (const Error& error) {
    if (error.blame() != Blame::user) {
      throw;  // it is not about what is in the file, or its fields are to be columns
    }
    lose(error.what(), 0,
         [again = formats::open_file(files_, file),
          piece = std::string()]() mutable -> std::string_view {
           piece.resize(kPartBytes);
           piece.resize(again(piece.data(), piece.size()));
           return piece;
         });
    close();
  }
}

void AvroReader::close() {
  blocks_.reset();
  writer_.reset();
  check_unchanged(files_, files_.files[next_file_]);
  ++next_file_;
}

/// What a block has behind its last record.
void AvroReader::lose_rest() {
  const auto rest = std::exchange(records_.bytes, {});
  if (!rest.empty()) {
    rows_.lose(
        {.origin = path_,
         .line = records_.offset,
         .raw = std::string(rest),
         .reason = fmt::format("{} behind the records of a block",
                               human_count(static_cast<std::int64_t>(rest.size()), "byte"))});
  }
}

/// Keeps the bytes that `next` gives, piece by piece; none: that was all.
void AvroReader::lose(std::string reason, std::int64_t offset,
                      const std::function<std::string_view()>& next) {
  MalformedRow what{
      .origin = path_, .line = offset, .raw = std::string(next()), .reason = std::move(reason)};
  for (std::string piece(next()); !piece.empty(); piece = next()) {
    ++what.part;
    rows_.lose(what);
    what.raw = std::move(piece);
  }
  what.part += what.part > 0 ? 1 : 0;
  rows_.lose(what);
}

std::size_t KeptAvroReader::read(ChunkWriter& to) {
  rows_.begin(to);
  std::size_t row = 0;
  while (row < kChunkRows) {
    const auto kept = kept_();
    if (!kept) {
      break;
    }
    if (AvroWriter* const writer = writer_of(*kept)) {
      row += rows_.add_again(*writer, *kept, row) ? 1 : 0;
    } else {
      malformed_.add(*kept);
    }
  }
  return row;
}

/// nullptr: it has no schema.
AvroWriter* KeptAvroReader::writer_of(const MalformedRow& kept) {
  const std::string& schema = kept.header;
  if (const auto known = writers_.find(schema); known != writers_.end()) {
    return &known->second;
  }
  if (schema.empty()) {
    return nullptr;
  }
  if (writers_.size() == kWritersMax) {
    writers_.clear();
  }
  try {
    return &writers_.emplace(schema, rows_.writer(schema, kept.origin)).first->second;
  } catch (const formats::SchemaChange&) {
    throw;
  } catch (const ColumnsGrew&) {
    throw;
  } catch (const Error&) {  // somebody has changed it
    return nullptr;
  }
}

}  // namespace millrace
