#include "formats/schema_change.h"

#include <fmt/format.h>

namespace millrace::formats {

namespace {

std::optional<CannotChange> contradiction(OnSchemaChange mode, std::string_view rescue_column) {
  if (mode == OnSchemaChange::rescue && rescue_column.empty()) {
    return CannotChange{"needs a column to rescue into", "name one: `rescue_column: _rescued`"};
  }
  if (mode != OnSchemaChange::rescue && !rescue_column.empty()) {
    return CannotChange{
        fmt::format("would leave `rescue_column: {}` without anything to rescue", rescue_column),
        "leave one of the two out"};
  }
  return std::nullopt;
}

}  // namespace

CannotChange json_has_no_types() {
  return {
      "is for columns that come with the records' schema; those of JSON are declared, and a value "
      "does not say what type its column should have",
      "rescue what is new (`rescue_column: _rescued`), and declare it once it is known: `millrace "
      "infer` makes a `schema` from samples"};
}

bool settle_schema_change(std::optional<OnSchemaChange>& mode, std::string_view rescue_column,
                          const WhyNot& why_not, const Location& at, Diagnostics& diagnostics,
                          std::string_view what) {
  if (!mode) {
    mode = rescue_column.empty() ? OnSchemaChange::ignore : OnSchemaChange::rescue;
    if (mode == OnSchemaChange::ignore) {
      return true;  // as nobody has asked for anything, nothing can be wrong with it
    }
  }
  auto wrong = why_not(*mode);
  if (!wrong) {
    wrong = contradiction(*mode, rescue_column);
  }
  if (wrong) {
    diagnostics.error(
        at, fmt::format("`on_schema_change: {}` of {} {}", enum_word(*mode), what, wrong->text),
        wrong->hint);
  }
  return !wrong;
}

SchemaChange::SchemaChange(std::string_view place, const Malformation& why,
                           std::string_view way_out)
    : SchemaChange(
          fmt::format("{} has another schema than the columns: {}{}{}; nothing of its batch was "
                      "committed. To go on from there: {}; or set `on_schema_change: ignore` to "
                      "leave out what is new, or `rescue` to keep it in a `rescue_column`",
                      place, why.column, why.column.empty() ? "" : ": ", why.reason, way_out)) {}

}  // namespace millrace::formats
