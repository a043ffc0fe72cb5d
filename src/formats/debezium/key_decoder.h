// What a message's key tells of a row.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/chunk.h"
#include "core/format.h"
#include "core/schema.h"
#include "formats/avro/framed_decoder.h"
#include "formats/avro/plans.h"
#include "formats/debezium/meanings.h"
#include "formats/debezium/row_text.h"
#include "formats/json/debezium.h"
#include "formats/json/decoder.h"

namespace millrace::debezium {

/// Fills columns by their names out of keys that are JSON objects, with their schema or without,
/// or framed Avro (avro/framing.h). Used by one thread.
class KeyDecoder {
 public:
  /// `avro`: how framed keys become rows of `columns`; nullptr: there is no registry.
  KeyDecoder(const Schema& columns, const json::DecoderOptions& options,
             const std::shared_ptr<avro::Plans>& avro);

  /// Fills row `row` of the columns that are no nullptr: NULL where the key does not have them, or
  /// is something else, or there is none. A JSON key has no nested values.
  [[nodiscard]] std::optional<Malformation> decode(std::optional<std::string_view> key,
                                                   std::span<ColumnWriter* const> columns,
                                                   std::size_t row);

 private:
  std::optional<Malformation> decode_json(std::string_view key,
                                          std::span<ColumnWriter* const> columns, std::size_t row);

  json::Envelope envelope_;
  MeaningCache meanings_;
  RowText text_;
  std::vector<bool> is_scalar_;                ///< the columns that a JSON key may have
  json::Decoder json_;                         ///< of those
  std::unique_ptr<avro::FramedDecoder> avro_;  // nullptr: there is no registry
};

/// The columns of a list, all but those that `has` has, or those alone; the others are nullptr.
enum class Choose : bool { had, lacking };
[[nodiscard]] std::vector<ColumnWriter*> choose(std::span<ColumnWriter* const> columns,
                                                const std::vector<bool>& has, Choose which);

}  // namespace millrace::debezium
