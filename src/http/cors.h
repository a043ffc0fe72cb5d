// Pages of other origins, in browsers: https://fetch.spec.whatwg.org, section 3.2.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace millrace::http {

/// Which origins may ask. Const calls come from all threads.
class Cors {
 public:
  Cors(const std::vector<std::string>& origins, bool credentials);

  [[nodiscard]] bool is_on() const noexcept { return any_ || !origins_.empty(); }
  [[nodiscard]] bool allows(std::string_view origin) const noexcept;
  /// Whether the request comes from a page of another origin that is not allowed, and would change
  /// something: browsers send some of these without asking first.
  [[nodiscard]] bool forbids(const Request& request) const noexcept;
  /// Whether it is the question of a browser that comes before a request.
  [[nodiscard]] static bool is_preflight(const Request& request) noexcept;
  [[nodiscard]] Response preflight(const Request& request) const;
  /// The headers of an answer to this origin (empty: there is none), each with its line end.
  void append_headers(std::string_view origin, std::string& to) const;

 private:
  std::vector<std::string> origins_;
  bool any_ = false;
  bool credentials_;
};

}  // namespace millrace::http
