#include "formats/rescue.h"

#include <utility>

#include "core/schema.h"
#include "formats/avro/columns.h"
#include "formats/avro/left_out.h"
#include "formats/avro/resolve.h"

namespace millrace::formats {

namespace {

/// The columns of a plan.
Schema schema_of(const avro::Plan& plan) {
  Schema schema;
  schema.columns.reserve(plan.row.parts.size());
  for (const Type::Part& part : plan.row.parts) {
    schema.columns.push_back({part.name, avro::sql_text(part.type), physical_of(part.type)});
  }
  return schema;
}

}  // namespace

avro::Plans::Resolve rest_of(avro::Plans::Resolve resolve) {
  return [resolve = std::move(resolve)](const avro::SharedSchema& writer) {
    const avro::Plan plan = resolve(writer);
    Schema rest;
    for (const avro::LeftOut& field : avro::left_out(plan)) {
      if (!field.is_nested) {
        const Type type = avro::column_type(*field.type, field.place);
        rest.columns.push_back({field.place, avro::sql_text(type), physical_of(type)});
      }
    }
    (void)json::Encoder(rest, {});  // once now, for what it refuses
    return avro::resolve(plan.writer, rest);
  };
}

Rescue::Rescue(const avro::Plan& rest)
    : decoder_(rest), columns_(schema_of(rest), 1), encoder_(schema_of(rest), {}) {
  decoder_.begin(columns_.writers());
}

std::optional<Malformation> Rescue::fill(std::string_view record, ColumnWriter& to,
                                         std::size_t row) {
  if (decoder_.row().parts.empty()) {
    to.set_null(row);
    return std::nullopt;
  }
  columns_.clear();
  if (auto why = decoder_.decode(record, 0)) {
    return why;
  }
  text_.clear();
  const Chunk chunk{.rows = 1, .columns = columns_.views()};
  if (auto why = encoder_.encode(chunk, 0, text_)) {
    why->reason.insert(0, "it can't be rescued: ");
    return why;
  }
  to.set_string(row, text_);
  return std::nullopt;
}

std::vector<ColumnWriter*> without_column(std::span<ColumnWriter* const> columns,
                                          std::size_t column) {
  std::vector<ColumnWriter*> others(columns.begin(), columns.end());
  others.erase(others.begin() + static_cast<std::ptrdiff_t>(column));
  return others;
}

}  // namespace millrace::formats
