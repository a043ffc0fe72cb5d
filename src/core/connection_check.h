// Trying, before a run, whether the systems outside are as a pipeline needs them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/sink.h"
#include "core/source.h"

namespace millrace {

/// What is wrong with a system, or may go wrong later. Each is one sentence without a full stop,
/// and the way out.
class Findings {
 public:
  struct Finding {
    bool is_error = false;
    std::string message;
    std::string hint;
  };

  void error(std::string message, std::string hint = "") {
    all_.push_back({true, std::move(message), std::move(hint)});
  }
  void warning(std::string message, std::string hint = "") {
    all_.push_back({false, std::move(message), std::move(hint)});
  }
  [[nodiscard]] const std::vector<Finding>& all() const noexcept { return all_; }

 private:
  std::vector<Finding> all_;
};

/// Where a source is, as of the last commit: what to open it with, and to advance it past.
struct SourcePlace {
  std::optional<Json> position;
  std::vector<Json> slices;
};

/// Beside Source, of one that can say more of its system than that schema() works.
class CheckedSource {
 public:
  virtual ~CheckedSource() = default;
  /// What is asked, for people: "orders in shop on db.example.com:3306".
  [[nodiscard]] virtual std::string target() const = 0;
  /// In place of open(): looks at the system and leaves it as it is; the source is used for nothing
  /// else afterwards. Throws Error if what is wrong lets nothing else be seen.
  virtual void check_connection(const SourcePlace& place, Findings& findings) = 0;
};

/// Beside Sink, of one whose system can be tried without writing.
class CheckedSink {
 public:
  virtual ~CheckedSink() = default;
  [[nodiscard]] virtual std::string target() const = 0;
  /// In place of open(), as CheckedSource's. `start`: as open() would get it; nullptr: the columns
  /// are not known, as something is wrong with what gives them.
  virtual void check_connection(const SinkStart* start, Findings& findings) = 0;
};

}  // namespace millrace
