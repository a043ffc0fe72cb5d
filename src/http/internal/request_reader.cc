#include "http/internal/request_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/beast/http/error.hpp>
#include <limits>

#include "base/strings.h"
#include "http/target.h"

namespace millrace::http {
namespace {

using Beast = boost::beast::http::error;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

Problem bad_request(std::string message, std::string hint = "") {
  return {
      .status = 400, .code = "bad_request", .message = std::move(message), .hint = std::move(hint)};
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 18 && std::ranges::all_of(text, is_digit);
}

bool is_known_method(std::string_view method) {
  static constexpr std::array<std::string_view, 9> kMethods = {
      "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"};
  return std::ranges::find(kMethods, method) != kMethods.end();
}

}  // namespace

RequestReader::RequestReader(const RequestLimits& limits, Request& into)
    : limits_(limits), into_(into) {
  header_limit(static_cast<std::uint32_t>(limits.head_size));
  // Ours has an answer of its own; `none` would be none to Beast 1.74 for chunks only.
  body_limit(std::numeric_limits<std::uint64_t>::max());
}

RequestReader::State RequestReader::read(std::string_view bytes, std::size_t& used) {
  used = 0;
  for (;;) {
    bytes_ = bytes.substr(used);
    if (head_read_ && bytes_.empty() && !is_done()) {
      return State::needs_more;
    }
    error_code error;
    used += put(asio::const_buffer(bytes_.data(), bytes_.size()), error);
    if (error == Beast::need_more) {
      return State::needs_more;
    }
    if (error) {
      explain(error);
      return State::failed;
    }
    if (!head_read_ && is_header_done()) {
      head_read_ = true;
      return is_done() ? State::is_read : State::head_is_read;
    }
    if (is_done()) {
      return State::is_read;
    }
  }
}

void RequestReader::refuse(Problem problem, error_code& ec) {
  problem_ = std::move(problem);
  ec = Beast::bad_value;
}

void RequestReader::explain(const error_code& error) {
  if (problem_) {
    return;
  }
  if (error == Beast::header_limit) {
    const bool in_target = version_ == 0;
    problem_ = {.status = in_target ? 414 : 431,
                .code = in_target ? "target_too_long" : "headers_too_large",
                .message = fmt::format("the head of the request is larger than {}",
                                       bytes_text(static_cast<std::int64_t>(limits_.head_size)))};
  } else if (error == Beast::bad_version) {
    problem_ = {.status = 505,
                .code = "version_not_supported",
                .message = "the request is not of HTTP/1.1 or HTTP/1.0"};
  } else {
    problem_ = bad_request(fmt::format("the request cannot be read: {}", error.message()));
  }
}

void RequestReader::on_request_impl(Verb /*verb*/, Text method, Text target, int version,
                                    error_code& ec) {
  version_ = version;
  if (target.size() > limits_.target_size) {
    refuse({.status = 414,
            .code = "target_too_long",
            .message = fmt::format("the target is longer than {}",
                                   bytes_text(static_cast<std::int64_t>(limits_.target_size)))},
           ec);
    return;
  }
  into_.method = view(method);
  into_.target = view(target);
  if (!is_known_method(into_.method)) {
    refuse({.status = 501,
            .code = "method_not_implemented",
            .message = "the method of the request is not known here"},
           ec);
  } else if (into_.target == "*" && into_.method == "OPTIONS") {
    return;  // about the server as a whole: a path without segments
  } else if (const auto wrong = read_target(into_.target, into_)) {
    refuse(bad_request(std::string(*wrong)), ec);
  }
}

void RequestReader::on_field_impl(Field field, Text name, Text value, error_code& ec) {
  if (head_read_) {
    return;  // a trailer: nobody asks for any, and they must not pass for headers
  }
  const std::less<> before;
  if (!value.empty() && (before(value.data(), bytes_.data()) ||
                         !before(value.data(), bytes_.data() + bytes_.size()))) {
    // Beast has joined its lines elsewhere. Other readers take the second one for a header.
    refuse(bad_request("a header goes on in a second line"), ec);
    return;
  }
  if (into_.headers.size() == limits_.headers) {
    refuse({.status = 431,
            .code = "headers_too_large",
            .message = fmt::format("the request has more than {} headers", limits_.headers)},
           ec);
    return;
  }
  if (into_.headers.empty()) {
    into_.headers.reserve(8);
  }
  into_.headers.push_back({std::string(view(name)), std::string(view(value))});
  check_framing(field, into_.headers.back().value, ec);
}

void RequestReader::check_framing(Field field, std::string_view value, error_code& ec) {
  switch (field) {
    case Field::host:
      if (++hosts_ > 1 || value.find_first_of("/?#@ \t,") != std::string_view::npos) {
        refuse(bad_request("the request has no one good Host header"), ec);
      }
      return;
    case Field::content_length:
      if (std::exchange(has_length_, true) || has_coding_ || !is_number(value)) {
        refuse(bad_request("the length of the request is contradictory or no number"), ec);
      } else {
        length_ = static_cast<std::uint64_t>(parse_integer(value).value_or(0));
      }
      return;
    case Field::transfer_encoding:
      if (std::exchange(has_coding_, true) || has_length_ || version_ < 11) {
        refuse(bad_request("the length of the request is contradictory"), ec);
      } else if (!equal_ignoring_case(trim(value), "chunked")) {
        refuse({.status = 501,
                .code = "transfer_coding_not_implemented",
                .message = "the transfer coding of the request is not known here",
                .hint = "send it as it is, or chunked"},
               ec);
      }
      return;
    case Field::expect:
      expects_continue_ = equal_ignoring_case(trim(value), "100-continue");
      if (!expects_continue_) {
        refuse({.status = 417,
                .code = "expectation_failed",
                .message = "what the request expects is not known here"},
               ec);
      }
      return;
    default:
      return;
  }
}

void RequestReader::on_header_impl(error_code& ec) {
  if (version_ == 11 && hosts_ == 0) {
    refuse(bad_request("the request has no Host header"), ec);
  } else if (length_ > 0) {
    on_chunk_header_impl(length_, {}, ec);
  }
}

void RequestReader::on_body_init_impl(const boost::optional<std::uint64_t>& /*length*/,
                                      error_code& /*ec*/) {
  // The body grows as it comes: who only announces one takes no memory.
}

std::size_t RequestReader::on_body_impl(Text bytes, error_code& ec) {
  return on_chunk_body_impl(0, bytes, ec);
}

void RequestReader::on_chunk_header_impl(std::uint64_t size, Text /*extensions*/, error_code& ec) {
  if (size > limits_.body_size || into_.body.size() + size > limits_.body_size) {
    refuse({.status = 413,
            .code = "body_too_large",
            .message = fmt::format("the body of the request is larger than {}",
                                   bytes_text(static_cast<std::int64_t>(limits_.body_size))),
            .hint = "`max_body_size` sets the limit"},
           ec);
  }
}

std::size_t RequestReader::on_chunk_body_impl(std::uint64_t /*left*/, Text bytes,
                                              error_code& /*ec*/) {
  into_.body.append(bytes.data(), bytes.size());
  return bytes.size();
}

}  // namespace millrace::http
