#include "http/internal/answer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "http/header_values.h"

namespace millrace::http {
namespace {

constexpr std::size_t kCompressedFrom = 1 << 10;
/// Takes some milliseconds.
constexpr std::size_t kServerThreadMax = 512 << 10;

const Header* find(const std::vector<Header>& headers, std::string_view name) {
  const auto found = std::ranges::find_if(
      headers, [&](const Header& each) { return equal_ignoring_case(each.name, name); });
  return found == headers.end() ? nullptr : &*found;
}

/// Those that are the server's own to say.
bool is_ours(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kOurs = {"content-length", "transfer-encoding",
                                                            "date", "connection", "server"};
  return std::ranges::any_of(
      kOurs, [&](std::string_view each) { return equal_ignoring_case(each, name); });
}

void append_number(std::size_t number, std::string& to) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  to.append(digits.data(), end);
}

void append_header(std::string_view name, std::string_view value, std::string& to) {
  to += name;
  to += ": ";
  to += value;
  to += "\r\n";
}

/// The length of what GET would send.
void append_length(const Response& response, std::string& to) {
  const bool has_none = response.status == 204 || response.status == 304 || response.events;
  if (!has_none) {
    to += "Content-Length: ";
    append_number(response.body == nullptr ? 0 : response.body->size(), to);
    to += "\r\n";
  }
}

}  // namespace

bool has_body(const Response& response, const AnswerForm& form) noexcept {
  return !form.is_head && response.status != 204 && response.status != 304 && !response.events &&
         response.body != nullptr && !response.body->empty();
}

void compress(Core& core, Response& response, bool accepts_gzip, bool is_server_thread) {
  if (response.body == nullptr || response.events || response.body->size() < kCompressedFrom ||
      response.status == 206) {
    return;
  }
  const Header* const type = find(response.headers, "Content-Type");
  if (type == nullptr || !is_compressible(type->value) ||
      find(response.headers, "Content-Encoding") != nullptr) {
    return;
  }
  response.headers.push_back({"Vary", "Accept-Encoding"});
  if (!accepts_gzip || (is_server_thread && response.body->size() > kServerThreadMax)) {
    return;
  }
  auto compressed = core.compressed.of(response.body);
  if (compressed == nullptr) {
    return;
  }
  response.body = std::move(compressed);
  response.headers.push_back({"Content-Encoding", "gzip"});
  for (Header& header : response.headers) {
    // The bytes differ from those of the plain form, which a strong tag would deny.
    if (equal_ignoring_case(header.name, "ETag") && header.value.starts_with('"')) {
      header.value.insert(0, "W/");
    }
  }
}

bool is_sound(const Response& response) {
  if (response.status < 200 || response.status > 599) {
    Log().error("an answer has the status {}, which there is not", response.status);
    return false;
  }
  for (const Header& header : response.headers) {
    if (!is_header_name(header.name) || !is_header_value(header.value)) {
      Log().error("an answer has a header that cannot be sent: {}", excerpt(header.name, 100));
      return false;
    }
  }
  return true;
}

void append_head(const Core& core, const Response& response, const AnswerForm& form,
                 std::string_view date, std::string_view origin, std::string& to) {
  to += "HTTP/1.1 ";
  append_number(static_cast<std::size_t>(response.status), to);
  to += ' ';
  to += reason_phrase(response.status);
  to += "\r\nServer: millrace\r\nDate: ";
  to += date;
  to += "\r\nX-Content-Type-Options: nosniff\r\n";
  bool has_type = false;
  for (const Header& header : response.headers) {
    if (!is_ours(header.name)) {
      append_header(header.name, header.value, to);
      has_type = has_type || equal_ignoring_case(header.name, "Content-Type");
    }
  }
  if (response.events && !has_type) {
    to += "Content-Type: text/event-stream\r\n";
  }
  if (response.events && find(response.headers, "Cache-Control") == nullptr) {
    to += "Cache-Control: no-store\r\n";
  }
  for (const auto& [name, value] : core.options.headers) {
    if (find(response.headers, name) == nullptr) {
      append_header(name, value, to);
    }
  }
  if (core.cors.is_on()) {
    core.cors.append_headers(origin, to);
  }
  append_length(response, to);
  if (form.closes) {
    to += "Connection: close\r\n";
  } else if (!form.is_http_1_1) {
    to += "Connection: keep-alive\r\n";
  }
  to += "\r\n";
}

}  // namespace millrace::http
