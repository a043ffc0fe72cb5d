// The rows of a batch whose key was not seen before, until the batch's input is complete.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Several rows of a batch may have the same new key; which one counts must not depend on which
/// thread came first.
class NewRows {
 public:
  /// What one thread found.
  struct Part {
    explicit Part(const duckdb::vector<duckdb::LogicalType>& types)
        : rows(duckdb::Allocator::DefaultAllocator(), types) {}
    struct Row {
      duckdb::data_ptr_t key;  // where the key lies in the state
      std::int64_t time;
      std::uint64_t hash;  // of the whole row
      bool rival;          // another row had made the key before
    };
    duckdb::ColumnDataCollection rows;
    std::vector<Row> about;    // each row
    std::vector<bool> chosen;  // by choose()
  };

  void add(std::unique_ptr<Part> part);
  /// Chooses one row of each key; gives the number of the others.
  std::int64_t choose();
  /// All that was added since the last call.
  [[nodiscard]] std::vector<std::unique_ptr<Part>> take();
  void clear();

 private:
  std::mutex lock_;
  std::vector<std::unique_ptr<Part>> parts_;
};

}  // namespace millrace::sql
