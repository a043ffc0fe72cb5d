// Rows of files by the value of one column, from memory: what an endpoint asks of a lake again and
// again, such as the events of a customer, without scanning the files of the days each time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/schema.h"
#include "sql/batch.h"
#include "sql/database.h"
#include "sql/live_tables.h"

namespace millrace::sql {

/// A file that is never changed under its name.
struct KeptFile {
  std::string path;
  std::string version;  ///< size and time, or etag: with the path it names what the file holds
  std::int64_t bytes = 0;
  bool operator==(const KeptFile&) const = default;
};

/// What of some files is wanted, and by which column.
struct KeptTable {
  std::string name;                      ///< tells it from others: what is selected, and the key
  std::shared_ptr<const Schema> schema;  ///< of the rows; shared with what is being read
  std::size_t key = 0;                   ///< the place of the column in it
  /// A SELECT of these columns, in this order, over some of the files.
  std::function<std::string(std::span<const KeptFile* const>)> select;
};

/// Keeps the rows of files that are asked for often, sorted by the key, in bounded memory; what was
/// not asked for for longest goes first, unless it is asked for more often than what would take its
/// place. A file is read into memory, by a thread of this class, when it is asked for the second
/// time. Thread-safe. The database must outlive it.
class KeptFiles {
 public:
  /// More rows than this are no longer found faster than by a query that needs but some columns.
  static constexpr std::int64_t kMostRows = 20'000;

  KeptFiles(Database& database, std::int64_t max_bytes);
  ~KeptFiles();
  KeptFiles(const KeptFiles&) = delete;
  KeptFiles& operator=(const KeptFiles&) = delete;

  /// The rows of the files whose key is equal to a value; of NULL there are none. nullopt: a query
  /// over the files is the better way, as most of them are not in memory, can't be read alone, or
  /// have too many such rows. Throws Error (user): the value is none of the column's type.
  [[nodiscard]] std::optional<Batch> find(const KeptTable& table,
                                          std::span<const KeptFile* const> files,
                                          const ReadValue& key);

  struct Stats {
    std::int64_t files = 0;  ///< in memory now
    std::int64_t bytes = 0;
    std::int64_t found = 0;  ///< files that were asked for, and were in memory
    std::int64_t read = 0;   ///< and that were not
  };
  [[nodiscard]] Stats stats() const;
  /// Waits until all files that are to be read into memory are there.
  void settle();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::sql
