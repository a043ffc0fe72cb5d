// Parquet files whose timestamps are INT96, which DuckDB reads and does not write: for readers that
// know no others (Hive, Impala and Spark of old).
//
// https://parquet.apache.org/docs/file-format: format version 1, row groups of one page a column,
// PLAIN.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/chunk.h"
#include "core/schema.h"

namespace millrace::parquet {

enum class Codec : std::uint8_t { uncompressed, snappy, zstd };

/// "snappy"; nullopt: there is no such codec here.
[[nodiscard]] std::optional<Codec> codec_named(std::string_view name) noexcept;

/// One file. Used by one thread at a time.
class Int96File {
 public:
  /// Appends bytes to the file.
  using Write = std::function<void(std::string_view)>;
  struct Options {
    Codec codec = Codec::snappy;
    std::int64_t row_group_rows = 122'880;
  };

  /// Throws Error (user) for columns of a type that it does not write: nested ones, INTERVAL, UUID.
  Int96File(Write write, const Schema& columns, const Options& options);

  /// Holds rows in memory until a row group is full. Throws Error (external) for an infinite time.
  void add(const Chunk& rows);
  /// Writes what is left, and the footer. Gives how many rows the file has.
  std::int64_t finish();

 private:
  /// How values of a column are written.
  enum class Form : std::uint8_t { boolean, plain, widened, int96, text, wide_decimal };
  struct ColumnOut {
    Column column;
    Form form = Form::plain;
    std::uint8_t physical = 0;     // Parquet's type
    std::optional<int> converted;  // Parquet's ConvertedType
    int precision = 0;
    int scale = 0;
    std::int64_t ticks = 0;  // of a timestamp: in a second
    std::size_t width = 0;   // of a value in memory
    bool is_signed = true;

    std::string values;
    std::string levels;  // a bit a row: it is not NULL
    std::int64_t count = 0;
    bool has_nulls = false;
  };
  struct Written {
    std::int64_t offset = 0;
    std::int64_t bytes = 0;
    std::int64_t plain_bytes = 0;
  };
  struct RowGroup {
    std::int64_t rows = 0;
    std::vector<Written> columns;
  };

  static ColumnOut plan(const Column& column);
  static void set_decimal(ColumnOut& to, const Type& type);
  static void put(ColumnOut& to, const ColumnView& from, std::size_t row);
  static void put_int96(ColumnOut& to, std::int64_t value);
  void flush();
  Written write_page(ColumnOut& column);
  [[nodiscard]] std::string footer() const;
  void append(std::string_view bytes);

  Write write_;
  Options options_;
  std::vector<ColumnOut> columns_;
  std::vector<RowGroup> groups_;
  std::int64_t rows_ = 0;  // of the group at hand
  std::int64_t all_rows_ = 0;
  std::int64_t position_ = 0;
};

}  // namespace millrace::parquet
