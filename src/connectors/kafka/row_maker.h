// Records of messages as rows.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/format.h"
#include "core/malformed.h"
#include "core/row_columns.h"
#include "core/schema.h"
#include "formats/debezium/change_decoder.h"

namespace millrace::kafka {

/// What of a message a column has that is not decoded from its value.
enum class Metadata : std::uint8_t {
  key,
  value,
  topic,
  partition,
  offset,
  timestamp,
  headers,
  reason,  ///< why the message is malformed
  // Of change events alone:
  op,
  change_time,
  source,
};

/// How a message becomes a row: first the columns of the value's format, then, if there is one,
/// that of corrupt records, then those of the key's format, then those of metadata.
struct RowLayout {
  Schema schema;
  std::size_t decoded = 0;         ///< how many columns the value's format has
  bool has_corrupt = false;        ///< a column of the values of malformed records follows
  std::size_t keyed = 0;           ///< how many columns the key's format has
  std::vector<Metadata> metadata;  ///< of the others
  /// Makes a decoder of the values, and one of the keys; empty: they are not decoded.
  std::function<std::unique_ptr<RecordDecoder>()> decoder;
  std::function<std::unique_ptr<RecordDecoder>()> key_decoder;
  /// In place of the values' decoder, of change events.
  std::function<std::unique_ptr<debezium::ChangeDecoder>()> change_decoder;
  OnMalformed on_malformed = OnMalformed::quarantine;
  std::string to_have_new_fields;  ///< what a person can do to get them as columns

  [[nodiscard]] std::size_t first_keyed() const noexcept { return decoded + (has_corrupt ? 1 : 0); }
  [[nodiscard]] std::size_t first_metadata() const noexcept { return first_keyed() + keyed; }
};

/// The columns that metadata has, each with its type.
[[nodiscard]] Column column_of(Metadata what, std::string name);

/// A message. Views are valid as long as the call that takes it.
struct Record {
  struct Header {
    std::string_view name;
    std::optional<std::string_view> value;
  };
  std::string_view topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = -1;  ///< -1: it has none
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  /// Gives the headers: few rows need them.
  std::function<void(std::vector<Header>&)> headers;
};

/// Fills the rows of chunks. Used by one thread.
class RowMaker {
 public:
  /// Both must outlive it.
  RowMaker(const RowLayout& layout, MalformedReceiver& malformed)
      : layout_(layout), malformed_(malformed) {}

  /// Before the first row of a chunk.
  void begin(ChunkWriter& to);
  /// False: the record is malformed, or a change event that is no row, and the row is not filled.
  /// Throws Error if a malformed one, or a new schema, is to stop the pipeline.
  bool add(const Record& record, std::size_t row);

 private:
  std::optional<Malformation> decode(const Record& record, std::size_t row);
  [[nodiscard]] std::optional<Malformation> decode_value(const Record& record, std::size_t row);
  [[nodiscard]] bool is_no_row() const noexcept { return change_decoder_ != nullptr && !change_; }
  void add_metadata(const Record& record, std::size_t row);
  void add_change(Metadata what, ColumnWriter& to, std::size_t row) const;
  void set_headers(ColumnWriter& to, std::size_t row, const Record& record);
  bool refuse(const Record& record, std::size_t row, const Malformation& why);
  [[noreturn]] void tell_change(const Record& record, const Malformation& why) const;
  [[nodiscard]] MalformedRow malformed_row(const Record& record, const Malformation& why);
  [[nodiscard]] std::span<ColumnWriter* const> value_columns() const;
  [[nodiscard]] std::span<ColumnWriter* const> key_columns() const;

  const RowLayout& layout_;
  MalformedReceiver& malformed_;
  std::unique_ptr<RecordDecoder> decoder_;
  std::unique_ptr<RecordDecoder> key_decoder_;
  std::unique_ptr<debezium::ChangeDecoder> change_decoder_;
  std::optional<debezium::Change> change_;  // that the record at hand tells of
  RowColumns columns_;
  std::vector<Record::Header> headers_;
  std::optional<std::string> reason_;  // why the record at hand, a row of NULLs, is malformed
};

}  // namespace millrace::kafka
