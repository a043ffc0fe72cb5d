// JSON objects (RFC 8259) as rows of a declared schema.
//
// What becomes of a value:
//   BOOLEAN            true, false
//   integers, HUGEINT  a number without a fraction: 12, 1.0, 1e3
//   FLOAT, DOUBLE      a number; too large is malformed, too small is 0
//   DECIMAL(p,s)       a number or a string of one, read exactly; rounded to s digits behind the
//                      point, halves away from zero (`strict`: more digits are malformed)
//   VARCHAR            a string; anything else as its JSON text (`strict`: malformed)
//   BLOB               a string: base64, with padding or without
//   UUID               a string: 32 hexadecimal digits, with hyphens or without
//   DATE               "2024-02-29", or a number: days since 1970-01-01
//   TIME               "23:59:59.123456", or a number since midnight, see `timestamp_unit`
//   TIMESTAMP...       ISO 8601, an offset is applied, without one it is UTC; or a number since
//                      1970-01-01, see `timestamp_unit`. Finer digits are rounded down
//   INTERVAL           "14 months 3 days 04:05:06.5", or parts of it
//   STRUCT             an object; LIST: an array; MAP(VARCHAR, ...): an object
// A number or a BOOLEAN may be a string of one (`numbers_in_strings`). null and what is missing is
// NULL; ENUM, UNION, ARRAY are refused.
//
// Keys are those of columns and fields, in any order. Of a key that is there twice the first
// counts, for MAPs, too. A key that differs in case alone counts if the exact one isn't there
// (`ignore_case`; ASCII letters); two such keys are malformed, since either could be meant. Other
// keys are left out, or rescued, or a change of the schema (`refuse_unknown`).
//
// The whole record has to be valid JSON, also in what is left out or in columns that nobody reads;
// those columns' types are not checked. In what is left out, values lie up to 1,024 deep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/format.h"
#include "formats/json/cursor.h"
#include "formats/json/plan.h"
#include "formats/json/values.h"

namespace millrace::json {

struct DecoderOptions {
  TimestampUnit timestamp_unit = TimestampUnit::milliseconds;
  bool numbers_in_strings = true;
  bool strict = false;
  bool ignore_case = true;
  /// A VARCHAR column for the keys that are no columns, as the text of one JSON object; NULL if
  /// there are none. Those of a STRUCT that are no fields are in an object under its name; in what
  /// lies in lists and maps, they are left out. Empty: all are.
  std::string rescue_column;
  /// A valid record with a key, at any depth, that is no column and no field is a schema change.
  bool refuse_unknown = false;
  /// Of the lists and maps of one record; more are malformed. Else a few bytes ("{},{},...") could
  /// take hundreds of times as much memory.
  std::size_t max_elements = 1'000'000;
};

/// Decodes one object a record, into columns directly. The record needs no padding. Used by one
/// thread.
class Decoder final : public RecordDecoder {
 public:
  /// Throws Error (user) if a column's type can't be read from JSON, or if there is no VARCHAR
  /// column to rescue keys into.
  Decoder(const Schema& schema, const DecoderOptions& options);

  void begin(std::span<ColumnWriter* const> columns) override;
  [[nodiscard]] std::optional<Malformation> decode(std::string_view record,
                                                   std::size_t row) override;

 private:
  /// A key that fits in all but case: counts if the exact one doesn't come.
  struct Candidate {
    std::size_t part = 0;
    Cursor::Place value = nullptr;
    std::string_view key;
  };

  // Each reads the value that the cursor stands on; false: malformed, see malformation().
  bool read(PlanNode& node, std::size_t row);
  bool read_scalar(PlanNode& node, std::size_t row);
  bool read_text(PlanNode& node, std::size_t row);
  bool read_string(std::string_view& meant);
  bool read_key(std::string_view key, std::string_view& meant);
  bool read_struct(PlanNode& node, std::size_t row);
  bool read_list(PlanNode& node, std::size_t row);
  bool read_map(PlanNode& node, std::size_t row);

  bool read_members(PlanNode& node, std::size_t row);
  bool read_member(PlanNode& node, std::size_t row, std::size_t*& expected);
  bool read_exact(PlanNode& node, std::size_t part, std::size_t row);
  bool read_part(PlanNode& node, std::size_t part, std::size_t row);
  bool read_unknown(PlanNode& node, std::string_view key, std::string_view meant);
  bool read_candidates(PlanNode& node, std::size_t row, std::size_t first);
  bool read_entry(PlanNode& node, std::size_t row, std::size_t first);
  void fill_missing(PlanNode& node, std::size_t row);
  bool refuse(std::string_view key, std::string_view meant);
  [[nodiscard]] bool rescues_from(const PlanNode& node) const;
  bool rescue(std::string_view key);
  void rescue_within(const PlanNode& node, std::size_t begin);
  void fill_rescue_column(std::size_t row);
  bool count_element();

  bool mismatch(const PlanNode& node, Fault fault);
  bool wrong(std::string reason);
  bool blame(std::string_view name);
  bool blame(std::size_t index);
  Malformation malformation();
  Malformation schema_change(std::string_view record);

  DecoderOptions options_;
  ValueRules rules_;
  PlanNode plan_;
  std::size_t rescue_part_ = NameTable::kNone;

  // Of the record being read:
  Cursor cursor_;
  std::vector<Candidate> candidates_;
  std::size_t elements_ = 0;
  std::string rescued_;   // members, a comma before each
  std::string reason_;    // empty: the cursor knows
  std::string path_;      // of the value at fault; made on the way out
  bool refused_ = false;  // a key at fault, not a value
  // Used again for each value:
  std::string meaning_;
  std::string lowered_;
  std::string scratch_;
};

}  // namespace millrace::json
