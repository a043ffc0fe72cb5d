#include "runtime/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/log.h"
#include "base/strings.h"

namespace millrace {
namespace {

void log_reload(const ReloadResult& result, bool with_mistakes) {
  for (const auto& note : result.notes) {
    Log().info("{}", note);
  }
  for (const auto& entry : result.entries) {
    const auto log = Log().with("pipeline", entry.pipeline);
    if (entry.what == Reloaded::unchanged) {
      continue;
    }
    if (entry.what != Reloaded::refused) {
      log.info("{}: {}", entry.file, reloaded_word(entry.what));
      continue;
    }
    log.error("{}: refused, it has {}", entry.file,
              human_count(static_cast<std::int64_t>(entry.diagnostics.error_count()), "mistake"));
    for (const auto& diagnostic : entry.diagnostics.all()) {
      if (with_mistakes && diagnostic.severity == Diagnostic::Severity::error) {
        log.error("{}", diagnostic.text());
      }
    }
  }
}

}  // namespace

std::string states_text(const std::vector<std::shared_ptr<PipelineHost>>& hosts) {
  constexpr std::array kOrder{RunState::failed, RunState::running, RunState::starting,
                              RunState::paused, RunState::stopped};
  std::map<RunState, std::vector<std::string>> names;
  for (const auto& host : hosts) {
    names[host->status().state].push_back(host->name());
  }
  std::vector<std::string> parts;
  for (const auto state : kOrder) {
    if (const auto found = names.find(state); found != names.end()) {
      const bool is_named = state == RunState::failed || state == RunState::stopped;
      parts.push_back(fmt::format("{} {}{}", found->second.size(), run_state_word(state),
                                  is_named ? " (" + join(found->second, ", ") + ")" : ""));
    }
  }
  return parts.empty() ? "no pipelines" : join(parts, ", ");
}

void Service::start() {
  const auto result = fleet_.reload();
  log_reload(result, false);  // each pipeline tells of its own mistakes
  if (result.entries.empty()) {
    Log().warn("there is no pipeline in the folder; put some there, and reload");
  } else {
    Log().info("ready: {}", result.text());
  }
  manager_.ready(states_text(fleet_.hosts()));
  reloader_ = std::jthread([this](const std::stop_token& stop) { obey(stop); });
  herald_ = std::jthread([this](const std::stop_token& stop) { herald(stop); });
}

ReloadResult Service::reload(const std::string& by) {
  Log().info("reloading, by {}", by);
  manager_.reloading();
  try {
    auto result = fleet_.reload();
    log_reload(result, true);
    Log().info("reloaded: {}", result.text());
    manager_.ready(states_text(fleet_.hosts()));
    return result;
  } catch (...) {
    manager_.ready(states_text(fleet_.hosts()));  // as before
    throw;
  }
}

void ReloadWish::want() {
  {
    const std::lock_guard guard(lock_);
    is_wanted_ = true;
  }
  changed_.notify_all();
}

bool ReloadWish::wait(const std::stop_token& stop) {
  std::unique_lock guard(lock_);
  const bool is_wanted = changed_.wait(guard, stop, [this] { return is_wanted_; });
  is_wanted_ = false;
  return is_wanted;
}

void Service::obey(const std::stop_token& stop) {
  while (wish_.wait(stop)) {
    try {
      (void)reload("a signal");
    } catch (const std::exception& error) {
      Log().error("nothing was reloaded: {}", error.what());
    }
  }
}

/// Tells the manager what is new, and gives signs of life: that every pipeline can be asked how it
/// is shows that no lock is held for ever.
void Service::herald(const std::stop_token& stop) const {
  using std::chrono::microseconds;
  const auto watchdog = manager_.watchdog();
  const auto pause = std::min<microseconds>(std::chrono::seconds(1),
                                            watchdog.value_or(std::chrono::minutes(1)) / 3);
  std::string told;
  std::mutex lock;
  std::unique_lock guard(lock);
  std::condition_variable_any stopped;
  while (!stop.stop_requested()) {
    if (auto text = states_text(fleet_.hosts()); text != told) {
      manager_.status(text);
      told = std::move(text);
    }
    if (watchdog) {
      manager_.alive();
    }
    stopped.wait_for(guard, stop, pause, [] { return false; });
  }
}

std::vector<std::string> Service::stop(std::chrono::milliseconds timeout, const std::string& by) {
  manager_.stopping("stopping the pipelines");
  auto late = fleet_.stop(timeout, by);
  herald_.request_stop();
  reloader_.request_stop();
  return late;
}

}  // namespace millrace
