#include "control/watched.h"

#include <fmt/format.h>

#include "control/graph_json.h"

namespace millrace::control {

Watched::Watched(PipelineHost& host, const HistoryOptions& options, Shared shared)
    : host_(host), shared_(shared), history_(options, [this](const auto& batch) { kept(batch); }) {
  host_.observe(*this);
}

std::shared_ptr<const Json> Watched::graph() const {
  const std::lock_guard guard(lock_);
  return graph_;
}

std::shared_ptr<const BatchProgress> Watched::last() const {
  const std::lock_guard guard(lock_);
  return last_;
}

void Watched::note(const std::string& level, const std::string& kind, const std::string& text,
                   std::optional<std::int64_t> batch) {
  shared_.events.add(level, name(), batch, kind, text);
}

std::shared_ptr<const Json> Watched::graph_of(std::int64_t batch) const {
  const auto past = batch < graphs_.since() ? graphs_.at(batch) : std::nullopt;
  return past ? std::make_shared<const Json>(Json::parse(*past->text)) : graph();
}

std::string Watched::checkpoint() const {
  const std::lock_guard guard(lock_);
  return checkpoint_;
}

/// The checkpoint's lock is held: nobody else writes where the history is.
void Watched::opened(const Pipeline& pipeline) {
  if (const auto before = checkpoint(); !before.empty() && before != pipeline.id()) {
    history_.forget();  // batches of this number are others now
    settled_.forget();
    graphs_.forget();
  }
  auto graph = std::make_shared<const Json>(graph_json(pipeline.graph()));
  {
    const std::lock_guard guard(lock_);
    graph_ = graph;
    checkpoint_ = pipeline.id();
  }
  try {
    open_history(pipeline.graph().spec->checkpoint.path + "/history");
    graphs_.add(pipeline.next_batch(), *graph);
  } catch (const Error& error) {
    Log().with("pipeline", name()).warn("its history can't be kept: {}", error.what());
  }
}

void Watched::open_history(const std::string& folder) {
  if (!history_.is_open()) {
    shared_.events.merge(history_.open(folder));
    settled_.open(folder);
    graphs_.open(folder);
  }
}

void Watched::said(const std::string& text) { note("info", "start", text); }

void Watched::batch_committed(const BatchProgress& progress) {
  rows_in_ += progress.input_rows;
  rows_out_ += progress.output_rows;
  auto batch = std::make_shared<const BatchProgress>(progress);
  {
    const std::lock_guard guard(lock_);
    last_ = batch;
  }
  history_.add(std::move(batch));
}

void Watched::batch_failed(const BatchProgress& progress) {
  history_.add(std::make_shared<const BatchProgress>(progress));
}

/// On the history's thread: who is told of a batch can ask for it.
void Watched::kept(const History::Kept& kept) {
  shared_.stream.send_batch(name(), *kept.line);
  for (const auto& alert : kept.batch->alerts) {
    note("warn", "alert", alert, kept.batch->batch);
  }
}

void Watched::phase_changed(std::int64_t batch, std::string_view phase) {
  const Json json = {{"p", name()},
                     {"n", batch},
                     {"phase", phase},
                     {"since", std::chrono::duration_cast<std::chrono::milliseconds>(
                                   std::chrono::system_clock::now().time_since_epoch())
                                   .count()}};
  shared_.stream.send("phase", json.dump());
}

void Watched::state_changed(const HostStatus& status) {
  const std::string word(run_state_word(status.state));
  shared_.stream.send("state", Json({{"p", name()}, {"state", word}, {"by", status.by}}).dump());
  if (status.state == RunState::failed && status.failure) {
    const auto& failure = *status.failure;
    note("error", "state",
         fmt::format("failed: {}{}{}", failure.message, failure.hint.empty() ? "" : "; ",
                     failure.hint),
         failure.batch);
    return;
  }
  note("info", "state", fmt::format("{}, by {}", word, status.by));
}

void Watched::commanded(HostCommand command, const std::string& by) {
  note("info", "command", fmt::format("{}, by {}", host_command_word(command), by));
}

}  // namespace millrace::control
