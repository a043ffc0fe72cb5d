#include "control/control.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "control/api.h"
#include "control/queries.h"
#include "control/webui.h"

namespace millrace::control {
namespace {

constexpr std::size_t kJobsMax = 256;

}  // namespace

Control::Control(Options options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      stream_(std::make_unique<Stream>(options_.stream,
                                       fmt::format("{:x}{:x}", clock.now_us(), ::getpid()))),
      events_(std::make_unique<Events>(clock, options_.events_max,
                                       [this](const auto& event) { on_event(event); })),
      figures_(options_.name, options_.version),
      jobs_(std::make_unique<Jobs>(options_.threads, kJobsMax)),
      queries_(std::make_unique<Queries>(Queries::Limits())),
      log_tap_(tap_log([this](const LogLine& line) { on_log(line); })),
      ticker_([this](const std::stop_token& stop) { tick(stop); }) {
  add_routes(router_, *this);
  add_webui(router_);
}

Control::~Control() {
  ticker_.request_stop();
  ticker_.join();
  log_tap_.reset();
}

Watched& Control::add(PipelineHost& host, const HistoryOptions& history) {
  auto watched = std::make_shared<Watched>(host, history, Shared{*events_, *stream_});
  const std::lock_guard guard(lock_);
  watched_.push_back(std::move(watched));
  return *watched_.back();
}

std::shared_ptr<Watched> Control::add(const std::shared_ptr<PipelineHost>& host,
                                      const HistoryOptions& history) {
  auto watched = std::make_shared<Watched>(*host, history, Shared{*events_, *stream_});
  const std::lock_guard guard(lock_);
  watched_.emplace_back(host, watched.get());  // the host's owner keeps both
  return watched;
}

void Control::forget(std::string_view name) {
  std::shared_ptr<Watched> gone;  // goes when the lock is free: its history's thread may log
  const std::lock_guard guard(lock_);
  const auto found =
      std::ranges::find_if(watched_, [&](const auto& w) { return w->name() == name; });
  if (found != watched_.end()) {
    gone = std::move(*found);
    watched_.erase(found);
  }
}

std::shared_ptr<Watched> Control::find(std::string_view name) const {
  const std::lock_guard guard(lock_);
  const auto found =
      std::ranges::find_if(watched_, [&](const auto& w) { return w->name() == name; });
  return found == watched_.end() ? nullptr : *found;
}

std::vector<std::shared_ptr<Watched>> Control::all() const {
  const std::lock_guard guard(lock_);
  return watched_;
}

bool Control::trusts(std::string_view origin) const {
  return std::ranges::any_of(trusted_, [&](const auto& each) { return each == origin; });
}

Json Control::process() const {
  const auto pipelines = all();
  const auto spec = pipelines.empty() ? nullptr : pipelines.front()->host().spec();
  return figures_.json(spec ? spec->checkpoint.path : "");
}

void Control::on_event(const LogEvent& event) {
  stream_->send("log", event_json(event).dump(-1, ' ', false, Json::error_handler_t::replace));
  if (const auto watched = find(event.pipeline)) {
    watched->keep(event);
  }
}

/// Lines of a pipeline say so; others are the only one's, if there is only one.
void Control::on_log(const LogLine& line) {
  if (line.level != LogLevel::warn && line.level != LogLevel::error) {
    return;
  }
  std::string pipeline(line.pipeline);
  if (pipeline.empty()) {
    if (const auto pipelines = all(); pipelines.size() == 1) {
      pipeline = pipelines.front()->name();
    }
  }
  events_->add(line.level == LogLevel::error ? "error" : "warn", pipeline, std::nullopt, "log",
               std::string(line.text));
}

/// What changes by itself.
void Control::tick(const std::stop_token& stop) {
  constexpr auto kInterval = std::chrono::seconds(1);
  std::mutex lock;
  std::unique_lock guard(lock);
  std::condition_variable_any never;
  while (!never.wait_for(guard, stop, kInterval, [&] { return stop.stop_requested(); })) {
    std::int64_t in = 0;
    std::int64_t out = 0;
    for (const auto& watched : all()) {
      in += watched->rows_in();
      out += watched->rows_out();
    }
    figures_.sample(in, out);
    each_second_();
    if (stream_->clients() > 0) {
      stream_->send("process", process().dump());
    }
  }
}

}  // namespace millrace::control
