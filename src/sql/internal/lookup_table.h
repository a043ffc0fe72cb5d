// The inside of LookupTable: what is remembered, and how what is not is asked for.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/lookup_table.h"

namespace millrace::sql {

/// The rows that a key has, one after the other: of each, the columns that somebody reads, in the
/// order of the schema, as append_value() writes them.
struct FoundRows {
  std::int64_t rows = 0;
  std::string bytes;
  std::chrono::steady_clock::time_point read_at;
};
using Found = std::shared_ptr<const FoundRows>;  // those that join with it may outlive the cache's

/// Keys and their rows, bounded: those not used for longest go first. Not thread-safe.
class LookupCache {
 public:
  LookupCache(std::int64_t max_rows, std::int64_t max_bytes)
      : max_rows_(max_rows), max_bytes_(max_bytes) {}

  /// nullptr: it is not there.
  [[nodiscard]] Found find(const std::string& key);
  void put(const std::string& key, Found found);
  void clear();
  [[nodiscard]] std::int64_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::int64_t bytes() const noexcept { return bytes_; }

 private:
  struct Entry {
    std::string key;
    Found found;
  };
  using Entries = std::list<Entry>;  // used last: at the front

  void remove(Entries::iterator entry);

  Entries entries_;
  std::unordered_map<std::string_view, Entries::iterator> by_key_;
  std::int64_t max_rows_;
  std::int64_t max_bytes_;
  std::int64_t rows_ = 0;  // an entry without any counts as one
  std::int64_t bytes_ = 0;
};

struct LookupTable::Impl {
  Impl(std::string table, const Schema& columns, LookupOptions with,
       std::unique_ptr<KeyLookup> from, Now clock);

  /// A plan reads these columns. Between runs.
  void need(const std::vector<bool>& columns);
  /// Of each row of `keys`, what has its key; nullptr of a key with a NULL. One entry for each
  /// column of the key, in its order and types. Thread-safe.
  void find(duckdb::DataChunk& keys, std::vector<Found>& found);
  /// Decodes the row at `at` into row `row` of those columns that are given, one for each of the
  /// schema; nullptr: it is not wanted. Gives where the next one begins.
  [[nodiscard]] const char* read_row(const char* at, const std::vector<duckdb::Vector*>& to,
                                     duckdb::idx_t row) const;

  std::string name;
  Schema schema;
  LookupOptions options;
  std::unique_ptr<KeyLookup> source;
  Now now;
  duckdb::vector<duckdb::LogicalType> types;
  duckdb::vector<duckdb::LogicalType> key_types;
  duckdb::vector<bool> needed;  // by column of the schema
  MalformedReceiver* malformed = nullptr;

  std::mutex lock;
  std::condition_variable read;  // some keys are not under way any more
  LookupCache cache;             // under the lock, as the next ones
  std::unordered_set<std::string> under_way;
  LookupStats stats;
  std::chrono::steady_clock::time_point batch_begin;

 private:
  /// Keys of a chunk, each once.
  struct Wanted {
    std::vector<std::string> keys;
    std::vector<duckdb::idx_t> rows;  // a row of the chunk that has it
    std::vector<Found> found;
  };
  using Indices = std::vector<std::size_t>;

  [[nodiscard]] bool is_fresh(const FoundRows& found) const;
  /// Takes what is remembered; gives those that this thread has to read, and says in `others` which
  /// are read by other threads.
  Indices claim(Wanted& wanted, const Indices& open, Indices& others);
  void read_keys(duckdb::DataChunk& keys, Wanted& wanted, const Indices& mine);
  void read_rows(duckdb::DataChunk& keys, Wanted& wanted, const Indices& mine);
  void release(const Wanted& wanted, const Indices& mine);
};

}  // namespace millrace::sql
