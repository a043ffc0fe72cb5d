#include "formats/avro/framed_decoder.h"

#include "formats/avro/framing.h"

namespace millrace::avro {

void FramedDecoder::begin(std::span<ColumnWriter* const> columns) {
  columns_.assign(columns.begin(), columns.end());
  chunk_++;
}

std::optional<Malformation> FramedDecoder::decode(std::string_view record, std::size_t row) {
  const auto frame = parse_frame(record);
  if (!frame) {
    return Malformation{.column = "", .reason = std::string(no_frame(record))};
  }
  auto known = known_.find(frame->schema_id);
  if (known == known_.end()) {
    const auto found = plans_->find(frame->schema_id);
    if (found.plan == nullptr) {
      return found.why;
    }
    known = known_.emplace(frame->schema_id, Known{std::make_unique<Decoder>(*found.plan)}).first;
  }
  // A schema that no record of the chunk has need not begin.
  if (known->second.chunk != chunk_) {
    known->second.decoder->begin(columns_);
    known->second.chunk = chunk_;
  }
  return known->second.decoder->decode(frame->body, row);
}

}  // namespace millrace::avro
