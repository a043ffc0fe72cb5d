#include "connectors/kafka/schema_change.h"

#include <fmt/format.h>

#include <optional>

namespace millrace::kafka {

namespace {

using formats::Kind;
using formats::OnSchemaChange;

/// What is wrong, and the way out.
struct Wrong {
  std::string text;
  std::string hint;
};

std::optional<Wrong> wrong_with(const formats::DecodingOptions& records) {
  const bool has_column = !records.json.rescue_column.empty();
  const auto mode = *records.on_schema_change;
  if (records.kind != Kind::json && records.kind != Kind::avro) {
    return Wrong{"is for JSON and Avro, whose fields have names", "leave it out"};
  }
  if (mode == OnSchemaChange::add_columns && records.kind == Kind::json) {
    return Wrong{
        "is for columns that come from a schema registry; those of JSON are declared, and "
        "a value does not say what type its column should have",
        "rescue what is new (`rescue_column: _rescued`), and declare it once it is known: "
        "`millrace infer` makes a `schema` from samples"};
  }
  if (mode == OnSchemaChange::rescue && !has_column) {
    return Wrong{"needs a column to rescue into", "name one: `rescue_column: _rescued`"};
  }
  if (mode != OnSchemaChange::rescue && has_column) {
    return Wrong{fmt::format("would leave `rescue_column: {}` without anything to rescue",
                             records.json.rescue_column),
                 "leave one of the two out"};
  }
  if (records.kind != Kind::avro || mode == OnSchemaChange::ignore) {
    return std::nullopt;
  }
  if (records.framing != formats::Framing::confluent) {
    return Wrong{
        "is for records that name their schemas, and these are all of that in "
        "`schema_file`",
        "leave it out, or set `framing: confluent`"};
  }
  if (mode == OnSchemaChange::add_columns && !formats::needs_latest(records)) {
    return Wrong{"is for columns that come from the schema registry, and these are declared",
                 fmt::format("leave `{}` out, or rescue what is new (`rescue_column: _rescued`)",
                             records.schema.empty() ? "schema_file" : "schema")};
  }
  return std::nullopt;
}

}  // namespace

bool settle_schema_change(formats::DecodingOptions& records, const Location& at,
                          Diagnostics& diagnostics, const std::string& what) {
  auto& mode = records.on_schema_change;
  if (!mode) {
    mode = records.json.rescue_column.empty() ? OnSchemaChange::ignore : OnSchemaChange::rescue;
    return true;
  }
  const auto wrong = wrong_with(records);
  if (wrong) {
    diagnostics.error(
        at, fmt::format("`on_schema_change: {}` of {} {}", enum_word(*mode), what, wrong->text),
        wrong->hint);
  }
  return !wrong;
}

}  // namespace millrace::kafka
