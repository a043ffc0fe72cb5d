// Scans the files of a micro-batch inside a plan: CSV, JSON lines and Parquet, on several threads.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/source.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/input.h"

namespace millrace::sql {

/// One run over the files of one input.
///
/// Every file is checked against what was planned, before and after: a file that is gone or has
/// changed is an Error, because a batch that runs again must read the same rows.
///
/// A row is malformed if its structure is wrong (fields, quotes, encoding), or if a column that the
/// plan reads does not fit its type. Types of columns that nobody reads are not checked. If the
/// format is permissive, it comes at its place all the same, as a row of NULLs, unless it is too
/// long to be held.
class FileScanner {
 public:
  /// What one thread needs.
  class Local {
   public:
    virtual ~Local() = default;
  };

  /// `columns`: for each column of the output, its index in the declared schema, or a virtual
  /// column (of which only the count matters).
  static std::unique_ptr<FileScanner> open(duckdb::ClientContext& context, Input& input,
                                           const FileScan& scan,
                                           const std::vector<duckdb::column_t>& columns);
  virtual ~FileScanner() = default;
  FileScanner(const FileScanner&) = delete;
  FileScanner& operator=(const FileScanner&) = delete;

  [[nodiscard]] virtual duckdb::idx_t max_threads() const = 0;
  [[nodiscard]] virtual std::unique_ptr<Local> local(duckdb::ExecutionContext& context) = 0;
  /// Fills `out`. No rows: this thread is done.
  virtual void scan(duckdb::ClientContext& context, Local& local, duckdb::DataChunk& out) = 0;
  /// After the run: checks the files once more.
  void finish(duckdb::ClientContext& context);

 protected:
  FileScanner(Input& input, FileScan scan, std::vector<duckdb::column_t> columns);

  [[nodiscard]] const FileFormat& format() const noexcept { return *input_.declared->files; }
  [[nodiscard]] std::int64_t total_bytes() const noexcept;
  /// Whether a malformed row is one of NULLs.
  [[nodiscard]] bool permissive() const noexcept {
    return format().on_malformed == OnMalformed::permissive;
  }
  /// Deals with a malformed row as the source says: hands it on, counts it, or throws.
  void malformed(MalformedRow row);

  Input& input_;
  FileScan scan_;
  std::vector<duckdb::column_t> columns_;
};

}  // namespace millrace::sql
