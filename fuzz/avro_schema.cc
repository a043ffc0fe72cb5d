#include "formats/avro/schema.h"

#include <memory>

#include "formats/avro/columns.h"
#include "formats/avro/decoder.h"
#include "formats/avro/resolve.h"
#include "fuzz/support.h"
#include "fuzz/targets.h"

namespace millrace::fuzz {

namespace {

using avro::AvroSchema;
using avro::Names;
using Shared = std::shared_ptr<const AvroSchema>;

Shared parse(std::string_view json, Names names) {
  return unless_refused(
             [&] { return std::make_shared<const AvroSchema>(avro::parse_schema(json, names)); })
      .value_or(nullptr);
}

/// Writes it, and reads what was written.
void check_round_trip(const AvroSchema& schema, Names names) {
  const avro::Json written = avro::to_json(schema);
  const AvroSchema again = avro::parse_schema(written.dump(), names);
  expect(avro::to_json(again) == written, "written as another schema: " + written.dump());
  const std::string canonical = avro::canonical_form(schema);
  expect(avro::canonical_form(again) == canonical, "another canonical form: " + canonical);
  (void)avro::fingerprint(canonical);
}

Shared checked(std::string_view json) {
  const Exact text(json);
  const Shared any = parse(text.view(), Names::any);
  const Shared strict = parse(text.view(), Names::checked);
  expect(any != nullptr || strict == nullptr, "refused when less is checked");
  if (any) {
    check_round_trip(*any, Names::any);
  }
  if (strict) {
    check_round_trip(*strict, Names::checked);
  }
  return any;
}

void read(const avro::Plan& plan, std::string_view record) {
  Schema schema;
  for (const Type::Part& part : plan.row.parts) {
    const std::string type = avro::sql_text(part.type);
    schema.columns.push_back({.name = part.name, .type = type, .physical = physical_of(type)});
  }
  avro::Decoder decoder(plan, {.elements = 100});
  const Exact exact(record);
  (void)OneRow(decoder, schema).read(exact.view());
}

}  // namespace

void avro_schema(std::string_view input) {
  const Shared writer = checked(take_until('\0', input));
  if (!writer) {
    return;
  }
  const std::string_view other = take_until('\0', input);
  if (const auto plan = unless_refused([&] { return avro::resolve(writer); })) {
    read(*plan, input);
  }
  const Shared reader = checked(other);
  if (!reader) {
    return;
  }
  if (const auto plan = unless_refused([&] { return avro::resolve(writer, reader); })) {
    read(*plan, input);
  }
  const auto columns = unless_refused([&] { return avro::columns_of(*reader); });
  if (!columns) {
    return;
  }
  const auto plan =
      unless_refused([&] { return avro::resolve(writer, *columns, avro::Missing::null); });
  if (plan) {
    read(*plan, input);
  }
}

}  // namespace millrace::fuzz
