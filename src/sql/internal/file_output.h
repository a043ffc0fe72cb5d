// DuckDB's writers of Parquet and CSV (and JSON lines, which go through the one of CSV), driven row
// group by row group.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sql/file_writer.h"
#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// A file format, bound to columns and options. Makes files; thread-safe after construction.
class FileOutput {
 public:
  using Rows = duckdb::unique_ptr<duckdb::ColumnDataCollection>;

  /// `columns`: those that go into the files. Needs an open transaction.
  FileOutput(duckdb::ClientContext& context, const duckdb::vector<std::string>& names,
             const duckdb::vector<duckdb::LogicalType>& types, const FileWriterOptions& options);

  /// The types that rows must have to be put(): not those of the columns if a cast is needed, and a
  /// text for JSON.
  [[nodiscard]] const duckdb::vector<duckdb::LogicalType>& row_types() const noexcept {
    return row_types_;
  }
  /// Turns chunks of the columns into chunks of row_types(). One a thread.
  class Converter {
   public:
    explicit Converter(const FileOutput& output);
    /// The result is valid until the next call.
    duckdb::DataChunk& convert(duckdb::DataChunk& columns);

   private:
    const FileOutput& output_;
    duckdb::ExpressionExecutor executor_;
    duckdb::DataChunk converted_;
  };

  /// A file being written.
  class File {
   public:
    /// Encodes rows and writes them. Several threads may do so at once: only the last step, the
    /// writing, is one after the other.
    void put(Rows rows);
    void finish();
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

   private:
    friend class FileOutput;
    File(FileOutput& output, std::string path);
    FileOutput& output_;
    std::string path_;
    duckdb::unique_ptr<duckdb::GlobalFunctionData> state_;
  };
  [[nodiscard]] std::unique_ptr<File> create(const std::string& path);

  /// Calls `call` and turns DuckDB's exceptions into an Error that names the path.
  template <class Call>
  static auto guard(const std::string& path, const Call& call) {
    try {
      return call();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      throw_as_error(path, error);
    }
  }

 private:
  [[noreturn]] static void throw_as_error(const std::string& path, const std::exception& error);
  void bind_json(const duckdb::vector<std::string>& names,
                 const duckdb::vector<duckdb::LogicalType>& types);
  void bind_casts(const duckdb::vector<duckdb::LogicalType>& types);

  duckdb::ClientContext& context_;
  duckdb::vector<duckdb::LogicalType> row_types_;
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> conversions_;  // empty: none needed
  std::unique_ptr<duckdb::CopyFunction> function_;
  duckdb::unique_ptr<duckdb::FunctionData> bound_;
};

}  // namespace millrace::sql
