#include "core/schema.h"
#include "core/type.h"
#include "formats/avro/columns.h"
#include "fuzz/support.h"
#include "fuzz/targets.h"

namespace millrace::fuzz {

namespace {

void check(const Type& type) {
  if (type.id == Type::Id::decimal) {
    expect(type.precision >= 1 && type.precision <= 38 && type.scale >= 0 &&
               type.scale <= type.precision,
           "a DECIMAL that there is not");
  }
  for (const Type::Part& part : type.parts) {
    check(part.type);
  }
}

}  // namespace

void sql_type(std::string_view input) {
  const Type type = parse_type(input);
  (void)physical_of(input);
  if (type.id != Type::Id::other) {
    check(type);
    const std::string text = avro::sql_text(type);
    expect(parse_type(text) == type, "it is written as another type: " + text);
    const Schema schema{.columns = {{.name = "v", .type = text, .physical = physical_of(text)}}};
    (void)testing::MemoryColumns(schema, 1);
  }
}

}  // namespace millrace::fuzz
