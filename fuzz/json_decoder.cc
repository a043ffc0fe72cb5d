#include "formats/json/decoder.h"

#include <array>
#include <memory>
#include <string>

#include "formats/json/encoder.h"
#include "fuzz/json_reference.h"
#include "fuzz/support.h"
#include "fuzz/targets.h"

namespace millrace::fuzz {

namespace {

using Id = Type::Id;

Schema schema_of(std::initializer_list<std::pair<const char*, const char*>> columns) {
  Schema schema;
  for (const auto& [name, type] : columns) {
    schema.columns.push_back({.name = name, .type = type, .physical = physical_of(type)});
  }
  return schema;
}

/// More columns than a word has bits.
Schema wide_schema() {
  Schema schema;
  for (int i = 0; i < 70; i++) {
    schema.columns.push_back({.name = "c" + std::to_string(i),
                              .type = i % 2 == 0 ? "BIGINT" : "VARCHAR",
                              .physical = i % 2 == 0 ? Physical::i64 : Physical::string});
  }
  return schema;
}

/// The last one stands for a type that the input names.
Schema schema_for(unsigned choice, std::string_view& input) {
  switch (choice % 8) {
    case 0:
      return schema_of({{"text", "VARCHAR"}, {"id", "BIGINT"}, {"f", "DOUBLE"}, {"ok", "BOOLEAN"}});
    case 1:
      return schema_of({{"a", "TINYINT"},
                        {"b", "USMALLINT"},
                        {"c", "HUGEINT"},
                        {"d", "UBIGINT"},
                        {"e", "FLOAT"},
                        {"g", "DECIMAL(4,2)"},
                        {"h", "DECIMAL(38,10)"},
                        {"text", "VARCHAR"}});
    case 2:
      return schema_of({{"d", "DATE"},
                        {"t", "TIME"},
                        {"s", "TIMESTAMP_S"},
                        {"ms", "TIMESTAMP_MS"},
                        {"us", "TIMESTAMP"},
                        {"ns", "TIMESTAMP_NS"},
                        {"tz", "TIMESTAMP WITH TIME ZONE"},
                        {"text", "VARCHAR"}});
    case 3:
      return schema_of({{"text", "VARCHAR"}, {"b", "BLOB"}, {"u", "UUID"}, {"é \"x\"", "VARCHAR"}});
    case 4:
      return schema_of({{"text", "VARCHAR"},
                        {"list", "VARCHAR[]"},
                        {"map", "MAP(VARCHAR, BIGINT)"},
                        {"row", "STRUCT(x BIGINT, y STRUCT(z VARCHAR[]))"}});
    case 5:
      return schema_of({{"deep", "STRUCT(a MAP(VARCHAR, STRUCT(b DATE[][], \"c d\" DOUBLE)[]))[]"},
                        {"text", "VARCHAR"},
                        {"maps", "MAP(VARCHAR, MAP(VARCHAR, BOOLEAN))"}});
    case 6:
      return wide_schema();
    default: {
      const std::string type(take_until('\0', input));
      return {.columns = {{.name = "v", .type = type, .physical = physical_of(type)},
                          {.name = "text", .type = "VARCHAR", .physical = Physical::string}}};
    }
  }
}

json::DecoderOptions options_for(unsigned choice, const Schema& schema) {
  constexpr std::array kUnits{json::TimestampUnit::milliseconds, json::TimestampUnit::seconds,
                              json::TimestampUnit::microseconds, json::TimestampUnit::nanoseconds,
                              json::TimestampUnit::automatic};
  const auto is_set = [choice](unsigned bit) { return ((choice >> bit) & 1U) != 0; };
  json::DecoderOptions options;
  options.timestamp_unit = kUnits[(choice & 7U) % kUnits.size()];
  options.numbers_in_strings = !is_set(3);
  options.strict = is_set(4);
  options.ignore_case = !is_set(5);
  options.rescue_column = is_set(6) && schema.find("text") >= 0 ? "text" : "";
  // A type of the input's choice may be wide: a million of its rows are more than a test has.
  options.max_elements = is_set(7) ? 10 : 10'000;
  return options;
}

/// What is JSON and what isn't.
void compare(std::string_view record, const JsonReference& reference, const Outcome& outcome) {
  if (reference.is_undecided()) {
    return;
  }
  const std::string text(record);
  if (!outcome.row.empty()) {
    expect(reference.is_object(), "what is no JSON object was taken: " + text);
  } else if (reference.is_object()) {
    // Then a value must be at fault, whose place comes before the reason.
    expect(!outcome.reason.starts_with(": "), "JSON was refused: " + text + outcome.reason);
  }
}

/// The values of columns whose types are JSON's own, as another parser reads them.
void compare_values(std::string_view record, const JsonReference& reference, const Schema& schema,
                    const json::DecoderOptions& options, const Outcome& outcome) {
  if (outcome.row.empty() || reference.is_undecided()) {
    return;
  }
  const auto theirs = nlohmann::json::parse(record);
  const auto ours = nlohmann::json::parse(outcome.row);
  for (const Column& column : schema.columns) {
    if (reference.count(column.name) != 1 || column.name == options.rescue_column) {
      continue;  // of several, they take the last
    }
    const auto& value = theirs[column.name];
    const auto& read = ours[column.name];
    const Id id = parse_type(column.type).id;
    const bool is_same_kind =
        (id == Id::varchar && value.is_string()) || (id == Id::i64 && value.is_number_integer()) ||
        (id == Id::u64 && value.is_number_integer()) || (id == Id::f64 && value.is_number()) ||
        (id == Id::boolean && value.is_boolean());
    expect(!is_same_kind || read == value, column.name + " was read as " + read.dump());
    expect(!value.is_null() || read.is_null(), column.name + " is no NULL");
  }
}

/// What is written can be read, and is the same row; nested columns can't be written yet.
void check_round_trip(const Schema& schema, OneRow& row, const std::string& before) {
  const auto encoder = unless_refused(
      [&] { return std::make_unique<json::Encoder>(schema, json::EncoderOptions{}); });
  const auto record = encoder ? encoded(**encoder, row.columns()) : std::nullopt;
  if (record) {
    json::Decoder decoder(schema, {});
    const Outcome after = OneRow(decoder, schema).read(*record);
    expect(after.row == before, "another row is read than was written:\n" + before + "\n" +
                                    *record + "\n" + after.row + after.reason);
  }
}

}  // namespace

void json_decoder(std::string_view input) {
  const unsigned columns = take_byte(input);
  const unsigned switches = take_byte(input);
  const Schema schema = schema_for(columns, input);
  if (find_invalid_utf8(schema.columns[0].type)) {
    return;  // the file it is read from is checked
  }
  const json::DecoderOptions options = options_for(switches, schema);
  const auto decoder =
      unless_refused([&] { return std::make_unique<json::Decoder>(schema, options); });
  if (!decoder) {
    return;
  }
  const Exact exact(input);
  OneRow row(**decoder, schema);
  const Outcome first = row.read(exact.view());
  const JsonReference reference(input);
  compare(input, reference, first);
  compare_values(input, reference, schema, options, first);
  expect_same(first, row.read(exact.view()), "another row at the second time");
  if (!first.row.empty()) {
    check_round_trip(schema, row, first.row);
  }
  // What nobody reads is checked for its grammar alone.
  const std::vector<ColumnWriter*> nobody(schema.size(), nullptr);
  (*decoder)->begin(nobody);
  const auto unread = (*decoder)->decode(exact.view(), 0);
  expect(first.row.empty() || !unread, "malformed only when nobody reads it");
  expect(reference.is_undecided() || !unread == reference.is_object() || !unread->column.empty(),
         "another grammar when nobody reads it");
}

}  // namespace millrace::fuzz
