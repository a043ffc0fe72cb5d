// Writes chunks into Parquet, CSV or JSON files with DuckDB's writers, or into files of a format
// that others know, one folder a partition.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/schema.h"
#include "core/sink.h"
#include "sql/database.h"

namespace millrace::sql {

/// A file of a format that sql/ does not know, being written.
class RowFile {
 public:
  virtual ~RowFile() = default;
  /// Takes rows of the columns that go into files. Several may be there at once, each used by one
  /// thread; which rows come first is left to chance.
  [[nodiscard]] virtual std::unique_ptr<SinkWriter> writer() = 0;
  /// After all writers have finished: how many rows it has, which are those that it was given but
  /// for the ones that it refused.
  virtual std::int64_t finish() = 0;
};
/// Begins a file. Called by several threads at once.
using MakeRowFile = std::function<std::unique_ptr<RowFile>(const std::string& path)>;

struct FileWriterOptions {
  enum class Format : std::uint8_t { parquet, csv, json };
  Format format = Format::parquet;
  MakeRowFile make_file;  ///< if set, makes the files, and neither format nor compression matter
  bool makes_parquet = false;  ///< what make_file makes is Parquet that DuckDB reads
  std::string compression;     ///< parquet: zstd, snappy, ...; csv, json: none, gzip, zstd
  std::int64_t row_group_rows = 122'880;  ///< parquet
  bool header = true;                     ///< csv
  std::vector<std::string> partition_by;  ///< columns that become folders `name=value`
  std::int64_t max_file_bytes = 0;        ///< start another part past this size; 0: never
  bool only_noted = false;                ///< leave out rows of partitions that noter() didn't see
  bool sync = true;                       ///< a file that is written survives a crash
};

/// A file that was written: complete and, on request, synced to disk.
struct WrittenFile {
  std::string path;       ///< as path_of() named it
  std::string partition;  ///< "event_date=2026-01-01" or empty
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
};

/// The rows of one batch on their way into files. Several threads write, each through a writer() of
/// its own; rows of one partition end in one file (unless max_file_bytes).
class FileWriter {
 public:
  /// Names the file for part `part` (from 0) of a partition; its folder must exist or be made by
  /// it.
  using PathOf = std::function<std::string(const std::string& partition, int part)>;
  FileWriter(Database& database, const Schema& schema, const FileWriterOptions& options,
             PathOf path_of);
  ~FileWriter();

  [[nodiscard]] std::unique_ptr<SinkWriter> writer();
  /// With `only_noted`, before the first writer(): takes rows only to note their partitions. Like
  /// writer(), one for each of several threads.
  [[nodiscard]] std::unique_ptr<SinkWriter> noter();
  /// Rows that were left out, when all writers have finished.
  [[nodiscard]] std::int64_t left_out() const noexcept;
  /// Closes and syncs every file. With `at_least_one`, an empty result still makes one file, unless
  /// it is partitioned: a file that no folder holds would have other columns.
  std::vector<WrittenFile> finish(bool at_least_one);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::sql
