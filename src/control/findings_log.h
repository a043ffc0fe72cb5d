// Findings for the log: each once, in the words that the web UI has for it, and when it is over.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/log.h"
#include "control/findings.h"

namespace millrace::control {

/// Remembers what was found of one pipeline. One thread at a time.
class FindingsLog {
 public:
  struct Line {
    LogLevel level;
    std::string text;
  };
  /// What is to be logged of what is found now.
  [[nodiscard]] std::vector<Line> lines(const std::vector<Finding>& found);

 private:
  std::map<std::string, std::string> titles_;  ///< of what was found the last time
};

}  // namespace millrace::control
