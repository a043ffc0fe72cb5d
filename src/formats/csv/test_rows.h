// For the tests of this folder: records in, rows out, and back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/csv/decoder.h"
#include "formats/csv/encoder.h"
#include "formats/testing/columns.h"

namespace millrace::csv {

using testing::Columns;
using testing::schema_of;

/// A decoder with columns of its own.
class Rows {
 public:
  explicit Rows(const Columns& columns, const Options& options = {})
      : schema_(schema_of(columns)),
        memory_(schema_),
        decoder_(schema_, options),
        encoder_(schema_, options) {
    decoder_.begin(memory_.writers());
  }
  /// The row of a record, or "column: reason" of a malformed one.
  nlohmann::json read(std::string_view record) {
    const std::vector<char> exact(record.begin(), record.end());  // so that ASan sees its end
    memory_.clear();
    memory_.mark();
    if (const auto wrong = decoder_.decode({exact.data(), exact.size()}, 0)) {
      memory_.forget(0);
      return wrong->column + ": " + wrong->reason;
    }
    return memory_.row(0);
  }
  /// What becomes of a record that is read and written again; "column: reason" if it can't be.
  std::string again(std::string_view record) {
    const nlohmann::json row = read(record);
    std::string text = "before";
    if (row.is_string()) {
      return row;
    }
    const auto wrong = encoder_.encode({.rows = 1, .columns = memory_.views()}, 0, text);
    return wrong ? wrong->column + ": " + wrong->reason + (text == "before" ? "" : "!")
                 : text.substr(6);
  }
  [[nodiscard]] testing::MemoryColumns& memory() { return memory_; }
  [[nodiscard]] Encoder& encoder() { return encoder_; }

 private:
  Schema schema_;
  testing::MemoryColumns memory_;
  Decoder decoder_;
  Encoder encoder_;
};

/// What is written of a value that was read, of one column.
inline std::string value_as(const std::string& type, std::string_view value,
                            const Options& options = {}) {
  return Rows(Columns{{"v", type}}, options).again(value);
}

}  // namespace millrace::csv
