#include "formats/rescue_decoder.h"

#include "formats/avro/framing.h"

namespace millrace::formats {

FramedPlans framed_plans(avro::NumberedSchemas& schemas, const avro::Reading& reading) {
  return {.known = std::make_shared<avro::Plans>(schemas, reading.resolve),
          .rest = reading.rest ? std::make_shared<avro::Plans>(schemas, reading.rest) : nullptr,
          .rescue_column = reading.rescue};
}

std::unique_ptr<RecordDecoder> make_framed_decoder(const FramedPlans& plans) {
  if (plans.rest == nullptr) {
    return std::make_unique<avro::FramedDecoder>(plans.known);
  }
  return std::make_unique<RescueDecoder>(plans);
}

void RescueDecoder::begin(std::span<ColumnWriter* const> columns) {
  to_ = columns[plans_.rescue_column];
  others_ = without_column(columns, plans_.rescue_column);
  known_.begin(others_);
}

std::optional<Malformation> RescueDecoder::decode(std::string_view record, std::size_t row) {
  if (auto why = known_.decode(record, row); why || to_ == nullptr) {
    return why;
  }
  const auto frame = avro::parse_frame(record);  // which there is: it was decoded
  auto found = rests_.find(frame->schema_id);
  if (found == rests_.end()) {
    const auto rest = plans_.rest->find(frame->schema_id);
    if (rest.plan == nullptr) {
      return rest.why;
    }
    const auto known = plans_.known->find(frame->schema_id);
    found = rests_.try_emplace(frame->schema_id, *known.plan, *rest.plan).first;
  }
  return found->second.fill(frame->body, *to_, row);
}

}  // namespace millrace::formats
