// millrace daemon: all pipelines of a folder in one process, until it is told to stop.
#include <fmt/format.h>

#include <condition_variable>
#include <csignal>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/history_flags.h"
#include "cli/log_options.h"
#include "control/operations.h"
#include "control/server.h"
#include "runtime/fleet.h"
#include "runtime/host_log.h"
#include "runtime/service.h"
#include "runtime/signals.h"

namespace millrace::cli {
namespace {

struct DaemonOptions {
  std::string folder;
  std::chrono::milliseconds stop_timeout{60'000};
  Share all;
  std::string control;  ///< an address; empty: the default
  bool no_control = false;
  HistoryFlags history;
};

Share share_of(const DaemonOptions& options) {
  const auto usual = usual_share(this_machine());
  return {
      .threads = options.all.threads > 0 ? options.all.threads : usual.threads,
      .memory_bytes = options.all.memory_bytes > 0 ? options.all.memory_bytes : usual.memory_bytes};
}

/// Serves the control API. nullptr: it cannot, and nobody has asked for it.
std::unique_ptr<control::ControlServer> serve_control(const DaemonOptions& options,
                                                      const ControlSpec& wanted,
                                                      control::Control& control, Metrics& metrics) {
  try {
    auto serves = std::make_unique<control::ControlServer>(control, wanted, metrics);
    serves->announce(absolute_path(options.folder), {});
    Log().info("control at {}", serves->url());
    return serves;
  } catch (const Error& error) {
    if (wanted.has_address || error.blame() == Blame::user) {
      throw;
    }
    Log().warn("no control server: {}", error.what());
    return nullptr;
  }
}

void wait_for(const std::stop_token& stop) {
  std::mutex lock;
  std::unique_lock guard(lock);
  std::condition_variable_any().wait(guard, stop, [] { return false; });
}

void run(const DaemonOptions& options, Context& context) {
  // Before all threads, which inherit what is blocked.
  ReloadWish wish;
  SignalStop signals([&wish] { wish.want(); });
  (void)std::signal(SIGPIPE, SIG_IGN);  // who has gone away is told of by an error of write()
  const auto clock = make_clock();
  const auto all = share_of(options);
  auto wanted = load_control_of(options.folder);
  wanted.listen_at(options.control);
  control::Operations operations(context.connectors, *clock, MILLRACE_VERSION);
  control::Control control({.name = absolute_path(options.folder), .version = MILLRACE_VERSION},
                           *clock);
  operations.join(control);
  Fleet fleet({.folder = options.folder, .all = all}, context.connectors, *clock);
  fleet.watch_with([](const auto& host, const auto&) { return std::make_shared<HostLog>(*host); });
  fleet.watch_with([&](const auto& host, const auto&) { return operations.watch(*host); });
  if (!options.no_control) {
    fleet.watch_with([&](const auto& host, const std::string& file) {
      return control.add(host, options.history.over(load_history(file, wanted.history)));
    });
    fleet.on_gone([&](const std::string& name) { control.forget(name); });
  }
  const ServiceManager manager;
  Service service(fleet, manager, wish);
  control.give_reload([&](const std::string& by) { return service.reload(by).json(); });
  Log().info("millrace {} runs the pipelines of {}; together they may have {} of memory and {}",
             MILLRACE_VERSION, options.folder, human_bytes(all.memory_bytes),
             human_count(all.threads, "core"));
  service.start();
  const auto server =
      options.no_control ? nullptr : serve_control(options, wanted, control, operations.metrics());
  wait_for(signals.token());
  Log().info("stopping, on {}, within {}", signals.signal() == SIGINT ? "SIGINT" : "SIGTERM",
             duration_text(options.stop_timeout));
  if (const auto late = service.stop(options.stop_timeout, "a signal"); !late.empty()) {
    Log().error("{} did not end within {}; what they were at runs again at the next start",
                join(late, ", "), duration_text(options.stop_timeout));
    std::_Exit(kUnfinished);
  }
  Log().info("stopped");
}

std::string check_duration(const std::string& text) {
  return parse_duration(text) ? std::string() : "is no duration, such as 60s";
}

std::string check_bytes(const std::string& text) {
  return parse_bytes(text).value_or(0) > 0 ? std::string() : "is no size, such as 8GiB";
}

}  // namespace

void add_daemon_command(CLI::App& app, Context& context) {
  auto options = std::make_shared<DaemonOptions>();
  auto* command =
      app.add_subcommand("daemon", "Run all pipelines of a folder, as a service, until SIGTERM");
  command
      ->add_option("DIR", options->folder,
                   "The folder: each *.yaml or *.yml in it with a `pipeline:` is one")
      ->required();
  command
      ->add_option_function<std::string>(
          "--stop-timeout",
          [options](const std::string& text) { options->stop_timeout = *parse_duration(text); },
          "How long batches under way may take when it stops; then it ends anyway, with exit code "
          "4; default: 60s")
      ->check(check_duration)
      ->option_text("DURATION");
  command
      ->add_option("--threads", options->all.threads,
                   "Threads for the SQL of all pipelines; default: all cores. As pipelines rest "
                   "between batches, each gets 1/n of twice as many, or its own `threads`")
      ->check(CLI::Range(1, 1024));
  command
      ->add_option_function<std::string>(
          "--memory-limit",
          [options](const std::string& text) { options->all.memory_bytes = *parse_bytes(text); },
          "Memory of all pipelines; default: four fifths of what the machine, or the control "
          "group, "
          "has. Each gets its own `memory_limit`, or 1/n of what is left")
      ->check(check_bytes)
      ->option_text("SIZE");
  auto* address = command->add_option(
      "--control", options->control,
      "Where the control API listens; default: 127.0.0.1:8420, or the next free port; port 0: any");
  address->option_text("ADDRESS");
  add_history_options(*command, options->history);
  command->add_flag("--no-control", options->no_control, "No control API")->excludes(address);
  add_log_options(*command);
  command->footer(
      "A pipeline that has mistakes, or fails, is its own trouble: the others run. One that lost "
      "a\n"
      "system outside is tried again, at first after a second, at last once a minute.\n\n"
      "SIGHUP, and `millrace reload`, reload the folder: new files start, removed ones\n"
      "stop (their checkpoints stay), changed ones start anew, if they have no mistakes; else what "
      "ran\n"
      "before runs on. SIGTERM and Ctrl-C stop all of them cleanly; a second signal ends at "
      "once.\n\n"
      "Examples:\n  millrace daemon /var/lib/millrace/pipelines\n"
      "  millrace daemon pipelines --log-format json --memory-limit 8GiB\n"
      "  millrace reload");
  command->callback([options, &context] { run(*options, context); });
}

}  // namespace millrace::cli
