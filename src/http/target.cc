#include "http/target.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"

namespace millrace::http {
namespace {

using Wrong = std::optional<std::string_view>;

enum class Plus : bool { is_plus, is_space };

Wrong decode(std::string_view text, Plus plus, std::string& into) {
  into.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return "the target has a % that two hexadecimal digits do not follow";
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus == Plus::is_space) {
      c = ' ';
    }
    into += c;
  }
  if (into.find('\0') != std::string::npos) {
    return "the target has a NUL";
  }
  if (find_invalid_utf8(into)) {
    return "the target is not UTF-8";
  }
  return std::nullopt;
}

Wrong read_path(std::string_view path, Request& into) {
  path.remove_prefix(1);
  if (path.empty()) {
    return std::nullopt;
  }
  into.segments.reserve(static_cast<std::size_t>(std::ranges::count(path, '/')) + 1);
  for (bool more = true; more;) {
    const std::size_t slash = path.find('/');
    more = slash != std::string_view::npos;
    std::string& segment = into.segments.emplace_back();
    if (const Wrong wrong = decode(path.substr(0, slash), Plus::is_plus, segment)) {
      return wrong;
    }
    if (segment == "." || segment == "..") {
      return "the path has the segment `.` or `..`";
    }
    path.remove_prefix(more ? slash + 1 : path.size());
  }
  return std::nullopt;
}

Wrong read_query(std::string_view query, Request& into) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) {
      continue;
    }
    if (into.query.size() == kMaxParameters) {
      return "the query has more than 1,000 parameters";
    }
    const std::size_t equals = pair.find('=');
    auto& [name, value] = into.query.emplace_back();
    Wrong wrong = decode(pair.substr(0, equals), Plus::is_space, name);
    if (!wrong && equals != std::string_view::npos) {
      wrong = decode(pair.substr(equals + 1), Plus::is_space, value);
    }
    if (wrong) {
      return wrong;
    }
  }
  return std::nullopt;
}

/// The path and query of a target; of "http://host" it is "/".
std::string_view path_and_query(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() > scheme.size() &&
        equal_ignoring_case(target.substr(0, scheme.size()), scheme)) {
      const std::size_t path = target.find_first_of("/?", scheme.size());
      return path == std::string_view::npos ? "/" : target.substr(path);
    }
  }
  return target;
}

bool sounds_secret(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kWords = {
      "token", "secret", "password", "passwd", "apikey", "api_key", "api-key", "signature"};
  const std::string lower = to_lower(name);
  // An escape may hide any of the words.
  return lower == "key" || lower == "sig" || lower.find('%') != std::string::npos ||
         std::ranges::any_of(
             kWords, [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

}  // namespace

Wrong read_target(std::string_view target, Request& into) {
  target = path_and_query(target);
  if (target.empty() || target.front() != '/') {
    return "the target does not begin with a slash";
  }
  if (target.find('#') != std::string_view::npos) {
    return "the target has a fragment";
  }
  const std::size_t question = target.find('?');
  if (const Wrong wrong = read_path(target.substr(0, question), into)) {
    return wrong;
  }
  return question == std::string_view::npos ? std::nullopt
                                            : read_query(target.substr(question + 1), into);
}

std::string logged_target(std::string_view target) {
  constexpr std::size_t kLongest = 1024;
  const std::size_t question = target.find('?');
  std::string shown(target.substr(0, question));
  if (question != std::string_view::npos) {
    char before = '?';
    for (const std::string_view pair : split(target.substr(question + 1), '&')) {
      const std::size_t equals = pair.find('=');
      const std::string_view name = pair.substr(0, equals);
      shown += before;
      shown += name;
      if (equals != std::string_view::npos) {
        shown += sounds_secret(name) ? "=***" : pair.substr(equals);
      }
      before = '&';
    }
  }
  return excerpt(shown, kLongest);
}

}  // namespace millrace::http
