// millrace reload: has a daemon read its folder again.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/remote.h"
#include "control/registry.h"

namespace millrace::cli {
namespace {

/// Where the only daemon of this machine is.
std::string url_of_daemon() {
  std::vector<std::string> urls;
  for (const auto& process : control::registered()) {
    if (process.name.contains('/')) {  // a folder: it is none of `millrace run`
      urls.push_back(process.url);
    }
  }
  if (urls.size() != 1) {
    throw Error(Blame::user,
                urls.empty() ? "no `millrace daemon` of this user runs here; say with --url "
                               "where it is, or send it SIGHUP"
                             : fmt::format("several daemons run here; say with --url which one: {}",
                                           alternatives(urls)));
  }
  return urls.front();
}

void reload(const std::string& url, bool as_json, Context& context) {
  Remote remote(url.empty() ? url_of_daemon() : url, std::chrono::hours(1));
  const auto result = remote.post("/reload", Json::object());
  const auto& refused = result.at("refused");
  if (!refused.empty()) {
    context.exit_code = kMistake;
  }
  if (as_json) {
    fmt::print("{}\n", result.dump(2));
    return;
  }
  for (const auto* what : {"started", "restarted", "taken", "stopped", "unchanged"}) {
    const auto names = result.at(what).get<std::vector<std::string>>();
    if (!names.empty()) {
      fmt::print("{}: {}\n", what, join(names, ", "));
    }
  }
  for (const auto& one : refused) {
    fmt::print("refused: {} ({})\n", one.value("pipeline", ""), one.value("file", ""));
    for (const auto& mistake : one.at("mistakes")) {
      fmt::print("  {}\n", mistake.get<std::string>());
    }
  }
  for (const auto& note : result.at("notes")) {
    fmt::print("note: {}\n", note.get<std::string>());
  }
}

}  // namespace

void add_reload_command(CLI::App& app, Context& context) {
  struct Options {
    std::string url;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand(
      "reload", "Have a daemon read its folder again: start, stop and change pipelines");
  command
      ->add_option("--url", options->url,
                   "The control API of the daemon; default: that of the only one of this machine")
      ->option_text("URL");
  command->add_flag("--json", options->json, "The result as JSON");
  command->footer(
      "Prints what became of each pipeline. Exit code 2: some have mistakes, and what ran before\n"
      "runs on. The token of the control API, if it wants one, is taken from MILLRACE_TOKEN.\n\n"
      "Examples:\n  millrace reload\n  millrace reload --url http://127.0.0.1:8420 --json");
  command->callback([options, &context] { reload(options->url, options->json, context); });
}

}  // namespace millrace::cli
