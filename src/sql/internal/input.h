// What a plan's scan of one declared name reads in the next run.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/schema.h"
#include "core/source.h"
#include "sql/batch.h"
#include "sql/database.h"
#include "sql/internal/duckdb.h"
#include "sql/lookup_table.h"

namespace millrace::sql {

/// A name as it was declared to the database.
struct Declaration {
  std::string name;
  Schema schema;
  duckdb::vector<duckdb::string> names;
  duckdb::vector<duckdb::LogicalType> types;
  Shape shape = Shape::stream;
  std::optional<FileFormat> files;
  EventTimes event_times;
  std::shared_ptr<LookupTable> lookup;  // of a table that is looked up; shared with the engine
};

/// One declared name as one plan reads it. Every plan has its own, so plans never meet here.
///
/// What is given and the vectors change only between runs; the counters are written by all threads
/// of a run.
struct Input {
  /// What give() was called with: nothing (no rows), rows, files, or SQL over attached stores.
  using Given = std::variant<std::monostate, std::shared_ptr<const Batch>, FileScan, std::string>;

  explicit Input(std::shared_ptr<const Declaration> what) : declared(std::move(what)) {}

  std::shared_ptr<const Declaration> declared;  // shared with the database's registry
  std::vector<bool> columns;                    // which of the schema's columns the plan reads
  int scans = 0;                                // how many scans of it are in the plan
  Given given;
  MalformedReceiver* quarantine = nullptr;  // of the files given; null: rows are only counted

  TimeBounds bounds;  // what is known of its values to come

  std::atomic<std::int64_t> scanned = 0;    // rows given to the plan
  std::atomic<std::int64_t> malformed = 0;  // rows that could not be decoded
};

}  // namespace millrace::sql
