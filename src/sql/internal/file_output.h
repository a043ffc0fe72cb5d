// The formats of files that rows are written into, row group by row group.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "sql/file_writer.h"
#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// A file format, bound to columns and options. Makes files; thread-safe after construction.
class FileOutput {
 public:
  using Rows = duckdb::unique_ptr<duckdb::ColumnDataCollection>;

  /// `columns`: those that go into the files. Needs an open transaction.
  [[nodiscard]] static std::unique_ptr<FileOutput> make(
      duckdb::ClientContext& context, const duckdb::vector<std::string>& names,
      const duckdb::vector<duckdb::LogicalType>& types, const FileWriterOptions& options);
  virtual ~FileOutput() = default;
  FileOutput(const FileOutput&) = delete;
  FileOutput& operator=(const FileOutput&) = delete;

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
    explicit File(std::string path) : path_(std::move(path)) {}
    virtual ~File() = default;
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    /// Encodes rows and writes them. Several threads may do so at once: only the last step, the
    /// writing, is one after the other.
    virtual void put(Rows rows) = 0;
    /// How many rows it has.
    virtual std::int64_t finish() = 0;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

   private:
    std::string path_;
  };
  [[nodiscard]] virtual std::unique_ptr<File> create(const std::string& path) = 0;

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

 protected:
  FileOutput(duckdb::ClientContext& context, duckdb::vector<duckdb::LogicalType> types)
      : context_(context), row_types_(std::move(types)) {}

  duckdb::ClientContext& context_;
  duckdb::vector<duckdb::LogicalType> row_types_;
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> conversions_;  // empty: none needed

 private:
  [[noreturn]] static void throw_as_error(const std::string& path, const std::exception& error);
};

}  // namespace millrace::sql
