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
    return Malformation{.column = "",
                        .reason = record.empty() ? "a message without bytes"
                                                 : "a message without the number of a schema: it "
                                                   "does not begin with a byte 0 and 4 more"};
  }
  auto found = known_.find(frame->schema_id);
  if (found == known_.end()) {
    found = known_.emplace(frame->schema_id, Known{.decoder = make_(frame->schema_id)}).first;
  }
  Known& known = found->second;
  // A schema that no record of the chunk has need not begin.
  if (known.chunk != chunk_) {
    known.decoder->begin(columns_);
    known.chunk = chunk_;
  }
  return known.decoder->decode(frame->body, row);
}

}  // namespace millrace::avro
