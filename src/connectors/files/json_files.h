// Files of JSON lines as the rows of a source, with our own decoder: DuckDB's does not tell of keys
// that are no columns.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "connectors/files/file_decoding.h"
#include "connectors/files/row_filler.h"
#include "formats/json/decoder.h"
#include "formats/lines.h"

namespace millrace {

/// What JSON files are read as.
struct JsonLayout : RowLayout {
  Schema declared;
  json::DecoderOptions options;
  std::int64_t max_line_bytes = 0;
};

class JsonFiles final : public FileDecoding {
 public:
  /// `database` and `log` outlive it; `database` may be null until schema().
  JsonFiles(sql::Database* database, const FilesSourceOptions& options, const Log& log)
      : database_(database), options_(options), log_(log) {}

  /// Throws Error for types that can't be read from JSON, and for no column to rescue into.
  const Schema& schema(const FindFile& find_file) override;
  SliceInput read(FileScan files, MalformedReceiver& malformed) override;
  SliceInput read_again(const MalformedRows& rows, const std::string& folder,
                        MalformedReceiver& malformed) override;

 private:
  sql::Database* database_;
  FilesSourceOptions options_;
  const Log& log_;
  JsonLayout layout_;
};

/// Gives the lines of files in their order.
class JsonReader final : public RowReader {
 public:
  /// `layout` and `malformed` outlive it.
  JsonReader(const JsonLayout& layout, FileScan files, MalformedReceiver& malformed)
      : layout_(layout),
        files_(std::move(files)),
        rows_(layout, malformed),
        decoder_(layout.declared, layout.options) {}
  std::size_t read(ChunkWriter& to) override;

 private:
  bool next_line(formats::Lines::Line& line);
  bool add(const formats::Lines::Line& line, std::size_t row);
  [[nodiscard]] const std::string& path() const { return files_.files[next_file_].path; }

  const JsonLayout& layout_;
  FileScan files_;
  std::size_t next_file_ = 0;
  std::optional<formats::Lines> lines_;  // of the file that is open
  RowFiller rows_;
  json::Decoder decoder_;
};

}  // namespace millrace
