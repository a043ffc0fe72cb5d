// Container files as the rows of one stream, whatever schema each of them was written with.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/format.h"
#include "core/schema.h"
#include "formats/avro/decoder.h"
#include "formats/avro/plans.h"
#include "formats/avro/reading.h"
#include "formats/rescue.h"

namespace millrace::avro {

/// A schema of files, which may have names that others would not take. Throws Error (user).
[[nodiscard]] SharedSchema file_schema(std::string_view json);

/// How records of one writer's schema become rows.
struct FilePlan {
  std::shared_ptr<const Plan> rows;  ///< null: they can't, whatever is in them
  std::string reason;                ///< why not
  std::shared_ptr<const Plan> skip;  ///< jumps over a record: a plan of no columns
  std::shared_ptr<const Plan> rest;  ///< what is rescued; null: nothing is
  std::size_t rescue = 0;            ///< the column that it is rescued into
};

/// What is wanted of all files of a stream. Thread-safe.
class FileRows {
 public:
  explicit FileRows(Reading reading) : reading_(std::move(reading)) {}
  /// Columns found by their names; NULL in files that do not have them.
  explicit FileRows(millrace::Schema declared);
  /// Columns as a reader's schema, JSON, has them: with its defaults and aliases. Throws Error
  /// (user) if it is none, or SQL has no types for it.
  explicit FileRows(std::string_view reader_json);

  [[nodiscard]] const millrace::Schema& columns() const noexcept { return reading_.columns; }
  /// For files of this schema, JSON. Throws Error (user) if it is none, SchemaChange and
  /// ColumnsGrew.
  [[nodiscard]] std::shared_ptr<const FilePlan> plan(const std::string& writer_json);

 private:
  [[nodiscard]] FilePlan make_plan(const std::string& writer_json) const;

  Reading reading_;
  std::mutex lock_;
  std::map<std::string, std::shared_ptr<const FilePlan>> plans_;
};

/// Decodes records that follow each other, and knows where a malformed one ends if that can be
/// told. Used by one thread.
class FileDecoder {
 public:
  explicit FileDecoder(std::shared_ptr<const FilePlan> plan);

  /// Before the first record of a chunk, as RecordDecoder::begin().
  void begin(std::span<ColumnWriter* const> columns);

  struct Result {
    std::optional<Malformation> why;  ///< nullopt: the row is filled
    std::string_view record;          ///< its bytes; all of those that are left, if `lost`
    bool lost = false;                ///< nobody knows where the next record begins
  };
  /// Takes the first of the records away from `records`, or all of them if it is lost.
  [[nodiscard]] Result next(std::string_view& records, std::size_t row);

 private:
  std::shared_ptr<const FilePlan> plan_;
  std::optional<Decoder> decoder_;
  std::optional<formats::Rescue> rescue_;
  ColumnWriter* rescued_to_ = nullptr;
  Decoder skip_;
};

}  // namespace millrace::avro
