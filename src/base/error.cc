#include "base/error.h"

#include <algorithm>
#include <ranges>
#include <tuple>

namespace millrace {

std::string Location::text() const {
  std::string result = file;
  if (line > 0) {
    result += (result.empty() ? "" : ":") + std::to_string(line);
    if (column > 0) {
      result += ":" + std::to_string(column);
    }
  }
  return result;
}

std::string Diagnostic::text() const {
  std::string result = at.text();
  if (!result.empty()) {
    result += ": ";
  }
  result += severity == Severity::error ? "error: " : "warning: ";
  result += message;
  if (!hint.empty()) {
    result += "; " + hint;
  }
  return result;
}

void Diagnostics::error(Location at, std::string message, std::string hint) {
  add({Diagnostic::Severity::error, std::move(at), std::move(message), std::move(hint)});
}

void Diagnostics::warning(Location at, std::string message, std::string hint) {
  add({Diagnostic::Severity::warning, std::move(at), std::move(message), std::move(hint)});
}

void Diagnostics::add(Diagnostic diagnostic) {
  if (std::ranges::find(all_, diagnostic) != all_.end()) {
    return;
  }
  if (diagnostic.severity == Diagnostic::Severity::error) {
    ++errors_;
  }
  all_.push_back(std::move(diagnostic));
}

void Diagnostics::sort() {
  std::vector<std::string> files;
  for (const Diagnostic& diagnostic : all_) {
    if (std::ranges::find(files, diagnostic.at.file) == files.end()) {
      files.push_back(diagnostic.at.file);
    }
  }
  std::ranges::stable_sort(all_, {}, [&](const Diagnostic& diagnostic) {
    return std::tuple(std::ranges::find(files, diagnostic.at.file) - files.begin(),
                      diagnostic.at.line, diagnostic.at.column);
  });
}

std::string Diagnostics::text() const {
  std::string result;
  for (const Diagnostic& diagnostic : all_) {
    result += diagnostic.text() + "\n";
  }
  return result;
}

}  // namespace millrace
