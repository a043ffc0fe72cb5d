#include "formats/avro/value_record.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/error.h"

namespace millrace::avro {

SharedSchema as_record(const SharedSchema& schema, const millrace::Schema& declared,
                       std::string_view name, std::string_view option) {
  const auto& columns = declared.columns;
  if (schema == nullptr || schema->root().kind == Kind::record) {
    return schema;
  }
  if (columns.size() > 1) {
    throw Error(Blame::user, fmt::format("the records are single values of type {}, not of columns "
                                         "{}; name one in `{}`",
                                         describe(schema->root()), declared.text(), option));
  }
  Json field;
  field["name"] = columns.empty() ? std::string(name) : columns.front().name;
  field["type"] = to_json(*schema);
  Json record;
  record["type"] = "record";
  record["name"] = "MillraceValue";
  record["fields"].push_back(std::move(field));
  return std::make_shared<const AvroSchema>(parse_schema(record.dump(), Names::any));
}

}  // namespace millrace::avro
