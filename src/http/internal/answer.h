// An answer as it goes over the wire.
#pragma once

#include <string>
#include <string_view>

#include "http/internal/core.h"
#include "http/message.h"

namespace millrace::http {

/// What the request says of the form of its answer.
struct AnswerForm {
  bool is_http_1_1 = true;
  bool is_head = false;  ///< of a HEAD request
  bool closes = false;   ///< the connection ends with it
};

/// Compresses the body if that is wanted and worth it. Any thread; `is_server_thread`: it has
/// others to serve, and leaves bodies that would take long as they are.
void compress(Core& core, Response& response, bool accepts_gzip, bool is_server_thread);

/// Whether it can be sent; the log says what is wrong.
[[nodiscard]] bool is_sound(const Response& response);

/// Appends the head. `date` is the value of Date; `origin` of Origin.
void append_head(const Core& core, const Response& response, const AnswerForm& form,
                 std::string_view date, std::string_view origin, std::string& to);

/// Whether the answer has a body at all: those of HEAD, 204 and 304 have none.
[[nodiscard]] bool has_body(const Response& response, const AnswerForm& form) noexcept;

}  // namespace millrace::http
