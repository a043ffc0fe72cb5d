#include "formats/rescue.h"

#include <algorithm>
#include <utility>

#include "formats/json/strings.h"

namespace millrace::formats {

using avro::RestField;

namespace {

/// The first of them are fields that are left out, the others records.
std::span<const RestField> fields_left_out(std::span<const RestField> fields) {
  const auto end = std::ranges::find_if_not(fields, &RestField::is_left_out);
  return {fields.begin(), end};
}

}  // namespace

avro::Plans::Resolve rest_of(avro::Plans::Resolve resolve) {
  return [resolve = std::move(resolve)](const avro::SharedSchema& writer) {
    const avro::Plan plan = resolve(writer);
    (void)RestObject(avro::rest_fields(plan));  // once now, for what it refuses
    return avro::rest_plan(plan);
  };
}

RestObject::RestObject(std::span<const RestField> fields)
    : left_out_(fields_left_out(fields).size()),
      encoder_(avro::columns_of(fields_left_out(fields)), {}) {
  records_.reserve(fields.size() - left_out_);
  for (const RestField& field : fields.subspan(left_out_)) {
    records_.emplace_back(field.column, RestObject(field.fields));
  }
}

std::optional<Malformation> RestObject::write(std::span<const ColumnView> columns,
                                              std::string& to) {
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

Rescue::Rescue(std::span<const RestField> fields, const avro::Plan& rest)
    : is_empty_(fields.empty()),
      decoder_(rest),
      columns_(avro::columns_of(fields), 1),
      object_(fields) {
  decoder_.begin(columns_.writers());
}

std::optional<Malformation> Rescue::fill(std::string_view record, ColumnWriter& to,
                                         std::size_t row) {
  text_.clear();
  if (!is_empty_) {
    columns_.clear();
    if (auto why = decoder_.decode(record, 0)) {
      return why;
    }
    if (auto why = object_.write(columns_.views(), text_)) {
      why->reason.insert(0, "it can't be rescued: ");
      return why;
    }
  }
  if (text_.empty()) {
    to.set_null(row);
  } else {
    to.set_string(row, text_);
  }
  return std::nullopt;
}

std::vector<ColumnWriter*> without_column(std::span<ColumnWriter* const> columns,
                                          std::size_t column) {
  std::vector<ColumnWriter*> others(columns.begin(), columns.end());
  others.erase(others.begin() + static_cast<std::ptrdiff_t>(column));
  return others;
}

}  // namespace millrace::formats
