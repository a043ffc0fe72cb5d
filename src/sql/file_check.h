// Reads files back that a FileWriter has written.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sql/database.h"
#include "sql/file_writer.h"

namespace millrace::sql {

/// Finds files that are torn, or that no reader can decode; not bits that were changed into other
/// values: the formats have no checksums.
///
/// Used by one thread, which need not be the one that made it.
class FileCheck {
 public:
  /// `options`: of the files, of which DuckDB reads all but those that others make.
  FileCheck(Database& database, const FileWriterOptions& options);
  ~FileCheck();

  /// Decodes every value of a file; gives how many rows it has. Throws Error for one that can't be
  /// read.
  [[nodiscard]] std::int64_t rows(const std::string& path) const;
  /// Throws Error if a file doesn't have so many.
  void expect_rows(const std::string& path, std::int64_t expected) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::sql
