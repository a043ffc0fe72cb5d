#include "formats/debezium/json_decoder.h"

#include <string>
#include <utility>

#include "formats/avro/framing.h"

namespace millrace::debezium {

namespace {

using ChangeKind = json::Change::Kind;

/// The operation as Debezium has it.
char op_of(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::create:
      return 'c';
    case ChangeKind::update:
      return 'u';
    case ChangeKind::remove:
      return 'd';
    default:
      return 'r';
  }
}

/// Columns are told by their names alone; what is wrong with a whole record, by where it is.
Malformation within(std::string_view part, Malformation wrong) {
  if (wrong.column.empty()) {
    wrong.column = part;
  }
  return wrong;
}

}  // namespace

JsonChangeDecoder::JsonChangeDecoder(const Schema& columns, const json::DecoderOptions& options,
                                     bool is_framed)
    : is_framed_(is_framed),
      rescue_column_(options.rescue_column.empty() ? -1 : columns.find(options.rescue_column)),
      text_(columns, options.ignore_case),
      after_(columns, options),
      before_(columns, options),
      key_(columns, options, nullptr) {}

void JsonChangeDecoder::begin(std::span<ColumnWriter* const> columns) {
  columns_.assign(columns.begin(), columns.end());
  after_.begin(columns_);
}

std::optional<Malformation> JsonChangeDecoder::decode(const Message& message, std::size_t row,
                                                      std::optional<Change>& change) {
  change.reset();
  auto value = message.value.value_or("");
  auto key = message.key;
  if (is_framed_ && message.value) {
    const auto frame = avro::parse_frame(value);
    if (!frame) {
      return Malformation{.column = "", .reason = std::string(avro::no_frame(value))};
    }
    value = frame->body;
    if (const auto of_key = key ? avro::parse_frame(*key) : std::nullopt) {
      key = of_key->body;
    }
  }
  json::Change event;
  if (auto wrong = envelope_.open(value, event)) {
    return wrong;
  }
  if (event.kind == ChangeKind::tombstone || event.kind == ChangeKind::message) {
    return std::nullopt;
  }
  if (event.kind == ChangeKind::truncate) {
    return truncation();
  }
  auto wrong =
      event.kind == ChangeKind::remove ? decode_removed(event, key, row) : decode_after(event, row);
  if (!wrong) {
    change = Change{.op = op_of(event.kind), .time_ms = event.source_ts_ms, .source = event.source};
  }
  return wrong;
}

std::optional<Malformation> JsonChangeDecoder::decode_after(const json::Change& event,
                                                            std::size_t row) {
  auto record = event.after;
  std::optional<Malformation> wrong;
  if (const auto& meanings = meanings_.find(event.schema, "after"); !meanings.empty()) {
    wrong = text_.rewrite(record, meanings);
    record = text_.text();
  }
  wrong = wrong ? std::move(wrong) : after_.decode(record, row);
  return wrong ? std::optional(within("after", std::move(*wrong))) : std::nullopt;
}

std::optional<Malformation> JsonChangeDecoder::decode_removed(const json::Change& event,
                                                              std::optional<std::string_view> key,
                                                              std::size_t row) {
  const auto& meanings = meanings_.find(event.schema, "before");
  auto wrong = text_.rewrite(event.before.empty() ? "{}" : event.before, meanings);
  if (wrong) {
    return within("before", std::move(*wrong));
  }
  auto has = text_.has();
  if (rescue_column_ >= 0) {
    has[static_cast<std::size_t>(rescue_column_)] = true;
  }
  before_.begin(choose(columns_, has, Choose::had));
  wrong = before_.decode(text_.text(), row);
  if (wrong) {
    return within("before", std::move(*wrong));
  }
  return key_.decode(key, choose(columns_, has, Choose::lacking), row);
}

}  // namespace millrace::debezium
