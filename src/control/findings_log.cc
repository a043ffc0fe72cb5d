#include "control/findings_log.h"

#include <fmt/format.h>

#include <utility>

namespace millrace::control {

std::vector<FindingsLog::Line> FindingsLog::lines(const std::vector<Finding>& found) {
  std::vector<Line> lines;
  std::map<std::string, std::string> titles;
  lines.reserve(found.size() + titles_.size());
  for (const auto& finding : found) {
    if (!titles_.contains(finding.about)) {
      lines.push_back(
          {finding.severity == Finding::Severity::info ? LogLevel::info : LogLevel::warn,
           fmt::format("{}: {}", finding.title, finding.detail)});
    }
    titles[finding.about] = finding.title;
  }
  for (const auto& [about, title] : titles_) {
    if (!titles.contains(about)) {
      lines.push_back({LogLevel::info, fmt::format("No more: {}", title)});
    }
  }
  titles_ = std::move(titles);
  return lines;
}

}  // namespace millrace::control
