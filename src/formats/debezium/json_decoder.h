// Change events in JSON, with the schema of Kafka Connect's JsonConverter or without.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/schema.h"
#include "formats/debezium/change_decoder.h"
#include "formats/debezium/key_decoder.h"
#include "formats/debezium/meanings.h"
#include "formats/debezium/row_text.h"
#include "formats/json/debezium.h"
#include "formats/json/decoder.h"

namespace millrace::debezium {

/// Reads values as json::Decoder does, but where an event has its schema, that says what decimals
/// and times are (meanings.h). Used by one thread.
class JsonChangeDecoder final : public ChangeDecoder {
 public:
  /// `is_framed`: each message begins with the number of a schema, which is jumped over. Throws
  /// Error (user) for columns that can't be read from JSON.
  JsonChangeDecoder(const Schema& columns, const json::DecoderOptions& options, bool is_framed);

  void begin(std::span<ColumnWriter* const> columns) override;
  [[nodiscard]] std::optional<Malformation> decode(const Message& message, std::size_t row,
                                                   std::optional<Change>& change) override;

 private:
  std::optional<Malformation> decode_after(const json::Change& event, std::size_t row);
  std::optional<Malformation> decode_removed(const json::Change& event,
                                             std::optional<std::string_view> key, std::size_t row);

  bool is_framed_;
  int rescue_column_;  // -1: there is none
  json::Envelope envelope_;
  MeaningCache meanings_;
  RowText text_;
  json::Decoder after_;
  json::Decoder before_;
  KeyDecoder key_;
  std::vector<ColumnWriter*> columns_;
};

}  // namespace millrace::debezium
