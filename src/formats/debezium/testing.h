// Short words for the tests of this folder: messages in, rows and what they tell out.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "formats/debezium/change_decoder.h"
#include "formats/testing/columns.h"

namespace millrace::debezium {

using Json = nlohmann::json;

inline Schema columns(const std::vector<std::pair<const char*, const char*>>& list) {
  Schema schema;
  schema.columns.reserve(list.size());
  for (const auto& [name, type] : list) {
    schema.columns.push_back({name, type, physical_of(type)});
  }
  return schema;
}

/// A decoder with columns of its own.
class Events {
 public:
  Events(const Schema& columns, std::unique_ptr<ChangeDecoder> decoder)
      : columns_(columns), decoder_(std::move(decoder)) {
    decoder_->begin(columns_.writers());
  }

  /// The row, with `op`, `time` and `source` if the event has them; null for a message that is no
  /// row; the text "column: reason" if it is malformed.
  Json read(const std::optional<std::string>& key, const std::optional<std::string>& value) {
    // Copies of their own, so that the address sanitizer sees a byte too many.
    const std::vector<char> key_bytes = bytes_of(key);
    const std::vector<char> value_bytes = bytes_of(value);
    Message message;
    if (key) {
      message.key = {key_bytes.data(), key_bytes.size()};
    }
    if (value) {
      message.value = {value_bytes.data(), value_bytes.size()};
    }
    columns_.mark();
    std::optional<Change> change;
    if (const auto wrong = decoder_->decode(message, row_, change)) {
      columns_.forget(row_);
      return wrong->column + ": " + wrong->reason;
    }
    return change ? shown(*change) : Json();
  }
  Json read(const std::string& value) { return read(std::nullopt, value); }

 private:
  static std::vector<char> bytes_of(const std::optional<std::string>& text) {
    return text ? std::vector<char>(text->begin(), text->end()) : std::vector<char>();
  }
  Json shown(const Change& change) {
    Json row = columns_.row(row_++);
    row["op"] = std::string(1, change.op);
    if (change.time_ms) {
      row["time"] = *change.time_ms;
    }
    if (!change.source.empty()) {
      row["source"] = Json::parse(change.source);
    }
    return row;
  }

  testing::MemoryColumns columns_;
  std::unique_ptr<ChangeDecoder> decoder_;
  std::size_t row_ = 0;
};

}  // namespace millrace::debezium
