// An answer, or why there is none.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "spec/serve.h"

namespace millrace::serve {

/// An answer, without what differs for each who gets it.
struct Answer {
  int status = 200;
  std::shared_ptr<const std::string> body;  // shared with all responses that are under way
  std::string etag;                         ///< with its quotes; empty: none
  std::int64_t rows = 0;
  bool is_truncated = false;
};

/// Why there is no result, with what the file or the request adds to the usual message.
struct Refused {
  Fault fault = Fault::internal;
  std::string message;  ///< empty: that of the endpoint
  std::string hint;
};

using Outcome = std::expected<std::shared_ptr<const Answer>, Refused>;

}  // namespace millrace::serve
