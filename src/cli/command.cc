#include "cli/command.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"

namespace millrace::cli {

ExitCode exit_code_of(const Error& error) noexcept {
  switch (error.blame()) {
    case Blame::user:
      return kMistake;
    case Blame::external:
      return kExternal;
    case Blame::internal:
      return kInternal;
  }
  return kInternal;
}

void print_error(const Error& error) {
  if (log_format() == LogFormat::json) {
    Log().error("{}", error.what());
  } else {
    fmt::print(stderr, "error: {}\n", error.what());
  }
}

void print_diagnostics(const Diagnostics& diagnostics, const std::string& consequence) {
  if (log_format() == LogFormat::json) {
    for (const auto& diagnostic : diagnostics.all()) {
      const bool is_error = diagnostic.severity == Diagnostic::Severity::error;
      write_log(is_error ? LogLevel::error : LogLevel::warn, {}, diagnostic.text());
    }
    return;
  }
  for (const auto& diagnostic : diagnostics.all()) {
    fmt::print(stderr, "{}\n", diagnostic.text());
  }
  if (diagnostics.has_errors()) {
    const auto count = static_cast<std::int64_t>(diagnostics.error_count());
    fmt::print(stderr, "{}; {}\n", human_count(count, "error"), consequence);
  }
}

std::optional<PipelineSpec> load_or_report(const std::string& file, Context& context) {
  Diagnostics diagnostics;
  auto spec = load_pipeline(file, context.connectors, diagnostics);
  if (!spec || diagnostics.has_errors()) {
    print_diagnostics(diagnostics, "nothing was started.");
    context.exit_code = kMistake;
    return std::nullopt;
  }
  print_diagnostics(diagnostics, "");
  return spec;
}

}  // namespace millrace::cli
