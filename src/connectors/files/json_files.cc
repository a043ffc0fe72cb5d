#include "connectors/files/json_files.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "connectors/files/malformed_files.h"
#include "core/planned_files.h"

namespace millrace {

namespace {

/// Lines of a file, unpacked. Throws Error that names the file.
formats::Lines lines_of(const FileScan& scan, const FileScan::File& file, std::int64_t max_bytes) {
  auto bytes = formats::open_unpacked(scan, file);
  try {
    return {std::move(bytes), max_bytes};
  } catch (const Error& error) {
    throw Error(error.blame(), fmt::format("`{}`: {}", file.path, error.what()), error.retry());
  }
}

}  // namespace

const Schema& JsonFiles::schema(const FindFile& /*find_file*/) {
  if (!layout_.schema.empty()) {
    return layout_.schema;
  }
  layout_.declared = database_->parse_schema(options_.schema);
  layout_.options.ignore_case = false;  // as with `ignore`: else what is read would depend on it
  layout_.options.rescue_column = options_.rescue_column;
  layout_.options.refuse_unknown = options_.on_schema_change == formats::OnSchemaChange::fail;
  layout_.max_line_bytes = options_.format.max_line_bytes;
  (void)json::Decoder(layout_.declared, layout_.options);  // once now, for what it refuses
  layout_.on_malformed = options_.format.on_malformed;
  layout_.place = line_place_of;
  layout_.to_have_new_fields = "add the column to `schema`";
  layout_.set_columns(layout_.declared, options_.format.corrupt_record_column, "VARCHAR");
  return layout_.schema;
}

SliceInput JsonFiles::read(FileScan files, MalformedReceiver& malformed) {
  return std::make_unique<JsonReader>(layout_, std::move(files), malformed);
}

SliceInput JsonFiles::read_again(const MalformedRows& rows, const std::string& folder,
                                 MalformedReceiver& malformed) {
  FileFormat format = options_.format;
  format.kind = FileFormat::Kind::json;
  MalformedFiles files(folder, std::move(format), layout_.schema, malformed, log_);
  while (const auto row = rows()) {
    files.add(*row);
  }
  return read(files.finish(), malformed);
}

std::size_t JsonReader::read(ChunkWriter& to) {
  rows_.begin(to);
  decoder_.begin(rows_.columns());
  std::size_t row = 0;
  formats::Lines::Line line;
  while (row < kChunkRows && next_line(line)) {
    row += add(line, row) ? 1 : 0;
  }
  return row;
}

/// False: all files are read.
bool JsonReader::next_line(formats::Lines::Line& line) {
  while (next_file_ < files_.files.size()) {
    const auto& file = files_.files[next_file_];
    if (!lines_) {
      check_unchanged(files_, file);
      lines_.emplace(lines_of(files_, file, layout_.max_line_bytes));
    }
    if (lines_->next(line)) {
      return true;
    }
    lines_.reset();
    check_unchanged(files_, file);
    ++next_file_;
  }
  return false;
}

bool JsonReader::add(const formats::Lines::Line& line, std::size_t row) {
  if (line.part > 0) {
    rows_.lose({.origin = path(),
                .line = line.number,
                .raw = std::string(line.text),
                .reason = "longer than `max_line_bytes`",
                .part = line.part});
    return false;
  }
  const auto record = trim(line.text);
  if (record.empty()) {
    return false;
  }
  rows_.mark();
  auto why = decoder_.decode(record, row);
  if (!why) {
    rows_.done(row);
    return true;
  }
  MalformedRow malformed{.origin = path(), .line = line.number, .raw = std::string(line.text)};
  return rows_.refuse(std::move(malformed), std::move(*why), as_utf8(line.text), row);
}

}  // namespace millrace
