// Bytes into one request, by Beast's parser, and stricter: where servers and proxies may read a
// message differently, it is refused (RFC 9112, sections 2.2, 5.1, 6.1 and 11.2).
#pragma once

#include "http/internal/asio.h"
// Behind it:
#include <boost/beast/http/basic_parser.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "http/message.h"
#include "http/problem.h"

namespace millrace::http {

struct RequestLimits {
  std::size_t head_size;
  std::size_t target_size;
  std::size_t headers;
  std::size_t body_size;
};

/// Reads one request: first its head, then, when that was found good, its body.
class RequestReader final : private boost::beast::http::basic_parser<true> {
 public:
  enum class State : unsigned char { needs_more, head_is_read, is_read, failed };

  RequestReader(const RequestLimits& limits, Request& into);

  /// Takes bytes; says how many it used. What is left is to be given again, with more behind it.
  State read(std::string_view bytes, std::size_t& used);
  /// What is wrong, if it failed; the connection cannot go on.
  [[nodiscard]] const Problem& problem() const noexcept { return *problem_; }

  // Of the head:
  [[nodiscard]] bool keeps_alive() const noexcept { return is_header_done() && keep_alive(); }
  [[nodiscard]] bool is_http_1_1() const noexcept { return version_ == 11; }
  [[nodiscard]] bool has_body() const noexcept { return !is_done(); }
  [[nodiscard]] bool expects_continue() const noexcept { return expects_continue_; }
  [[nodiscard]] bool began() const noexcept { return got_some(); }

 private:
  using Text = boost::beast::string_view;
  using Field = boost::beast::http::field;
  using Verb = boost::beast::http::verb;

  void on_request_impl(Verb verb, Text method, Text target, int version, error_code& ec) override;
  void on_response_impl(int, Text, int, error_code&) override {}
  void on_field_impl(Field field, Text name, Text value, error_code& ec) override;
  void on_header_impl(error_code& ec) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code& ec) override;
  std::size_t on_body_impl(Text bytes, error_code& ec) override;
  void on_chunk_header_impl(std::uint64_t size, Text extensions, error_code& ec) override;
  std::size_t on_chunk_body_impl(std::uint64_t left, Text bytes, error_code& ec) override;
  void on_finish_impl(error_code&) override {}

  void check_framing(Field field, std::string_view value, error_code& ec);
  void refuse(Problem problem, error_code& ec);
  void explain(const error_code& error);

  RequestLimits limits_;
  Request& into_;
  std::optional<Problem> problem_;
  std::string_view bytes_;    ///< that are being read
  std::uint64_t length_ = 0;  ///< by Content-Length
  int version_ = 0;
  int hosts_ = 0;
  bool head_read_ = false;
  bool has_length_ = false;
  bool has_coding_ = false;
  bool expects_continue_ = false;
};

}  // namespace millrace::http
