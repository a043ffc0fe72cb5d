// The options of the connector "files". Spark's names, in snake_case, where it has one.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "core/connector.h"
#include "core/source.h"
#include "formats/schema_change.h"

namespace millrace {

/// What is in files.
enum class FileKind : std::uint8_t { csv, json, parquet, avro };

template <>
struct EnumNames<FileKind> {
  using K = FileKind;
  static constexpr EnumWord<K> kWords[] = {
      {K::csv, "csv"}, {K::json, "json"}, {K::parquet, "parquet"}, {K::avro, "avro"}};
};

/// What happens to a file once the batch that read it is committed.
enum class CleanSource : std::uint8_t { off, remove, archive };

template <>
struct EnumNames<CleanSource> {
  using K = CleanSource;
  static constexpr EnumWord<K> kWords[] = {
      {K::off, "off"}, {K::remove, "delete"}, {K::archive, "archive"}};
};

/// What complete mode replaces, of a partitioned table.
enum class PartitionOverwriteMode : std::uint8_t { all, dynamic };

template <>
struct EnumNames<PartitionOverwriteMode> {
  using K = PartitionOverwriteMode;
  static constexpr EnumWord<K> kWords[] = {{K::all, "static"}, {K::dynamic, "dynamic"}};
};

/// How Parquet files have timestamps.
enum class ParquetTimestamps : std::uint8_t { int64, int96 };

template <>
struct EnumNames<ParquetTimestamps> {
  using P = ParquetTimestamps;
  static constexpr EnumWord<P> kWords[] = {{P::int64, "int64"}, {P::int96, "int96"}};
};

/// What a pipeline may say of the place.
struct FilesConnection {
  std::string path;

  static const OptionTable<FilesConnection>& table() {
    using O = FilesConnection;
    static const OptionTable<O> kTable{
        Option<O>{&O::path, "path",
                  "A folder; for a source also one file, or a pattern such as `in/2026-*/*.csv` "
                  "(`**` stands for folders of any depth)."}
            .required()
            .path()
            .example("input"),
    };
    return kTable;
  }
};

/// What a pipeline may say of files it reads.
struct FilesSourceOptions {
  FileKind kind = FileKind::csv;
  FileFormat format;  ///< `kind` decides, not its own
  std::string schema;
  std::string schema_file;
  std::optional<formats::OnSchemaChange> on_schema_change;
  std::string rescue_column;
  std::string path_glob_filter;
  bool recursive_file_lookup = false;
  std::optional<std::int64_t> max_files_per_trigger;
  std::optional<Bytes> max_bytes_per_trigger;
  std::optional<std::chrono::milliseconds> max_file_age;
  CleanSource clean_source = CleanSource::off;
  std::string source_archive_dir;
  std::chrono::milliseconds settle_time{1000};
  std::chrono::milliseconds poll_interval{1000};
  std::chrono::milliseconds full_listing_interval{60'000};

  static const OptionTable<FilesSourceOptions>& table();
};

/// What a pipeline may say of files it writes.
struct FilesSinkOptions {
  FileKind format = FileKind::parquet;
  std::string compression;
  std::string schema_file;
  std::string record_name;
  OnRefused on_refused = OnRefused::quarantine;
  std::int64_t row_group_size = 122'880;
  ParquetTimestamps timestamps = ParquetTimestamps::int64;
  std::vector<std::string> partition_by;
  bool header = true;
  PartitionOverwriteMode partition_overwrite_mode = PartitionOverwriteMode::all;
  std::optional<Bytes> max_file_size;
  std::optional<std::chrono::milliseconds> roll_interval;
  std::optional<std::chrono::milliseconds> visible_within;
  bool success_marker = false;
  bool read_back = false;

  [[nodiscard]] bool overwrites_parts() const noexcept {
    return partition_overwrite_mode == PartitionOverwriteMode::dynamic;
  }

  static const OptionTable<FilesSinkOptions>& table();
};

}  // namespace millrace
