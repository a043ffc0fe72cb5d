#include "cli/command.h"

#include <fmt/format.h>

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

void print_diagnostics(const Diagnostics& diagnostics, const std::string& consequence) {
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
