// The inside of Database: the DuckDB instance and the declared names.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "sql/database.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/input.h"
#include "sql/internal/object_files.h"

namespace millrace::sql {

/// Declared names, found without regard to case. Thread-safe: plans are made by any thread.
class Registry {
 public:
  void add(std::shared_ptr<const Declaration> declaration);
  /// nullptr if there is none.
  [[nodiscard]] std::shared_ptr<const Declaration> find(std::string_view name) const;
  /// "`orders`, `payments`", for messages.
  [[nodiscard]] std::string names() const;

 private:
  mutable std::mutex lock_;
  std::map<std::string, std::shared_ptr<const Declaration>> by_lower_name_;
};

struct Database::Impl {
  explicit Impl(const Options& options);

  /// Another DuckDB, of one thread, for queries of few rows over what is in memory: nothing wakes
  /// and waits for other threads in it, which would take longer than such a query. It knows nothing
  /// of what is attached or mounted. Opened at the first call. Thread-safe.
  [[nodiscard]] duckdb::DuckDB& for_small_queries();

  Registry registry;
  std::unique_ptr<duckdb::DuckDB> duck;
  ObjectFiles* objects = nullptr;  // belongs to `duck`
  WatermarkPolicy watermark_policy = WatermarkPolicy::min;
  int threads = 1;
  /// Held by those who plan: alone by plans of datasets, which may change how all are optimized.
  std::shared_mutex planning;

 private:
  std::int64_t memory_limit_bytes_;
  std::once_flag small_opened_;
  std::unique_ptr<duckdb::DuckDB> small_;
};

}  // namespace millrace::sql
