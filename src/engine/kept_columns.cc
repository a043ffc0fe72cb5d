#include "engine/kept_columns.h"

#include <utility>

#include "base/files.h"
#include "engine/checkpoint/files.h"

namespace millrace {
namespace {

constexpr const char* kFound = "found_columns";

Json to_json(const Schema& schema) {
  Json columns = Json::array();
  for (const Column& column : schema.columns) {
    columns.push_back({column.name, column.type});
  }
  return columns;
}

Schema schema_of(const Json& columns) {
  Schema schema;
  for (const Json& column : columns) {
    const auto type = column.at(1).get<std::string>();
    schema.columns.push_back({column.at(0).get<std::string>(), type, physical_of(type)});
  }
  return schema;
}

/// nullptr: it does not grow.
GrowingColumns* growing(Source& source) {
  auto* const grows = dynamic_cast<GrowingColumns*>(&source);
  return grows != nullptr && grows->grows() ? grows : nullptr;
}

}  // namespace

void begin_with_kept_columns(Source& source, const std::string& name, const PipelineSpec& spec) {
  auto* const grows = growing(source);
  if (grows == nullptr || !exists(spec.checkpoint.path + "/checkpoint.json")) {
    return;
  }
  const auto description = checkpoint_files::read_description(spec.checkpoint.path, spec.name).json;
  const auto place = Json::json_pointer("/fingerprints/source") / name / kFound;
  if (description.contains(place)) {
    grows->begin_with(schema_of(description.at(place)));
  }
}

void add_columns(Source& source, Json& fingerprint) {
  if (const auto* const grows = growing(source)) {
    fingerprint[kFound] = to_json(grows->found());
  }
}

Json with_columns(Json fingerprints, const ColumnsGrew& grew) {
  fingerprints["source"][grew.source()][kFound] = to_json(grew.columns());
  return fingerprints;
}

}  // namespace millrace
