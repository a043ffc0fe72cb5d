#include "runtime/host.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "sql/usable.h"

namespace millrace {
namespace {

using std::chrono::milliseconds;

constexpr std::array kStates = {"starting", "running", "paused", "failed", "stopped"};
constexpr std::array kCommands = {"pause", "resume", "trigger", "stop", "retry", "savepoint"};

/// Messages end with the way out, after a semicolon.
HostFailure failure_of(std::string code, const std::string& text) {
  const auto end = text.find("; ");
  HostFailure failure{.code = std::move(code), .message = text.substr(0, end)};
  if (end != std::string::npos) {
    failure.hint = text.substr(end + 2);
  }
  return failure;
}

HostFailure failure_of(const Error& error) {
  constexpr std::array kCodes = {"mistake", "system_failed", "bug"};
  const bool is_lost = error.blame() == Blame::external && error.retry() == Retry::yes;
  return failure_of(is_lost ? "system_lost" : kCodes.at(static_cast<std::size_t>(error.blame())),
                    error.what());
}

HostFailure failure_of(const Diagnostics& diagnostics) {
  HostFailure failure{.code = "mistake", .message = "the pipeline can't be planned"};
  for (const auto& diagnostic : diagnostics.all()) {
    if (diagnostic.severity == Diagnostic::Severity::error) {
      failure.message = diagnostic.message;
      failure.where = diagnostic.at.text();
      failure.hint = diagnostic.hint;
      break;
    }
  }
  if (diagnostics.error_count() > 1) {
    failure.message += fmt::format(" (and {} more mistakes)", diagnostics.error_count() - 1);
  }
  return failure;
}

}  // namespace

std::string_view run_state_word(RunState state) noexcept {
  return kStates.at(static_cast<std::size_t>(state));
}

std::string_view host_command_word(HostCommand command) noexcept {
  return kCommands.at(static_cast<std::size_t>(command));
}

std::optional<HostCommand> host_command(std::string_view word) noexcept {
  const auto* const found = std::ranges::find(kCommands, word);
  return found == kCommands.end()
             ? std::nullopt
             : std::optional(static_cast<HostCommand>(found - kCommands.begin()));
}

/// What the run of an attempt asks between its batches.
class PipelineHost::Guide final : public RunGuide {
 public:
  explicit Guide(PipelineHost& host) : host_(host) {}

  void opened(Pipeline& pipeline) override {
    for (auto* observer : host_.observers_) {
      observer->opened(pipeline);
    }
    host_.set_state(RunState::running);
  }
  void say(const std::string& text) override {
    for (auto* observer : host_.observers_) {
      observer->said(text);
    }
  }
  void committed(const BatchProgress& progress) override {
    host_.failures_ = 0;
    host_.well_since_ = host_.well_since_.value_or(std::chrono::steady_clock::now());
    {
      const std::lock_guard guard(host_.lock_);
      host_.status_.last_batch = progress.batch;
      host_.status_.failure.reset();
    }
    for (auto* observer : host_.observers_) {
      observer->batch_committed(progress);
    }
  }
  void failed(const BatchProgress& progress) override {
    host_.failed_at_ = progress.failure ? progress.failure->where : "";
    host_.failed_batch_ = progress.batch;
    for (auto* observer : host_.observers_) {
      observer->batch_failed(progress);
    }
  }
  [[nodiscard]] std::stop_token wake() override {
    const std::lock_guard guard(host_.lock_);
    return host_.wake_.get_token();
  }
  Next next(Pipeline& pipeline, const std::function<void()>& finish) override;

 private:
  std::optional<Next> decide(std::unique_lock<std::mutex>& guard,
                             const std::function<void()>& finish);

  PipelineHost& host_;
};

RunGuide::Next PipelineHost::Guide::next(Pipeline& pipeline, const std::function<void()>& finish) {
  std::unique_lock guard(host_.lock_);
  while (true) {
    host_.wake_ = std::stop_source();  // what was asked for until now is seen below
    if (host_.stop_.stop_requested()) {
      return Next::end;
    }
    if (!host_.jobs_.empty()) {
      const auto job = std::move(host_.jobs_.front());
      host_.jobs_.pop_front();
      guard.unlock();
      finish();
      job(&pipeline);
      guard.lock();
      continue;
    }
    if (const auto next = decide(guard, finish)) {
      return *next;
    }
  }
}

/// With the lock held. nullopt: everything may have changed meanwhile.
std::optional<RunGuide::Next> PipelineHost::Guide::decide(std::unique_lock<std::mutex>& guard,
                                                          const std::function<void()>& finish) {
  const bool is_paused = host_.status_.state == RunState::paused;
  if (is_paused != host_.wants_pause_) {
    const auto state = is_paused ? RunState::running : RunState::paused;
    const auto by = host_.paused_by_;
    guard.unlock();
    if (!is_paused) {
      finish();
    }
    host_.set_state(state, by);
    guard.lock();
    return std::nullopt;
  }
  if (host_.wanted_batches_ > 0) {
    host_.wanted_batches_--;
    return Next::at_once;
  }
  if (!is_paused) {
    return Next::when_due;
  }
  host_.changed_.wait(guard, [this] {
    return host_.stop_.stop_requested() || !host_.wants_pause_ || host_.wanted_batches_ > 0 ||
           !host_.jobs_.empty();
  });
  return std::nullopt;
}

PipelineHost::PipelineHost(Options options, const ConnectorList& connectors, const Clock& clock)
    : options_(std::move(options)), connectors_(connectors), clock_(clock) {
  status_.since_us = clock_.now_us();
}

PipelineHost::~PipelineHost() {
  if (thread_.joinable()) {
    end("");
    thread_.join();
  }
}

void PipelineHost::start() {
  thread_ = std::thread([this] {
    try {
      live();
    } catch (...) {  // the outermost frame of the thread
      ending_.error = std::current_exception();
      drop_jobs();
    }
  });
}

PipelineHost::Ending PipelineHost::wait() {
  if (thread_.joinable()) {
    thread_.join();
  }
  return std::exchange(ending_, {});
}

HostStatus PipelineHost::status() const {
  const std::lock_guard guard(lock_);
  return status_;
}

std::shared_ptr<const PipelineSpec> PipelineHost::spec() const {
  const std::lock_guard guard(lock_);
  return spec_;
}

void PipelineHost::live() {
  const LogScope scope("pipeline", options_.name);
  do {
    run_once();
    drop_jobs();
  } while (options_.stays && rest_until_started());
}

/// From one start to its end: done, stopped or failed.
void PipelineHost::run_once() {
  ending_ = {};
  mistaken_ = false;
  well_since_.reset();
  set_state(RunState::starting, started_by());
  try {
    Diagnostics diagnostics;
    auto loaded = options_.load(diagnostics);
    for (auto* observer : observers_) {
      observer->diagnosed(diagnostics, false);
    }
    if (!loaded || diagnostics.has_errors()) {
      mistaken_ = true;
      ending_.mistake = true;
      fail(failure_of(diagnostics));
      return;
    }
    const auto spec = std::make_shared<const PipelineSpec>(*std::move(loaded));
    {
      const std::lock_guard guard(lock_);
      spec_ = spec;
    }
    drop_database();
    Restarts restarts(patience_of(spec->trigger));
    RunSummary all;
    RunSummary last;
    do {  // once, and again when columns of a source have become more, or a system was lost
      last = attempt(spec, all);
      all += last;
    } while (!mistaken_ && (last.columns_grew || last.lost) && rest_after(last, restarts));
    if (mistaken_) {
      return;
    }
    all.stopped |= last.lost.has_value();  // only a stop ends the wait for what was lost
    drop_database();
    set_state(RunState::stopped, all.stopped ? stopped_by() : std::string(kEndOfInput));
    for (auto* observer : observers_) {
      observer->ended(all);
    }
  } catch (const Error& error) {
    ending_.error = std::current_exception();
    fail(failure_of(error));
  } catch (const std::exception& error) {
    ending_.error = std::current_exception();
    fail(failure_of("bug", error.what()));
  }
}

/// A companion may have reported mistakes.
void PipelineHost::make_database(const std::shared_ptr<const PipelineSpec>& spec,
                                 Diagnostics& diagnostics) {
  if (!database_ || !sql::is_usable(*database_)) {
    drop_database();  // before the next one opens the same store
    database_ = std::make_unique<sql::Database>(database_options(*spec));
  }
  if (!companion_ && accompany_) {
    companion_ = accompany_(spec, *database_, diagnostics);
  }
}

void PipelineHost::drop_database() {
  companion_.reset();
  database_.reset();
}

RunSummary PipelineHost::attempt(const std::shared_ptr<const PipelineSpec>& spec,
                                 const RunSummary& before) {
  std::stop_token stop;
  {
    const std::lock_guard guard(lock_);
    stop = stop_.get_token();
  }
  Diagnostics diagnostics;
  make_database(spec, diagnostics);
  const bool goes_on = before.lost || before.columns_grew || before.batches > 0;
  std::optional<Pipeline> made;
  try {
    made.emplace(companion_ ? companion_->pipeline() : *spec, connectors_, *database_, clock_,
                 diagnostics, stop, companion_ ? companion_->serving() : Serving(), goes_on);
  } catch (const Error& error) {
    if (error.retry() == Retry::no) {
      throw;
    }
    RunSummary lost;
    lost.lost = error;
    return lost;
  }
  Pipeline& pipeline = *made;
  for (auto* observer : observers_) {
    observer->diagnosed(diagnostics, before.columns_grew);
  }
  if (!pipeline.valid() || diagnostics.has_errors()) {
    mistaken_ = true;
    ending_.mistake = true;
    fail(failure_of(diagnostics));
    return {};
  }
  pipeline.on_phase([this](std::int64_t batch, std::string_view phase) {
    for (auto* observer : observers_) {
      observer->phase_changed(batch, phase);
    }
  });
  pipeline.on_trouble([this](const std::string& sink, const std::string& why) {
    for (auto* observer : observers_) {
      observer->sink_troubled(sink, why);
    }
  });
  Guide guide(*this);
  return run_pipeline(
      pipeline, spec->trigger, stop, guide,
      before.batches == 0 && starts_++ == 0 ? options_.rebuild : std::vector<std::string>());
}

/// False: a stop was requested meanwhile.
bool PipelineHost::rest_after(const RunSummary& attempt, Restarts& restarts) {
  if (attempt.columns_grew) {
    const std::lock_guard guard(lock_);
    return !stop_.stop_requested();
  }
  const auto pause = restarts.pause_after(attempt);
  Log().warn("{}; going on from the last commit", attempt.lost->what());
  auto failure = failure_of(*attempt.lost);
  failure.next_attempt_us =
      clock_.now_us() + std::chrono::duration_cast<std::chrono::microseconds>(pause).count();
  fail(std::move(failure));
  if (!rest(pause)) {
    return false;
  }
  set_state(RunState::starting, started_by());
  return true;
}

/// After an end or a failure. False: it ends for good.
bool PipelineHost::rest_until_started() {
  std::optional<milliseconds> pause;
  {
    const std::lock_guard guard(lock_);
    auto& failure = status_.failure;
    if (status_.state == RunState::failed && failure && failure->code != "mistake") {
      const auto now = std::chrono::steady_clock::now();
      pause = backoff_.pause_after(
          std::chrono::duration_cast<milliseconds>(now - well_since_.value_or(now)));
      failure->next_attempt_us =
          clock_.now_us() + std::chrono::duration_cast<std::chrono::microseconds>(*pause).count();
    }
  }
  if (pause) {
    Log().info("trying again in {}", duration_text(*pause));
  }
  while (!rest(pause)) {
    bool has_failed = false;
    {
      const std::lock_guard guard(lock_);
      if (ends_) {
        return false;
      }
      stop_ = std::stop_source();
      has_failed = status_.state == RunState::failed;
      status_.failure.reset();
    }
    pause.reset();  // a restart ends the next rest
    if (has_failed) {
      set_state(RunState::stopped, stopped_by());
    }
  }
  const std::lock_guard guard(lock_);
  stop_ = std::stop_source();
  wants_restart_ = false;
  return true;
}

/// Until a start is wanted, or a pause (none: for ever) is over. False: a stop was requested.
bool PipelineHost::rest(std::optional<milliseconds> pause) {
  std::unique_lock guard(lock_);
  const auto woken = [this] {
    return stop_.stop_requested() || wants_start_ || wants_restart_ || ends_;
  };
  if (!pause && status_.state == RunState::stopped && !ends_) {
    stop_ = std::stop_source();  // the one that was obeyed
  }
  if (pause) {
    changed_.wait_for(guard, *pause, woken);
  } else {
    changed_.wait(guard, woken);
  }
  wants_start_ = false;
  return !stop_.stop_requested() && !ends_;
}

void PipelineHost::fail(HostFailure failure) {
  {
    const std::lock_guard guard(lock_);
    if (failure.where.empty()) {
      failure.where = std::exchange(failed_at_, "");
    }
    failure.attempts = ++failures_;
    // Without a batch that failed, it was between two, or before the first of this process.
    failure.batch = std::exchange(failed_batch_, std::nullopt).value_or(status_.last_batch + 1);
    failure.at_us = clock_.now_us();
    status_.failure = std::move(failure);
  }
  set_state(RunState::failed, "millrace");
}

/// `by`: empty: who brought it into the state before.
void PipelineHost::set_state(RunState state, const std::string& by) {
  HostStatus now;
  {
    const std::lock_guard guard(lock_);
    status_.state = state;
    status_.since_us = clock_.now_us();
    status_.by = by.empty() ? status_.by : by;
    status_.requested.reset();
    if (stop_.stop_requested() && state != RunState::stopped && state != RunState::failed) {
      status_.requested = RunState::stopped;
    } else if (wants_pause_ && state != RunState::paused && state != RunState::stopped) {
      status_.requested = RunState::paused;
    }
    now = status_;
  }
  for (auto* observer : observers_) {
    observer->state_changed(now);
  }
}

std::string PipelineHost::started_by() {
  const std::lock_guard guard(lock_);
  return std::exchange(started_by_, "millrace");
}

std::string PipelineHost::stopped_by() {
  const std::lock_guard guard(lock_);
  return std::exchange(stopped_by_, "millrace");
}

}  // namespace millrace
