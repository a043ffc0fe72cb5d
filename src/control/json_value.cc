#include "control/json_value.h"

#include "base/strings.h"

namespace millrace::control {

bool is_numeric(const Column& column) {
  switch (column.physical) {
    case Physical::i8:
    case Physical::i16:
    case Physical::i32:
    case Physical::i64:
    case Physical::i128:
    case Physical::u8:
    case Physical::u16:
    case Physical::u32:
    case Physical::u64:
    case Physical::f32:
    case Physical::f64:
      return !column.type.starts_with("DATE") && !column.type.starts_with("TIME");
    default:
      return false;
  }
}

OrderedJson json_value(const Column& column, const std::optional<std::string>& text) {
  if (!text) {
    return nullptr;
  }
  if (column.physical == Physical::boolean) {
    return *text == "true";
  }
  if (!is_numeric(column)) {
    return *text;
  }
  if (const auto whole = parse_integer(*text)) {
    return *whole;
  }
  constexpr std::size_t kExactDigits = 15;
  const auto number = text->size() <= kExactDigits || column.physical == Physical::f64
                          ? parse_number(*text)
                          : std::nullopt;
  return number ? OrderedJson(*number) : OrderedJson(*text);
}

}  // namespace millrace::control
