// The embedded DuckDB, as the rest of millrace sees it: no header of DuckDB is needed to use it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "core/event_time.h"
#include "core/schema.h"
#include "core/source.h"

namespace millrace::sql {

class Plan;
class Batch;
class LookupTable;

/// A mistake in SQL: what DuckDB said, without its decorations, and where.
class SqlError : public Error {
 public:
  SqlError(const std::string& text, std::optional<std::size_t> position)
      : Error(Blame::user, text), position_(position) {}
  /// Byte offset into the SQL text that was given, if DuckDB told it.
  [[nodiscard]] std::optional<std::size_t> position() const noexcept { return position_; }

 private:
  std::optional<std::size_t> position_;
};

/// What a plan may read with FROM.
enum class Shape : std::uint8_t {
  stream,  ///< append-only rows; a plan sees those of the current batch
  table,   ///< a result that changes; a plan sees all of it, as of the batch
};

/// A result of ad-hoc SQL, as text. NULL is nullopt.
struct TextTable {
  Schema schema;
  std::vector<std::vector<std::optional<std::string>>> rows;
  bool truncated = false;
};

/// One embedded DuckDB instance with millrace's functions and settings: one a pipeline.
///
/// Thread-safe where it says so; everything else from one thread at a time.
class Database {
 public:
  struct Options {
    int threads = 0;                      ///< 0: as many as the machine has
    std::int64_t memory_limit_bytes = 0;  ///< 0: DuckDB's default
    std::string temp_directory;           ///< for spilling; empty: none
    WatermarkPolicy watermark_policy = WatermarkPolicy::min;
  };
  explicit Database(const Options& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Parses "a INTEGER, b DECIMAL(12,2)" into normalised types. Throws SqlError.
  [[nodiscard]] Schema parse_schema(std::string_view columns);
  /// Declares a name that plans may read. For a stream whose batches are files to scan, with their
  /// format. Declared again, a name means the new thing to plans that are made from then on.
  void declare(std::string_view name, const Schema& schema, Shape shape,
               const std::optional<FileFormat>& files = std::nullopt,
               const EventTimes& event_times = {});
  /// Declares a table that plans may join streams with, and that is looked up by its key then.
  void declare(std::shared_ptr<LookupTable> table);
  /// What becomes of an aggregation by windows of event time.
  enum class Windows : std::uint8_t {
    close,  ///< a stream of windows, each final when event time has passed it, then forgotten
    keep,   ///< a table of all windows, which grows
  };
  /// What becomes of the rows that come too late for the state of a plan.
  enum class Late : std::uint8_t {
    drop,  ///< they are counted
    give,  ///< and given out, whole: see Plan::take_late()
  };
  struct PlanOptions {
    Windows windows = Windows::close;
    Late late = Late::drop;
    /// Groups and keys without a row for so long are forgotten, unless a window decides; 0: never.
    std::int64_t state_ttl_us = 0;
  };
  /// Binds, optimizes and rewrites a SELECT over declared names. Throws SqlError, also for what
  /// cannot be done incrementally (with the reason and the way out).
  [[nodiscard]] std::unique_ptr<Plan> plan(std::string_view name, std::string_view sql,
                                           const PlanOptions& options);
  [[nodiscard]] std::unique_ptr<Plan> plan(std::string_view name, std::string_view sql);
  /// Runs any SQL at once, on a connection of its own, and gives at most `limit` rows.
  TextTable query(std::string_view sql, std::size_t limit = SIZE_MAX);
  /// Makes a table that query() can read. The schema is made with the first table in it.
  void create_table(std::string_view schema, std::string_view name, const Schema& columns,
                    const Batch& rows);
  /// Lets SQL read the objects of a store; gives what their names begin with, see object_name().
  [[nodiscard]] std::string mount(std::shared_ptr<const ObjectStore> store);
  /// Reads a Parquet file's schema. `path`: or an object_name().
  [[nodiscard]] Schema parquet_schema(const std::string& path);
  [[nodiscard]] int threads() const noexcept;
  /// Bytes that DuckDB's buffer manager holds now, and how many it may hold.
  [[nodiscard]] std::int64_t memory_bytes() const;
  [[nodiscard]] std::int64_t memory_limit_bytes() const;

  struct Impl;
  /// For sql/ alone.
  [[nodiscard]] Impl& impl() noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// What SQL calls an object: by what mount() gave, and its URL. Size -1 and no etag: not known.
[[nodiscard]] std::string object_name(std::string_view mount, std::string_view url,
                                      std::int64_t size = -1, std::string_view etag = {});
/// Quotes a text as an SQL string literal or identifier.
[[nodiscard]] std::string quote_text(std::string_view text);
[[nodiscard]] std::string quote_name(std::string_view name);

}  // namespace millrace::sql
