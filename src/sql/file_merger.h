// Makes one file of several that a FileWriter has written.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sql/database.h"
#include "sql/file_writer.h"

namespace millrace::sql {

/// Files of one format and the same columns, or, of Parquet, some that have more columns than
/// others, which are NULL there. Used by one thread, which need not be the one that made it.
class FileMerger {
 public:
  /// `options`: of the files. Throws Error for a format that can't be merged: see can_merge().
  FileMerger(Database& database, FileWriterOptions options);
  ~FileMerger();

  /// CSV: none of them may have a header; with FileWriterOptions::header, `to` gets one of
  /// `columns`, which are those that go into files. With FileWriterOptions::sync, `to` is durable
  /// then, though its name is not.
  void merge(const std::vector<std::string>& files, const std::string& to,
             const Schema& columns) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Whether files of these options can be merged: not if others make them that DuckDB can't read.
[[nodiscard]] inline bool can_merge(const FileWriterOptions& options) {
  return options.make_file == nullptr || options.makes_parquet;
}

}  // namespace millrace::sql
