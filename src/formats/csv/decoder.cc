#include "formats/csv/decoder.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/strings.h"

namespace millrace::csv {

namespace {

using json::Fault;

std::string reason_of(Fault fault, std::string_view value, const std::string& type) {
  constexpr std::size_t kShownBytes = 60;
  return fmt::format("`{}` is {} {}", excerpt(value, kShownBytes),
                     fault == Fault::range ? "out of range for" : "no", type);
}

}  // namespace

Decoder::Decoder(const Schema& schema, Options options)
    : options_(std::move(options)), formats_(options_), fields_(schema.size()) {
  check(options_);
  columns_.reserve(schema.size());
  for (const Column& column : schema.columns) {
    const Type type = parse_type(column.type);
    if (!has_text(type)) {
      throw Error(Blame::user, fmt::format("column {} ({}) can't be read from CSV; declare it "
                                           "VARCHAR, and make the rest in SQL",
                                           column.name, column.type));
    }
    json::PlanNode node;
    node.id = type.id;
    node.precision = type.precision;
    node.scale = type.scale;
    node.name = column.name;
    node.type = column.type;
    columns_.push_back(std::move(node));
  }
}

void Decoder::begin(std::span<ColumnWriter* const> columns) {
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    columns_[c].writer = columns[c];
  }
}

std::optional<Malformation> Decoder::decode(std::string_view record, std::size_t row) {
  if (const auto bad = find_invalid_utf8(record)) {
    return Malformation{.column = "",
                        .reason = fmt::format("not valid UTF-8 at byte {}", *bad + 1)};
  }
  const auto [count, problem] = cut(record, options_, fields_);
  if (problem != nullptr) {
    return Malformation{.column = "", .reason = problem};
  }
  if (count != columns_.size()) {
    return Malformation{
        .column = "",
        .reason =
            fmt::format("{} instead of {}", human_count(static_cast<std::int64_t>(count), "field"),
                        columns_.size())};
  }
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const auto fault =
        columns_[c].writer == nullptr ? Fault::none : put(columns_[c], row, fields_[c]);
    if (fault != Fault::none) {
      return Malformation{.column = columns_[c].name,
                          .reason = reason_of(fault, value_, columns_[c].type)};
    }
  }
  return std::nullopt;
}

Fault Decoder::put(const json::PlanNode& column, std::size_t row, const Field& field) {
  value_ = field.text;
  if (field.escaped) {
    unescape(field.text, options_, unescaped_);
    value_ = unescaped_;
  }
  const bool is_text = column.id == Type::Id::varchar || column.id == Type::Id::blob;
  const bool is_null = !field.quoted && field.text == options_.null_text;
  value_ = is_text ? value_ : trim(value_);
  if (is_null || (!is_text && value_.empty())) {
    column.writer->set_null(row);
    return Fault::none;
  }
  return put_text(column, row, value_, formats_, scratch_);
}

}  // namespace millrace::csv
