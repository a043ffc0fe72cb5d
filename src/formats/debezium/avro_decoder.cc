#include "formats/debezium/avro_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "formats/avro/decoder.h"
#include "formats/avro/framed_decoder.h"
#include "formats/avro/framing.h"

namespace millrace::debezium {

FactColumn::FactColumn() {
  data_ = &value_;
  validity_ = &bits_;
}

char* FactColumn::allocate(std::size_t bytes) {
  text_.resize(bytes);
  return text_.data();
}

AvroChangeDecoder::AvroChangeDecoder(const EventPlans& plans, const Schema& columns)
    : schema_(columns),
      facts_decoder_(std::make_unique<avro::Decoder>(plans.facts)),
      after_(std::make_unique<avro::Decoder>(plans.after)),
      before_(std::make_unique<avro::Decoder>(plans.before)),
      key_(columns, {}, nullptr),
      nothing_(columns.size()) {
  before_has_.emplace(0, debezium::columns_before(*plans.before.writer, columns));
}

AvroChangeDecoder::AvroChangeDecoder(const FramedEventPlans& plans, const Schema& columns)
    : schema_(columns),
      before_plans_(plans.before),
      facts_decoder_(std::make_unique<avro::FramedDecoder>(plans.facts)),
      after_(formats::make_framed_decoder(plans.after)),
      before_(formats::make_framed_decoder(plans.before)),
      key_(columns, {}, plans.key),
      nothing_(columns.size()) {}

void AvroChangeDecoder::begin(std::span<ColumnWriter* const> columns) {
  columns_.assign(columns.begin(), columns.end());
  after_->begin(columns_);
  std::array<ColumnWriter*, Facts::kCount> facts{};
  std::ranges::transform(facts_, facts.begin(), [](FactColumn& fact) { return &fact; });
  facts_decoder_->begin(facts);
}

std::optional<Malformation> AvroChangeDecoder::decode(const Message& message, std::size_t row,
                                                      std::optional<Change>& change) {
  change.reset();
  if (!message.value) {
    return std::nullopt;
  }
  if (auto wrong = read_facts(*message.value)) {
    return wrong;
  }
  const auto effect = effect_of(op());
  std::optional<Malformation> wrong;
  switch (effect) {
    case Effect::none:
      return std::nullopt;
    case Effect::truncation:
      return truncation();
    case Effect::unknown:
      return Malformation{.column = "op",
                          .reason = has(Facts::kOp)
                                        ? fmt::format("unknown op \"{}\"", excerpt(op(), 20))
                                        : "unknown op null"};
    case Effect::removal:
      wrong = decode_removed(*message.value, message.key, row);
      break;
    case Effect::row:
      wrong = has(Facts::kAfter) ? after_->decode(*message.value, row)
                                 : Malformation{.column = "after", .reason = "it is null"};
      break;
  }
  if (!wrong) {
    change = Change{.op = op().front(), .source = {}};
    if (has(Facts::kTime)) {
      change->time_ms = facts_[Facts::kTime].values<std::int64_t>()[0];
    }
  }
  return wrong;
}

std::string_view AvroChangeDecoder::op() {
  return has(Facts::kOp) ? facts_[Facts::kOp].values<StringRef>()[0].view() : std::string_view();
}

std::optional<Malformation> AvroChangeDecoder::read_facts(std::string_view event) {
  for (FactColumn& fact : facts_) {
    fact.clear();
  }
  return facts_decoder_->decode(event, 0);
}

std::optional<Malformation> AvroChangeDecoder::decode_removed(std::string_view event,
                                                              std::optional<std::string_view> key,
                                                              std::size_t row) {
  const auto& has_columns = has(Facts::kBefore) ? columns_before(event) : nothing_;
  if (has(Facts::kBefore)) {
    before_->begin(choose(columns_, has_columns, Choose::had));
    if (auto wrong = before_->decode(event, row)) {
      return wrong;
    }
  }
  return key_.decode(key, choose(columns_, has_columns, Choose::lacking), row);
}

const std::vector<bool>& AvroChangeDecoder::columns_before(std::string_view event) {
  const auto frame = avro::parse_frame(event);
  if (before_plans_.known == nullptr || !frame) {
    return before_plans_.known == nullptr ? before_has_.at(0) : nothing_;
  }
  const auto id = frame->schema_id;
  auto known = before_has_.find(id);
  if (known == before_has_.end()) {
    // Without a plan the event is malformed: before_ says why.
    const auto found = before_plans_.known->find(id);
    auto has =
        found.plan == nullptr ? nothing_ : debezium::columns_before(*found.plan->writer, schema_);
    if (before_plans_.rest != nullptr) {
      has[before_plans_.rescue_column] = true;  // what is rescued is of the record, not of the key
    }
    known = before_has_.emplace(id, std::move(has)).first;
  }
  return known->second;
}

}  // namespace millrace::debezium
