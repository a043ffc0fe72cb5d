#include "formats/rescue_decoder.h"

#include <utility>

#include "core/schema.h"
#include "formats/avro/columns.h"
#include "formats/avro/decoder.h"
#include "formats/avro/framing.h"
#include "formats/avro/left_out.h"
#include "formats/avro/resolve.h"
#include "formats/json/encoder.h"
#include "formats/memory_columns.h"

namespace millrace::formats {

namespace {

/// The columns of a plan.
Schema schema_of(const avro::Plan& plan) {
  Schema schema;
  schema.columns.reserve(plan.row.parts.size());
  for (const Type::Part& part : plan.row.parts) {
    schema.columns.push_back({part.name, avro::sql_text(part.type), physical_of(part.type)});
  }
  return schema;
}

}  // namespace

avro::Plans::Resolve rest_of(avro::Plans::Resolve resolve) {
  return [resolve = std::move(resolve)](const avro::SharedSchema& writer) {
    const avro::Plan plan = resolve(writer);
    Schema rest;
    for (const avro::LeftOut& field : avro::left_out(plan)) {
      if (!field.is_nested) {
        const Type type = avro::column_type(*field.type, field.place);
        rest.columns.push_back({field.place, avro::sql_text(type), physical_of(type)});
      }
    }
    (void)json::Encoder(rest, {});  // once now, for what it refuses
    return avro::resolve(plan.writer, rest);
  };
}

/// Of records of one schema: a row of what is left out.
struct RescueDecoder::Rest {
  explicit Rest(const avro::Plan& plan)
      : decoder(plan), columns(schema_of(plan), 1), encoder(schema_of(plan), {}) {
    decoder.begin(columns.writers());
  }
  avro::Decoder decoder;
  MemoryColumns columns;
  json::Encoder encoder;
};

RescueDecoder::RescueDecoder(std::shared_ptr<avro::Plans> known, std::shared_ptr<avro::Plans> rest,
                             std::size_t column)
    : known_(std::move(known)), plans_(std::move(rest)), column_(column) {}

RescueDecoder::~RescueDecoder() = default;

void RescueDecoder::begin(std::span<ColumnWriter* const> columns) {
  others_.assign(columns.begin(), columns.end());
  to_ = columns[column_];
  others_.erase(others_.begin() + static_cast<std::ptrdiff_t>(column_));
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
    found =
        rests_
            .emplace(frame->schema_id,
                     rest.plan->row.parts.empty() ? nullptr : std::make_unique<Rest>(*rest.plan))
            .first;
  }
  if (found->second == nullptr) {
    to_->set_null(row);
    return std::nullopt;
  }
  return rescue(*found->second, frame->body, row);
}

std::optional<Malformation> RescueDecoder::rescue(Rest& rest, std::string_view body,
                                                  std::size_t row) {
  rest.columns.clear();
  if (auto why = rest.decoder.decode(body, 0)) {
    return why;
  }
  text_.clear();
  const Chunk chunk{.rows = 1, .columns = rest.columns.views()};
  if (auto why = rest.encoder.encode(chunk, 0, text_)) {
    why->reason.insert(0, "it can't be rescued: ");
    return why;
  }
  to_->set_string(row, text_);
  return std::nullopt;
}

}  // namespace millrace::formats
