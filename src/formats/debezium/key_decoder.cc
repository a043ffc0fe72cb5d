#include "formats/debezium/key_decoder.h"

#include <algorithm>
#include <utility>

#include "formats/avro/framing.h"

namespace millrace::debezium {

namespace {

json::DecoderOptions of_keys(json::DecoderOptions options) {
  options.rescue_column.clear();  // a key's fields are those of the row
  options.refuse_unknown = false;
  return options;
}

/// Keys are numbers, texts and times.
bool is_scalar(const Column& column) {
  const auto id = parse_type(column.type).id;
  return id != Type::Id::interval && id != Type::Id::structure && id != Type::Id::list &&
         id != Type::Id::map && id != Type::Id::other;
}

std::vector<bool> scalars_of(const Schema& columns) {
  std::vector<bool> scalars(columns.size());
  std::transform(columns.columns.begin(), columns.columns.end(), scalars.begin(), is_scalar);
  return scalars;
}

Schema scalar_columns(Schema columns) {
  std::erase_if(columns.columns, [](const Column& column) { return !is_scalar(column); });
  return columns;
}

Malformation of_key(Malformation wrong) {
  wrong.reason = "the message's key: " + wrong.reason;
  return wrong;
}

}  // namespace

KeyDecoder::KeyDecoder(const Schema& columns, const json::DecoderOptions& options,
                       const std::shared_ptr<avro::Plans>& avro)
    : text_(columns, options.ignore_case),
      is_scalar_(scalars_of(columns)),
      json_(scalar_columns(columns), of_keys(options)),
      avro_(avro == nullptr ? nullptr : std::make_unique<avro::FramedDecoder>(avro)) {}

std::optional<Malformation> KeyDecoder::decode(std::optional<std::string_view> key,
                                               std::span<ColumnWriter* const> columns,
                                               std::size_t row) {
  if (std::ranges::all_of(columns, [](const auto* column) { return column == nullptr; })) {
    return std::nullopt;
  }
  std::optional<Malformation> wrong;
  if (key && avro_ != nullptr && avro::parse_frame(*key)) {
    avro_->begin(columns);
    wrong = avro_->decode(*key, row);
  } else if (key && key->starts_with('{')) {
    wrong = decode_json(*key, columns, row);
  } else {
    for (ColumnWriter* column : columns) {
      if (column != nullptr) {
        column->set_null(row);
      }
    }
  }
  return wrong ? std::optional(of_key(std::move(*wrong))) : std::nullopt;
}

std::optional<Malformation> KeyDecoder::decode_json(std::string_view key,
                                                    std::span<ColumnWriter* const> columns,
                                                    std::size_t row) {
  json::Wrapped wrapped;
  if (auto wrong = envelope_.open_key(key, wrapped)) {
    return wrong;
  }
  const auto& meanings = meanings_.find(wrapped.schema, "");
  const auto record = wrapped.payload.starts_with('{') ? wrapped.payload : "{}";
  if (auto wrong = text_.rewrite(record, meanings)) {
    return wrong;
  }
  std::vector<ColumnWriter*> scalars;
  scalars.reserve(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (is_scalar_[i]) {
      scalars.push_back(columns[i]);
    } else if (columns[i] != nullptr) {
      columns[i]->set_null(row);
    }
  }
  json_.begin(scalars);
  return json_.decode(text_.text(), row);
}

std::vector<ColumnWriter*> choose(std::span<ColumnWriter* const> columns,
                                  const std::vector<bool>& has, Choose which) {
  std::vector<ColumnWriter*> chosen(columns.begin(), columns.end());
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (has[i] == (which == Choose::lacking)) {
      chosen[i] = nullptr;
    }
  }
  return chosen;
}

}  // namespace millrace::debezium
