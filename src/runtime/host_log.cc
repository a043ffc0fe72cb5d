#include "runtime/host_log.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "engine/progress.h"

namespace millrace {
namespace {

constexpr auto kBetweenBatches = std::chrono::seconds(10);

std::string sums(const RunSummary& summary) {
  auto text =
      fmt::format("{}, {} in, {} out",
                  summary.batches == 1 ? "1 batch" : human_count(summary.batches) + " batches",
                  human_count(summary.input_rows, "row"), human_count(summary.output_rows));
  if (summary.quarantined_rows > 0) {
    text += fmt::format("; {} quarantined", human_count(summary.quarantined_rows, "row"));
  }
  if (summary.refused_rows > 0) {
    text += fmt::format("; {} refused by sinks", human_count(summary.refused_rows, "row"));
  }
  if (summary.violations > 0) {
    text += fmt::format("; {} of checks", human_count(summary.violations, "violation"));
  }
  return text;
}

}  // namespace

HostLog::HostLog(PipelineHost& host) : log_(Log().with("pipeline", host.name())) {
  host.observe(*this);
}

void HostLog::diagnosed(const Diagnostics& diagnostics, bool /*restarted*/) {
  for (const auto& diagnostic : diagnostics.all()) {
    if (diagnostic.severity == Diagnostic::Severity::error) {
      log_.error("{}", diagnostic.text());
    } else {
      log_.warn("{}", diagnostic.text());
    }
  }
}

void HostLog::said(const std::string& text) { log_.info("{}", text); }

void HostLog::batch_committed(const BatchProgress& progress) {
  for (const auto& alert : progress.alerts) {
    log_.error("{}", alert);
  }
  log_.debug("{}", progress_text(progress));
  since_ += {.batches = 1,
             .input_rows = progress.input_rows,
             .output_rows = progress.output_rows,
             .quarantined_rows = progress.quarantined_rows,
             .refused_rows = progress.refused_rows,
             .violations = progress.violations()};
  const auto now = std::chrono::steady_clock::now();
  if (!told_ || now - *told_ >= kBetweenBatches) {
    log_.info("batch {}: {}", progress.batch, sums(since_));
    told_ = now;
    since_ = {};
  }
}

void HostLog::state_changed(const HostStatus& status) {
  switch (status.state) {
    case RunState::starting:
      log_.debug("starting, by {}", status.by);
      break;
    case RunState::running:
      log_.debug("running");
      break;
    case RunState::paused:
      log_.info("paused by {}", status.by);
      break;
    case RunState::stopped:
      log_.info("stopped by {}", status.by);
      break;
    case RunState::failed:
      if (status.failure && !status.failure->next_attempt_us) {  // of the others the host tells
        const auto& failure = *status.failure;
        log_.with("code", failure.code)
            .error("failed: {}{}{}", failure.message, failure.hint.empty() ? "" : "; ",
                   failure.hint);
      }
      break;
  }
}

void HostLog::commanded(HostCommand command, const std::string& by) {
  log_.info("{}, by {}", host_command_word(command), by);
}

void HostLog::ended(const RunSummary& summary) {
  since_ = {};
  log_.info("{}: {}", summary.stopped ? "stopped" : "done", sums(summary));
}

}  // namespace millrace
