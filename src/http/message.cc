#include "http/message.h"

#include "base/strings.h"

namespace millrace::http {

std::string_view Request::header(std::string_view name) const noexcept {
  for (const Header& each : headers) {
    if (equal_ignoring_case(each.name, name)) {
      return each.value;
    }
  }
  return {};
}

std::optional<std::string_view> Request::parameter(std::string_view name) const noexcept {
  for (const auto& [key, value] : query) {
    if (key == name) {
      return value;
    }
  }
  return std::nullopt;
}

}  // namespace millrace::http
