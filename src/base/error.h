// The two kinds of trouble: an Error ends an attempt, a Diagnostic describes a mistake in a file.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// A place in a file that a person wrote. Lines and columns count from 1; 0 means unknown.
struct Location {
  std::string file;
  int line = 0;
  int column = 0;

  /// "pipeline.yaml:14:7", or without what is unknown.
  [[nodiscard]] std::string text() const;
  bool operator==(const Location&) const = default;
};

/// Who has to act on an error. The CLI maps it to its exit code, the API to an HTTP status.
enum class Blame : std::uint8_t {
  user,      ///< a mistake in the pipeline, its SQL or the command line
  external,  ///< a system outside: a file that is gone, a full disk, a server that is down
  internal,  ///< a bug in millrace
};

/// Whether the same attempt may succeed later without anybody acting.
enum class Retry : std::uint8_t { no, yes };

/// Ends the current attempt of a pipeline or command. Thrown anywhere, caught only by the batch
/// loop, main() and threads' outermost frames. What merely happens, such as the end of input or a
/// row that does not parse, is a value and never an Error.
class Error : public std::runtime_error {
 public:
  Error(Blame blame, const std::string& text, Retry retry = Retry::no)
      : std::runtime_error(text), blame_(blame), retry_(retry) {}

  [[nodiscard]] Blame blame() const noexcept { return blame_; }
  [[nodiscard]] Retry retry() const noexcept { return retry_; }

 private:
  Blame blame_;
  Retry retry_;
};

/// Thrown by a wait for a system outside that was given up because a stop was requested. Nothing is
/// wrong: the next start repeats what was under way. Caught where the stop came from.
class Stopped final : public Error {
 public:
  Stopped() : Error(Blame::external, "stopped while waiting") {}
};

/// A mistake somebody made in a file, with the way out.
struct Diagnostic {
  enum class Severity : std::uint8_t { error, warning };
  Severity severity = Severity::error;
  Location at;
  std::string message;  ///< one sentence, no trailing full stop
  std::string hint;     ///< the way out, e.g. "did you mean `topic`?"; may be empty

  /// "pipeline.yaml:14:7: error: message; hint"
  [[nodiscard]] std::string text() const;
  bool operator==(const Diagnostic&) const = default;
};

/// All mistakes found so far, so that a person sees every one of them at once. What is reported
/// twice, word for word, is kept once: the same connection may be checked for each of its users.
class Diagnostics {
 public:
  void error(Location at, std::string message, std::string hint = "");
  void warning(Location at, std::string message, std::string hint = "");
  [[nodiscard]] bool has_errors() const noexcept { return errors_ > 0; }
  [[nodiscard]] std::size_t error_count() const noexcept { return errors_; }
  [[nodiscard]] const std::vector<Diagnostic>& all() const noexcept { return all_; }
  /// Puts them in the order of their places, file by file as the files first appeared.
  void sort();
  /// One line each.
  [[nodiscard]] std::string text() const;

 private:
  void add(Diagnostic diagnostic);

  std::vector<Diagnostic> all_;
  std::size_t errors_ = 0;
};

}  // namespace millrace
