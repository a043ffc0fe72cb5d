// What others ask of a host, from any thread: commands, and work between its batches.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/host.h"

namespace millrace {
namespace {

constexpr std::size_t kJobsMax = 64;
constexpr int kBatchesWantedMax = 16;

}  // namespace

std::expected<HostStatus, Refusal> PipelineHost::command(HostCommand command,
                                                         const std::string& by) {
  HostStatus then;
  {
    const std::lock_guard guard(lock_);
    if (auto refused = refusal(command)) {
      return std::unexpected(*std::move(refused));
    }
    take(command, by);
    then = status_;
  }
  for (auto* observer : observers_) {
    observer->commanded(command, by);
  }
  if (command == HostCommand::savepoint) {
    if (auto taken = between_batches([](Pipeline* pipeline) {
          if (pipeline != nullptr) {
            pipeline->snapshot();
          }
        });
        !taken) {
      return std::unexpected(std::move(taken.error()));
    }
  }
  wake();
  return then;
}

/// With the lock held.
std::optional<Refusal> PipelineHost::refusal(HostCommand command) const {
  const auto state = status_.state;
  const bool pauses =
      state == RunState::paused ? wants_pause_ : status_.requested == RunState::paused;
  const auto refuse = [&](std::string_view hint) {
    return Refusal{
        "wrong_state",
        fmt::format("`{}` does nothing for a pipeline that is {}", host_command_word(command),
                    status_.requested ? fmt::format("{} and about to be {}", run_state_word(state),
                                                    run_state_word(*status_.requested))
                                      : std::string(run_state_word(state))),
        std::string(hint)};
  };
  const bool lives = state == RunState::running || state == RunState::paused;
  if (stop_.stop_requested() && state != RunState::stopped) {
    return refuse("it is being stopped");
  }
  switch (command) {
    case HostCommand::pause:
      if (pauses || (!lives && state != RunState::starting)) {
        return refuse(state == RunState::failed ? "stop it, or retry" : "");
      }
      break;
    case HostCommand::resume:
      if (!pauses) {
        return refuse(state == RunState::failed ? "retry it" : "only one that is paused resumes");
      }
      break;
    case HostCommand::trigger:
      if (!lives || wanted_batches_ >= kBatchesWantedMax) {
        return refuse(lives ? "so many batches are wanted already" : "it has to run, or be paused");
      }
      break;
    case HostCommand::savepoint:
      if (!lives) {
        return refuse("it has to run, or be paused");
      }
      break;
    case HostCommand::retry:
      if (state != RunState::failed && !(options_.stays && state == RunState::stopped)) {
        return refuse("only one that has failed is tried again");
      }
      break;
    case HostCommand::stop:
      if (state == RunState::stopped) {
        return refuse("");
      }
      break;
  }
  return std::nullopt;
}

/// With the lock held.
void PipelineHost::take(HostCommand command, const std::string& by) {
  switch (command) {
    case HostCommand::pause:
    case HostCommand::resume:
      wants_pause_ = command == HostCommand::pause;
      status_.requested = wants_pause_ ? RunState::paused : RunState::running;
      paused_by_ = by;
      break;
    case HostCommand::trigger:
      wanted_batches_++;
      break;
    case HostCommand::retry:
      wants_start_ = true;
      started_by_ = by;
      break;
    case HostCommand::stop:
      wants_pause_ = false;
      status_.requested = RunState::stopped;
      stopped_by_ = by;
      break;
    case HostCommand::savepoint:
      break;
  }
  if (command == HostCommand::stop) {
    stop_.request_stop();
  }
}

void PipelineHost::wake() {
  const std::lock_guard guard(lock_);
  wake_.request_stop();
  changed_.notify_all();
}

std::expected<void, Refusal> PipelineHost::between_batches(Job job) {
  {
    const std::lock_guard guard(lock_);
    if (status_.state != RunState::running && status_.state != RunState::paused) {
      return std::unexpected(
          Refusal{"wrong_state", fmt::format("the pipeline is {}", run_state_word(status_.state)),
                  "it has to run, or be paused"});
    }
    if (jobs_.size() >= kJobsMax) {
      return std::unexpected(Refusal{"too_many_jobs", "too much was asked of it meanwhile",
                                     "try again when the running batch is done"});
    }
    jobs_.push_back(std::move(job));
  }
  wake();
  return {};
}

void PipelineHost::want_batch() {
  {
    const std::lock_guard guard(lock_);
    wanted_batches_ = std::min(wanted_batches_ + 1, kBatchesWantedMax);
  }
  wake();
}

void PipelineHost::restart(const std::string& by) {
  {
    const std::lock_guard guard(lock_);
    wants_restart_ = true;
    started_by_ = by;
    stopped_by_ = by;
    stop_.request_stop();
  }
  wake();
}

void PipelineHost::end(const std::string& by) {
  {
    const std::lock_guard guard(lock_);
    ends_ = true;
    if (!by.empty()) {
      stopped_by_ = by;
    }
    stop_.request_stop();
  }
  wake();
}

/// Those whose turn does not come any more.
void PipelineHost::drop_jobs() {
  std::deque<Job> jobs;
  {
    const std::lock_guard guard(lock_);
    jobs.swap(jobs_);
    wanted_batches_ = 0;
  }
  for (const auto& job : jobs) {
    job(nullptr);
  }
}
}  // namespace millrace
