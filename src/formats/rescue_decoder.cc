#include "formats/rescue_decoder.h"

#include <utility>

#include "formats/avro/framing.h"

namespace millrace::formats {

RescueDecoder::RescueDecoder(std::shared_ptr<avro::Plans> known, std::shared_ptr<avro::Plans> rest,
                             std::size_t column)
    : known_(std::move(known)), plans_(std::move(rest)), column_(column) {}

void RescueDecoder::begin(std::span<ColumnWriter* const> columns) {
  to_ = columns[column_];
  others_ = without_column(columns, column_);
  known_.begin(others_);
}

std::optional<Malformation> RescueDecoder::decode(std::string_view record, std::size_t row) {
  if (auto why = known_.decode(record, row); why || to_ == nullptr) {
    return why;
  }
  const auto frame = avro::parse_frame(record);  // which there is: it was decoded
  auto found = rests_.find(frame->schema_id);
  if (found == rests_.end()) {
    const auto rest = plans_->find(frame->schema_id);
    if (rest.plan == nullptr) {
      return rest.why;
    }
    found = rests_.try_emplace(frame->schema_id, *rest.plan).first;
  }
  return found->second.fill(frame->body, *to_, row);
}

}  // namespace millrace::formats
