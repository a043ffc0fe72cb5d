// Short words for the tests of this folder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/avro/columns.h"
#include "formats/avro/decoder.h"
#include "formats/avro/resolve.h"
#include "formats/avro/wire.h"
#include "formats/testing/columns.h"

namespace millrace::avro {

inline std::shared_ptr<const AvroSchema> shared(std::string_view json) {
  return std::make_shared<const AvroSchema>(parse_schema(json));
}

/// A record with one field `f` of this type, given as JSON.
inline std::string with_field(std::string_view type, std::string_view more = "") {
  return R"({"type":"record","name":"R","fields":[{"name":"f","type":)" + std::string(type) +
         std::string(more) + "}]}";
}

/// Bytes on the wire, written one after the other.
class Bytes {
 public:
  Bytes& number(std::int64_t value) {
    write_long(value, bytes_);
    return *this;
  }
  Bytes& text(std::string_view value) {
    write_sized(value, bytes_);
    return *this;
  }
  Bytes& raw(std::string_view value) {
    bytes_ += value;
    return *this;
  }
  template <class T>
  Bytes& little(T value) {
    write_raw(value, bytes_);
    return *this;
  }
  operator std::string() const { return bytes_; }

 private:
  std::string bytes_;
};

/// One record as a row in JSON; or the text "column: reason" if it is malformed.
inline Json row_of(Plan plan, const std::string& record, const Limits& limits = {}) {
  millrace::Schema columns;
  for (const Type::Part& part : plan.row.parts) {
    const std::string type = sql_text(part.type);
    columns.columns.push_back({part.name, type, physical_of(type)});
  }
  testing::MemoryColumns memory(columns, 1);
  Decoder decoder(std::move(plan), limits);
  decoder.begin(memory.writers());
  // A copy of its own, so that the address sanitizer sees a byte too many.
  const std::vector<char> copy(record.begin(), record.end());
  if (const auto malformed = decoder.decode({copy.data(), copy.size()}, 0)) {
    return malformed->column + ": " + malformed->reason;
  }
  return memory.row(0);
}

/// The value of `f` in a record with that field alone.
inline Json value_of(std::string_view type, const std::string& record) {
  const Json row = row_of(resolve(shared(with_field(type))), record);
  return row.is_object() ? row["f"] : row;
}

inline millrace::Schema columns(std::initializer_list<std::pair<const char*, const char*>> list) {
  millrace::Schema schema;
  for (const auto& [name, type] : list) {
    schema.columns.push_back({name, type, physical_of(type)});
  }
  return schema;
}

/// What an Error says; "" if there is none.
template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace millrace::avro
