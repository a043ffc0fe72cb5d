// millrace ps, pause, resume, trigger, stop, logs: what runs, and what it should do.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/remote.h"
#include "cli/table.h"
#include "runtime/signals.h"

namespace millrace::cli {
namespace {

struct Options {
  RemoteOptions remote;
  bool json = false;
  bool follow = false;
  std::string level;
  std::int64_t limit = 100;
};

std::string ago(std::int64_t since_ms, std::int64_t now_ms) {
  return human_duration(std::chrono::milliseconds(std::max<std::int64_t>(now_ms - since_ms, 0)));
}

void ps(const Options& options) {
  const auto all = running_pipelines(options.remote.url);
  if (options.json) {
    Json json = Json::array();
    for (const auto& each : all) {
      auto one = each.summary;
      one["pid"] = each.pid;
      one["url"] = each.remote->url();
      json.push_back(std::move(one));
    }
    fmt::print("{}\n", json.dump(2));
    return;
  }
  if (all.empty()) {
    fmt::print("no pipeline runs here\n");
    return;
  }
  std::vector<std::vector<std::optional<std::string>>> rows;
  rows.reserve(all.size());
  for (const auto& each : all) {
    const auto& s = each.summary;
    const auto now = each.remote->get("/process").value("now", std::int64_t{0});
    const auto& progress = s.at("progress");
    rows.push_back({s.value("id", ""), s.value("state", ""),
                    ago(s.value("state_since", std::int64_t{0}), now),
                    std::to_string(s.value("batch", std::int64_t{-1})),
                    progress.empty() ? "" : std::to_string(progress.back().value("lag_rows", 0LL)),
                    std::to_string(s.value("quarantine_open", std::int64_t{0})),
                    std::to_string(each.pid), each.remote->url()});
  }
  print_table({{{"pipeline", "VARCHAR", Physical::string},
                {"state", "VARCHAR", Physical::string},
                {"for", "VARCHAR", Physical::string},
                {"batch", "BIGINT", Physical::i64},
                {"behind", "BIGINT", Physical::i64},
                {"quarantined", "BIGINT", Physical::i64},
                {"pid", "BIGINT", Physical::i64},
                {"control", "VARCHAR", Physical::string}}},
              rows);
}

void steer(const Options& options, const std::string& action) {
  auto running = find_running(options.remote);
  const auto id = running.summary.value("id", "");
  const auto answer =
      running.remote->post(fmt::format("/pipelines/{}/control", id), {{"action", action}});
  const auto requested = answer.value("requested", "");
  fmt::print("{}: {}{}{}\n", id, answer.value("state", ""),
             requested.empty() ? "" : ", about to be ", requested);
}

void print_event(const Json& event) {
  const auto at = event.value("at", std::int64_t{0});
  fmt::print(
      "{:%Y-%m-%d %H:%M:%S}.{:03} {:5} {} {}{}\n", fmt::gmtime(static_cast<std::time_t>(at / 1000)),
      at % 1000, event.value("level", ""), event.value("pipeline", ""),
      event.contains("batch") ? fmt::format("batch {}: ", event.at("batch").get<std::int64_t>())
                              : "",
      event.value("text", ""));
}

void logs(const Options& options) {
  const SignalStop signals;
  auto running = find_running(options.remote);
  const auto path =
      fmt::format("/events?pipeline={}&level={}", running.summary.value("id", ""), options.level);
  std::int64_t last = 0;
  auto events = running.remote->get(fmt::format("{}&limit={}", path, options.limit));
  std::mutex lock;
  std::unique_lock guard(lock);
  std::condition_variable_any never;
  while (true) {
    for (auto event = events.rbegin(); event != events.rend(); ++event) {
      print_event(*event);
      last = event->value("id", std::int64_t{0});
    }
    std::fflush(stdout);
    constexpr auto kPause = std::chrono::milliseconds(300);
    const auto stop = signals.token();
    if (!options.follow ||
        never.wait_for(guard, stop, kPause, [&] { return stop.stop_requested(); })) {
      return;
    }
    events = running.remote->get(fmt::format("{}&limit=1000&after={}", path, last));
  }
}

void add_where(CLI::App& command, const std::shared_ptr<Options>& options, bool with_pipeline) {
  if (with_pipeline) {
    command.add_option("PIPELINE", options->remote.pipeline,
                       "Its name; not needed if only one runs");
  }
  command.add_option("--url", options->remote.url,
                     "The control API of its process; default: those of this machine are found");
}

}  // namespace

void add_remote_commands(CLI::App& app) {
  auto of_ps = std::make_shared<Options>();
  auto* listing = app.add_subcommand("ps", "What runs on this machine");
  add_where(*listing, of_ps, false);
  listing->add_flag("--json", of_ps->json, "As JSON");
  listing->callback([of_ps] { ps(*of_ps); });
  constexpr std::array<std::pair<const char*, const char*>, 6> kActions = {
      {{"pause", "Let no further batch begin"},
       {"resume", "Let batches begin again"},
       {"trigger", "Run a batch now, also while it is paused"},
       {"stop", "Let the running batch finish, and end"},
       {"retry", "Try what has failed again, now"},
       {"savepoint", "Write all states to a snapshot, now"}}};
  for (const auto& [name, help] : kActions) {
    auto options = std::make_shared<Options>();
    auto* command = app.add_subcommand(name, fmt::format("{} (a pipeline that runs)", help));
    add_where(*command, options, true);
    command->callback([options, action = std::string(name)] { steer(*options, action); });
  }
  auto of_logs = std::make_shared<Options>();
  auto* showing = app.add_subcommand("logs", "What happened to a pipeline that runs");
  add_where(*showing, of_logs, true);
  showing->add_flag("-f,--follow", of_logs->follow, "Go on until Ctrl-C");
  showing->add_option("--level", of_logs->level, "This and above: info, warn, error")
      ->check(CLI::IsMember({"info", "warn", "error"}));
  showing->add_option("--limit", of_logs->limit, "At most so many to begin with")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000}))
      ->capture_default_str();
  showing->callback([of_logs] { logs(*of_logs); });
}

}  // namespace millrace::cli
