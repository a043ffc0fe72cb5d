#include "formats/avro/plans.h"

#include <fmt/format.h>

#include "core/growing_columns.h"
#include "formats/schema_change.h"

namespace millrace::avro {

Plans::Found Plans::find(std::uint32_t id) {
  {
    const std::lock_guard guard(lock_);
    if (const auto known = found_.find(id); known != found_.end()) {
      return known->second;
    }
  }
  const SchemaLookup lookup = schemas_.find(id);
  if (lookup.schema == nullptr) {
    return {.plan = nullptr, .why = {.column = "", .reason = lookup.reason}};  // it may come yet
  }
  Found found;
  try {
    found.plan = std::make_shared<const Plan>(resolve_(lookup.schema));
  } catch (const ColumnsGrew&) {
    throw;  // the rows are to be others
  } catch (const Error& error) {
    found.why.reason = fmt::format("written with schema {}: {}", id, error.what());
    found.why.is_schema_change = dynamic_cast<const formats::SchemaChange*>(&error) != nullptr;
  }
  const std::lock_guard guard(lock_);
  return found_.emplace(id, std::move(found)).first->second;
}

}  // namespace millrace::avro
