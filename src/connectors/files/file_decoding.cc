#include "connectors/files/file_decoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "connectors/files/avro_files.h"
#include "connectors/files/json_files.h"
#include "connectors/files/malformed_files.h"
#include "formats/schema_change.h"

namespace millrace {

using formats::OnSchemaChange;

namespace {

/// CSV, JSON lines and Parquet, which sql/ scans inside the plan.
class ScannedFiles final : public FileDecoding {
 public:
  ScannedFiles(sql::Database* database, FileFormat format, const FilesSourceOptions& options,
               const Log& log)
      : database_(database),
        format_(std::move(format)),
        declared_(options.schema),
        refuses_more_(options.on_schema_change == OnSchemaChange::fail),
        log_(log) {}

  const Schema& schema(const FindFile& find_file) override {
    if (!schema_.empty()) {
      return schema_;
    }
    schema_ = declared_.empty() ? schema_of(find_file()) : database_->parse_schema(declared_);
    if (const auto& name = format_.corrupt_record_column; !name.empty()) {
      schema_.columns.push_back({name, "VARCHAR", Physical::string});
    }
    return schema_;
  }
  [[nodiscard]] std::optional<FileFormat> file_format() const override { return format_; }
  SliceInput read(FileScan files, MalformedReceiver& /*malformed*/) override {
    if (refuses_more_) {
      std::ranges::for_each(files.files, [&](const auto& file) { check_columns(files, file); });
    }
    return files;
  }
  SliceInput read_again(const MalformedRows& rows, const std::string& folder,
                        MalformedReceiver& malformed) override {
    if (format_.kind == FileFormat::Kind::parquet) {
      throw Error(Blame::user, "Parquet files have no records that could be read again");
    }
    MalformedFiles files(folder, format_, schema_, malformed, log_);
    while (const auto row = rows()) {
      files.add(*row);
    }
    return files.finish();
  }

 private:
  [[nodiscard]] Schema schema_of(const FileScan& scan) const {
    return database_->parquet_schema(sql_name(scan, scan.files.front()));
  }
  static std::string sql_name(const FileScan& scan, const FileScan::File& file) {
    return scan.store == nullptr ? file.path
                                 : sql::object_name(scan.mount, file.path, file.size, file.etag);
  }
  /// Throws SchemaChange if a Parquet file has other columns beside ours.
  void check_columns(const FileScan& scan, const FileScan::File& file) {
    for (const Column& column : database_->parquet_schema(sql_name(scan, file)).columns) {
      if (schema_.find(column.name) < 0) {
        throw formats::SchemaChange(
            fmt::format("`{}`", file.path),
            {.column = column.name, .reason = "the columns have no such field"},
            declared_.empty() ? "name the columns in a `schema`" : "add the column to `schema`");
      }
    }
  }

  sql::Database* database_;
  FileFormat format_;
  std::string declared_;
  bool refuses_more_;
  const Log& log_;
  Schema schema_;
};

}  // namespace

std::unique_ptr<FileDecoding> make_file_decoding(sql::Database* database, const std::string& source,
                                                 const FilesSourceOptions& options,
                                                 const Log& log) {
  FileFormat format = options.format;
  switch (options.kind) {
    case FileKind::csv:
      format.kind = FileFormat::Kind::csv;
      break;
    case FileKind::json:
      if (options.on_schema_change.value_or(OnSchemaChange::ignore) != OnSchemaChange::ignore) {
        return std::make_unique<JsonFiles>(database, options, log);
      }
      format.kind = FileFormat::Kind::json;
      break;
    case FileKind::parquet:
      format.kind = FileFormat::Kind::parquet;
      break;
    case FileKind::avro:
      return std::make_unique<AvroFiles>(database, source, options);
  }
  return std::make_unique<ScannedFiles>(database, std::move(format), options, log);
}

}  // namespace millrace
