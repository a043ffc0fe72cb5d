#include "connectors/files/file_decoding.h"

#include <utility>

#include "base/error.h"
#include "connectors/files/avro_files.h"
#include "connectors/files/malformed_files.h"

namespace millrace {

namespace {

/// CSV, JSON lines and Parquet, which sql/ scans inside the plan.
class ScannedFiles final : public FileDecoding {
 public:
  ScannedFiles(sql::Database* database, FileFormat format, std::string declared, const Log& log)
      : database_(database),
        format_(std::move(format)),
        declared_(std::move(declared)),
        log_(log) {}

  const Schema& schema(const std::function<std::string()>& find_file) override {
    if (!schema_.empty()) {
      return schema_;
    }
    schema_ = declared_.empty() ? database_->parquet_schema(find_file())
                                : database_->parse_schema(declared_);
    if (const auto& name = format_.corrupt_record_column; !name.empty()) {
      schema_.columns.push_back({name, "VARCHAR", Physical::string});
    }
    return schema_;
  }
  [[nodiscard]] std::optional<FileFormat> file_format() const override { return format_; }
  SliceInput read(FileScan files, MalformedReceiver& /*malformed*/) override { return files; }
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
  sql::Database* database_;
  FileFormat format_;
  std::string declared_;
  const Log& log_;
  Schema schema_;
};

}  // namespace

std::unique_ptr<FileDecoding> make_file_decoding(sql::Database* database,
                                                 const FilesSourceOptions& options,
                                                 const Log& log) {
  FileFormat format = options.format;
  switch (options.kind) {
    case FileKind::csv:
      format.kind = FileFormat::Kind::csv;
      break;
    case FileKind::json:
      format.kind = FileFormat::Kind::json;
      break;
    case FileKind::parquet:
      format.kind = FileFormat::Kind::parquet;
      break;
    case FileKind::avro:
      return std::make_unique<AvroFiles>(database, options);
  }
  return std::make_unique<ScannedFiles>(database, std::move(format), options.schema, log);
}

}  // namespace millrace
