// For the tests of this folder: records in, rows out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/json/decoder.h"
#include "formats/testing/columns.h"

namespace millrace::json {

using testing::Columns;
using testing::schema_of;

/// A decoder with columns of its own.
class Rows {
 public:
  explicit Rows(const Columns& columns, const DecoderOptions& options = {})
      : columns_(schema_of(columns)), decoder_(schema_of(columns), options) {
    decoder_.begin(columns_.writers());
  }
  /// The row of a record, or {"malformed": "column: reason"}.
  nlohmann::json read(std::string_view record) {
    const std::vector<char> exact(record.begin(), record.end());  // so that ASan sees its end
    columns_.mark();
    if (const auto wrong = decoder_.decode({exact.data(), exact.size()}, row_)) {
      columns_.forget(row_);
      return {{"malformed", wrong->column + ": " + wrong->reason}};
    }
    return columns_.row(row_++);
  }

 private:
  testing::MemoryColumns columns_;
  Decoder decoder_;
  std::size_t row_ = 0;
};

/// What becomes of a value in a column of a type: its JSON, or "malformed: reason".
inline std::string value_as(const std::string& type, std::string_view value,
                            const DecoderOptions& options = {}) {
  Rows rows(Columns{{"v", type}}, options);
  const nlohmann::json row = rows.read("{\"v\":" + std::string(value) + "}");
  return row.contains("malformed") ? "malformed: " + row["malformed"].get<std::string>()
                                   : row["v"].dump();
}

}  // namespace millrace::json
