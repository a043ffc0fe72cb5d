// Answers that say what is wrong: {"code": "not_found", "message": "...", "hint": "..."}.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace millrace::http {

/// What is wrong with a request, or with us, for the one who asked.
struct Problem {
  int status = 500;
  std::string code;                  ///< for programs: "not_found"
  std::string message;               ///< one sentence, no trailing full stop
  std::string hint = {};             ///< the way out; may be empty
  std::vector<Header> headers = {};  ///< such as Retry-After
};

/// The answer to a problem: application/json.
[[nodiscard]] Response problem_response(const Problem& problem);

/// Makes the answers of the server's own problems, in place of problem_response(): such as one in
/// an envelope, or with another status. The problem's headers are put in by who asks. Called by all
/// threads of the server.
using ProblemShaper = std::function<Response(const Problem&)>;

/// What `shape` makes of a problem, with its headers where they are not there.
[[nodiscard]] Response shaped(const ProblemShaper& shape, const Problem& problem);

/// "Not Found"; "Unknown" for a status without a name.
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

}  // namespace millrace::http
