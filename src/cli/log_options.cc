#include "cli/log_options.h"

#include <map>
#include <string>

#include "base/log.h"

namespace millrace::cli {

void add_log_options(CLI::App& command) {
  const std::map<std::string, LogFormat> formats{{"text", LogFormat::text},
                                                 {"json", LogFormat::json}};
  command
      .add_option_function<LogFormat>(
          "--log-format", [](const LogFormat& format) { set_log_format(format); },
          "How log lines on stderr look: text, or json (an object a line, with time, level, "
          "pipeline and message); default: text")
      ->transform(CLI::CheckedTransformer(formats, CLI::ignore_case))
      ->option_text("FORMAT");
  const std::map<std::string, LogLevel> levels{{"debug", LogLevel::debug},
                                               {"info", LogLevel::info},
                                               {"warn", LogLevel::warn},
                                               {"error", LogLevel::error},
                                               {"off", LogLevel::off}};
  command
      .add_option_function<LogLevel>(
          "--log-level", [](const LogLevel& level) { set_log_level(level); },
          "What is logged: debug, info, warn, error or off; default: info")
      ->transform(CLI::CheckedTransformer(levels, CLI::ignore_case))
      ->option_text("LEVEL");
}

}  // namespace millrace::cli
