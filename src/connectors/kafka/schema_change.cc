#include "connectors/kafka/schema_change.h"

#include <fmt/format.h>

#include <optional>

namespace millrace::kafka {

namespace {

using formats::CannotChange;
using formats::Kind;
using formats::OnSchemaChange;

std::optional<CannotChange> why_not(const formats::DecodingOptions& records, OnSchemaChange mode) {
  if (records.kind != Kind::json && records.kind != Kind::avro) {
    return CannotChange{"is for JSON and Avro, whose fields have names", "leave it out"};
  }
  if (mode == OnSchemaChange::add_columns && records.kind == Kind::json) {
    return formats::json_has_no_types();
  }
  if (records.kind != Kind::avro || mode == OnSchemaChange::ignore) {
    return std::nullopt;
  }
  if (records.framing != formats::Framing::confluent) {
    return CannotChange{
        "is for records that name their schemas, and these are all of that in "
        "`schema_file`",
        "leave it out, or set `framing: confluent`"};
  }
  if (mode == OnSchemaChange::add_columns && !formats::needs_latest(records)) {
    return CannotChange{
        "is for columns that come from the schema registry, and these are declared",
        fmt::format("leave `{}` out, or rescue what is new (`rescue_column: _rescued`)",
                    records.schema.empty() ? "schema_file" : "schema")};
  }
  return std::nullopt;
}

}  // namespace

bool settle_schema_change(formats::DecodingOptions& records, const Location& at,
                          Diagnostics& diagnostics, const std::string& what) {
  return formats::settle_schema_change(
      records.on_schema_change, records.json.rescue_column,
      [&records](OnSchemaChange mode) { return why_not(records, mode); }, at, diagnostics, what);
}

}  // namespace millrace::kafka
