// Splits chunks by the values of some columns: which rows go into which folder.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Numbers the combinations of values that it meets. One a thread: numbers differ between threads,
/// folders do not.
class Partitioner {
 public:
  Partitioner(std::vector<std::size_t> columns, std::vector<std::string> names)
      : columns_(std::move(columns)), names_(std::move(names)) {}

  /// Finds the partition of each row. Throws for a value that cannot be a folder's name.
  const std::vector<std::size_t>& split(duckdb::DataChunk& chunk);
  [[nodiscard]] std::size_t count() const noexcept { return folders_.size(); }
  /// "event_date=2026-01-01/country=DE", escaped.
  [[nodiscard]] const std::string& folder(std::size_t partition) const {
    return folders_[partition];
  }

 private:
  void append_key(const duckdb::UnifiedVectorFormat& column, duckdb::PhysicalType type,
                  duckdb::idx_t row);
  [[nodiscard]] std::string folder_of(const duckdb::DataChunk& chunk, duckdb::idx_t row) const;

  std::vector<std::size_t> columns_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::size_t> by_key_;  // values as bytes
  std::vector<std::string> folders_;
  std::vector<std::size_t> partition_of_row_;
  std::string key_;
};

}  // namespace millrace::sql
