#include "formats/avro/default_value.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/avro/wire.h"

namespace millrace::avro {

namespace {

/// What a default may have at most: one of a recursive type would have no end, and a small schema
/// may name a large value many times.
struct Budget {
  int values = 100'000;
  int depth = 64;
};

// All append the bytes of a value, or give false.

bool encode(const Node& type, const Json& value, Budget& budget, std::string& to);

bool whole(const Json& value, std::int64_t min, std::int64_t max, std::string& to) {
  if (!value.is_number_integer() ||
      (value.is_number_unsigned() &&
       value.get<std::uint64_t>() > static_cast<std::uint64_t>(max))) {
    return false;
  }
  const auto number = value.get<std::int64_t>();
  if (number < min || number > max) {
    return false;
  }
  write_long(number, to);
  return true;
}

std::optional<double> number(const Json& value) {
  if (value.is_number()) {
    return value.get<double>();
  }
  // JSON has no words for these; other implementations write them so.
  if (value == "NaN") {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (value == "Infinity" || value == "-Infinity") {
    return value == "Infinity" ? HUGE_VAL : -HUGE_VAL;
  }
  return std::nullopt;
}

bool real(const Node& type, const Json& value, std::string& to) {
  const auto real = number(value);
  if (!real) {
    return false;
  }
  if (type.kind == Kind::double_) {
    write_raw(*real, to);
    return true;
  }
  if (std::isfinite(*real) && std::abs(*real) > std::numeric_limits<float>::max()) {
    return false;
  }
  write_raw(static_cast<float>(*real), to);
  return true;
}

/// The bytes that the code points 0 to 255 of a text stand for.
std::optional<std::string> bytes(const Json& value) {
  if (!value.is_string()) {
    return std::nullopt;
  }
  std::string result;
  const auto& text = value.get_ref<const std::string&>();
  for (std::size_t i = 0; i < text.size(); i++) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      result += text[i];
    } else if (byte <= 0xC3 && i + 1 < text.size()) {
      result += static_cast<char>(((byte & 0x03U) << 6U) |
                                  (static_cast<unsigned char>(text[++i]) & 0x3FU));
    } else {
      return std::nullopt;
    }
  }
  return result;
}

bool symbol(const Node& type, const Json& value, std::string& to) {
  const auto found = value.is_string()
                         ? std::ranges::find(type.symbols, value.get_ref<const std::string&>())
                         : type.symbols.end();
  write_long(found - type.symbols.begin(), to);
  return found != type.symbols.end();
}

bool record(const Node& type, const Json& value, Budget& budget, std::string& to) {
  return value.is_object() && std::ranges::all_of(type.fields, [&](const Field& field) {
           const auto found = value.find(field.name);
           if (found != value.end()) {
             return encode(*field.type, *found, budget, to);
           }
           return field.default_value && encode(*field.type, *field.default_value, budget, to);
         });
}

bool blocks(const Node& type, const Json& value, Budget& budget, std::string& to) {
  if (type.kind == Kind::array ? !value.is_array() : !value.is_object()) {
    return false;
  }
  if (!value.empty()) {
    write_long(static_cast<std::int64_t>(value.size()), to);
  }
  for (const auto& [key, part] : value.items()) {
    if (type.kind == Kind::map) {
      write_sized(key, to);
    }
    if (!encode(*type.parts[0], part, budget, to)) {
      return false;
    }
  }
  write_long(0, to);
  return true;
}

bool first_branch(const Node& type, const Json& value, Budget& budget, std::string& to) {
  for (std::size_t i = 0; i < type.parts.size(); i++) {
    const std::size_t before = to.size();
    write_long(static_cast<std::int64_t>(i), to);
    if (encode(*type.parts[i], value, budget, to)) {
      return true;
    }
    to.resize(before);
  }
  return false;
}

bool sized(const Node& type, const std::optional<std::string>& value, std::string& to) {
  if (!value || (type.kind == Kind::fixed && value->size() != type.size)) {
    return false;
  }
  if (type.kind == Kind::fixed) {
    to += *value;
  } else {
    write_sized(*value, to);
  }
  return true;
}

bool encode_by_kind(const Node& type, const Json& value, Budget& budget, std::string& to) {
  switch (type.kind) {
    case Kind::null:
      return value.is_null();
    case Kind::boolean:
      to += static_cast<char>(value == true);
      return value.is_boolean();
    case Kind::int_:
      return whole(value, std::numeric_limits<std::int32_t>::min(),
                   std::numeric_limits<std::int32_t>::max(), to);
    case Kind::long_:
      return whole(value, std::numeric_limits<std::int64_t>::min(),
                   std::numeric_limits<std::int64_t>::max(), to);
    case Kind::float_:
    case Kind::double_:
      return real(type, value, to);
    case Kind::bytes:
    case Kind::fixed:
      return sized(type, bytes(value), to);
    case Kind::string:
      return value.is_string() && sized(type, value.get<std::string>(), to);
    case Kind::enumeration:
      return symbol(type, value, to);
    case Kind::record:
      return record(type, value, budget, to);
    case Kind::array:
    case Kind::map:
      return blocks(type, value, budget, to);
    case Kind::union_:
      return first_branch(type, value, budget, to);
  }
  return false;
}

bool encode(const Node& type, const Json& value, Budget& budget, std::string& to) {
  if (budget.depth == 0 || budget.values == 0) {
    return false;
  }
  budget.values--;
  budget.depth--;
  const bool done = encode_by_kind(type, value, budget, to);
  budget.depth++;
  return done;
}

}  // namespace

std::optional<std::string> encode_default(const Node& type, const Json& value) {
  std::string to;
  Budget budget;
  return encode(type, value, budget, to) ? std::optional(std::move(to)) : std::nullopt;
}

}  // namespace millrace::avro
