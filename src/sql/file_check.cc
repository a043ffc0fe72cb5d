#include "sql/file_check.h"

#include <fmt/format.h>

#include <utility>

#include "sql/internal/database.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/error.h"

namespace millrace::sql {

struct FileCheck::Impl {
  Impl(Database& database, FileWriterOptions of)
      : connection(*database.impl().duck), options(std::move(of)) {}

  [[nodiscard]] std::string scan_of(const std::string& path) const {
    const auto name = quote_text(path);
    const auto compression =
        quote_text(options.compression.empty() ? "uncompressed" : options.compression);
    switch (options.format) {
      case FileWriterOptions::Format::parquet:
        return fmt::format("read_parquet({}, hive_partitioning = false)", name);
      case FileWriterOptions::Format::csv:
        return fmt::format(
            "read_csv({}, hive_partitioning = false, all_varchar = true, "
            "auto_detect = true, delim = ',', quote = '\"', escape = '\"', "
            "header = {}, compression = {})",
            name, options.header, compression);
      case FileWriterOptions::Format::json:
        return fmt::format(
            "read_json({}, hive_partitioning = false, "
            "format = 'newline_delimited', sample_size = 20480, compression = {})",
            name, compression);
    }
    std::unreachable();
  }

  duckdb::Connection connection;
  FileWriterOptions options;
};

FileCheck::FileCheck(Database& database, const FileWriterOptions& options)
    : impl_(std::make_unique<Impl>(database, options)) {}
FileCheck::~FileCheck() = default;

std::int64_t FileCheck::rows(const std::string& path) const {
  // The hash of a whole row needs each of its values.
  const auto result = impl_->connection.Query(
      fmt::format("SELECT count(*), bit_xor(hash(t)) FROM {} AS t", impl_->scan_of(path)));
  if (result->HasError()) {
    throw Error(Blame::external, fmt::format("`{}` was written, and can't be read back: {}", path,
                                             run_error(result->GetErrorObject()).what()));
  }
  return result->GetValue(0, 0).GetValue<std::int64_t>();
}

void FileCheck::expect_rows(const std::string& path, std::int64_t expected) const {
  if (const auto found = rows(path); found != expected) {
    throw Error(Blame::external, fmt::format("`{}` was written with {} rows, and reads back with "
                                             "{}; nothing of it is published",
                                             path, expected, found));
  }
}

}  // namespace millrace::sql
