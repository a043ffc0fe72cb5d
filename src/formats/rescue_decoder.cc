#include "formats/rescue_decoder.h"

#include <algorithm>
#include <utility>

#include "core/schema.h"
#include "formats/avro/columns.h"
#include "formats/avro/decoder.h"
#include "formats/avro/framing.h"
#include "formats/avro/left_out.h"
#include "formats/json/encoder.h"
#include "formats/json/strings.h"
#include "formats/memory_columns.h"

namespace millrace::formats {

namespace {

using avro::RestField;

/// The first of them are fields that are left out, the others records.
std::span<const RestField> fields_left_out(std::span<const RestField> fields) {
  const auto end = std::ranges::find_if_not(fields, &RestField::is_left_out);
  return {fields.begin(), end};
}

/// What is left out of a record, as JSON.
class RestObject {
 public:
  /// Throws Error (user) for a field that JSON has no form for.
  explicit RestObject(std::span<const RestField> fields)
      : left_out_(fields_left_out(fields).size()),
        encoder_(avro::columns_of(fields_left_out(fields)), {}) {
    records_.reserve(fields.size() - left_out_);
    for (const RestField& field : fields.subspan(left_out_)) {
      records_.emplace_back(field.column, RestObject(field.fields));
    }
  }

  /// Appends the object of row 0; nothing if there is nothing in it: its records are NULL.
  std::optional<Malformation> write(std::span<const ColumnView> columns, std::string& to) {
    const auto begin = to.size();
    if (auto why = encoder_.encode({.rows = 1, .columns = columns.first(left_out_)}, 0, to)) {
      return why;
    }
    to.pop_back();  // the brace: records follow
    for (std::size_t i = 0; i < records_.size(); ++i) {
      auto& [column, object] = records_[i];
      const ColumnView& record = columns[left_out_ + i];
      if (record.is_null(0)) {
        continue;
      }
      const auto before = to.size();
      to += before == begin + 1 ? "" : ",";
      json::write_string(column, to);
      to += ':';
      const auto value = to.size();
      if (auto why = object.write(record.parts(), to)) {
        why->column.insert(0, column + ".");
        return why;
      }
      to.resize(to.size() == value ? before : to.size());
    }
    to += '}';
    to.resize(to.size() == begin + 2 ? begin : to.size());
    return std::nullopt;
  }

 private:
  std::size_t left_out_;   // columns of fields, which come before those of records
  json::Encoder encoder_;  // of the fields
  std::vector<std::pair<std::string, RestObject>> records_;  // by their columns' names
};

}  // namespace

avro::Plans::Resolve rest_of(avro::Plans::Resolve resolve) {
  return [resolve = std::move(resolve)](const avro::SharedSchema& writer) {
    const avro::Plan plan = resolve(writer);
    (void)RestObject(avro::rest_fields(plan));  // once now, for what it refuses
    return avro::rest_plan(plan);
  };
}

/// Of records of one schema: a row of what is left out.
struct RescueDecoder::Rest {
  Rest(const avro::Plan& plan, std::span<const RestField> fields)
      : decoder(plan), columns(avro::columns_of(fields), 1), object(fields) {
    decoder.begin(columns.writers());
  }
  avro::Decoder decoder;
  MemoryColumns columns;
  RestObject object;
};

std::unique_ptr<RecordDecoder> make_framed_decoder(const FramedPlans& plans) {
  if (plans.rest == nullptr) {
    return std::make_unique<avro::FramedDecoder>(plans.known);
  }
  return std::make_unique<RescueDecoder>(plans);
}

RescueDecoder::RescueDecoder(FramedPlans plans) : plans_(std::move(plans)), known_(plans_.known) {}

RescueDecoder::~RescueDecoder() = default;

void RescueDecoder::begin(std::span<ColumnWriter* const> columns) {
  others_.assign(columns.begin(), columns.end());
  to_ = columns[plans_.rescue_column];
  others_.erase(others_.begin() + static_cast<std::ptrdiff_t>(plans_.rescue_column));
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
    const auto fields = avro::rest_fields(*plans_.known->find(frame->schema_id).plan);
    found = rests_
                .emplace(frame->schema_id,
                         fields.empty() ? nullptr : std::make_unique<Rest>(*rest.plan, fields))
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
  if (auto why = rest.object.write(rest.columns.views(), text_)) {
    why->reason.insert(0, "it can't be rescued: ");
    return why;
  }
  if (text_.empty()) {
    to_->set_null(row);
  } else {
    to_->set_string(row, text_);
  }
  return std::nullopt;
}

}  // namespace millrace::formats
