// What a request asks for: its target, decoded and checked. RFC 9112, section 3.2; RFC 3986.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace millrace::http {

/// More parameters in a query are refused.
inline constexpr std::size_t kMaxParameters = 1000;

/// Fills `segments` and `query` from "/a/b?c=d" or "http://host/a/b?c=d". What is not exactly one
/// path is refused: bad escapes, NUL, no UTF-8, `.` and `..` as segments, however they are written.
/// Returns what is wrong, one sentence; nullopt: nothing.
[[nodiscard]] std::optional<std::string_view> read_target(std::string_view target, Request& into);

/// The target for logs: values of parameters whose names sound secret are "***", and it is cut to
/// 1,024 bytes of UTF-8.
[[nodiscard]] std::string logged_target(std::string_view target);

}  // namespace millrace::http
