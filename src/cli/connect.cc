#include "cli/connect.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/call_on_threads.h"
#include "base/strings.h"
#include "core/connection_check.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/graph.h"
#include "engine/kept_columns.h"
#include "engine/replay.h"

namespace millrace::cli {
namespace {

/// So many systems are asked at once.
constexpr std::size_t kAtOnce = 8;

/// Requests a stop when the time is over.
class Deadline {
 public:
  explicit Deadline(std::chrono::seconds patience)
      : until_(std::chrono::steady_clock::now() + patience),
        thread_([this](const std::stop_token& ended) {
          std::unique_lock guard(lock_);
          changed_.wait_until(guard, ended, until_, [] { return false; });
          if (!ended.stop_requested()) {
            over_.request_stop();
          }
        }) {}

  [[nodiscard]] std::stop_token token() const noexcept { return over_.get_token(); }

 private:
  std::chrono::steady_clock::time_point until_;
  std::mutex lock_;
  std::condition_variable_any changed_;
  std::stop_source over_;
  std::jthread thread_;
};

/// One source or sink, and what came of trying it.
struct Trial {
  std::string what;  ///< "source orders"
  std::string connector;
  Location at;
  Findings findings = {};
  std::string target = {};
  bool was_tried = true;
  bool is_external = false;  ///< somebody outside has to act, not who wrote the pipeline

  [[nodiscard]] bool failed() const {
    return std::ranges::any_of(findings.all(), &Findings::Finding::is_error);
  }
};

class SystemsTrial {
 public:
  SystemsTrial(const PipelineSpec& spec, const ConnectorList& connectors,
               std::chrono::seconds patience, Diagnostics& diagnostics)
      : spec_(spec), connectors_(connectors), patience_(patience), diagnostics_(diagnostics) {}

  ExitCode run() {
    try {
      standing_ = read_standing(spec_.checkpoint.path, spec_.name);
    } catch (const Error& error) {
      diagnostics_.error({}, error.what());
      return exit_code_of(error);
    }
    try_sources();
    report(trials_);
    // What sinks get is known only when all sources gave their columns.
    if (!diagnostics_.has_errors()) {
      graph_ = build_graph(spec_, connectors_, database_, diagnostics_);
    }
    try_sinks();
    report(trials_);
    if (!diagnostics_.has_errors()) {
      return kOk;
    }
    return mistakes_ > 0 || diagnostics_.error_count() > external_ ? kMistake : kExternal;
  }

 private:
  void try_sources() {
    trials_.clear();
    for (const auto& source : spec_.sources) {
      trials_.push_back(
          {.what = "source " + source.name, .connector = source.connector, .at = source.at});
    }
    each([this](std::size_t i, Trial& trial, const std::stop_token& stop) {
      try_source(spec_.sources[i], trial, stop);
    });
  }

  void try_sinks() {
    trials_.clear();
    for (const auto& sink : spec_.sinks) {
      trials_.push_back({.what = "sink " + sink.name, .connector = sink.connector, .at = sink.at});
    }
    each([this](std::size_t i, Trial& trial, const std::stop_token& stop) {
      try_sink(spec_.sinks[i], trial, stop);
    });
  }

  template <class Try>
  void each(const Try& attempt) {
    const Deadline deadline(patience_);
    call_on_threads(trials_.size(), kAtOnce, [&](std::size_t i) {
      auto& trial = trials_[i];
      try {
        attempt(i, trial, deadline.token());
      } catch (const Stopped&) {
        trial.findings.error(fmt::format("there was no answer within {} s", patience_.count()),
                             "the log says what was tried; --connect-timeout waits for longer");
        trial.is_external = true;
      } catch (const Error& error) {
        trial.findings.error(error.what());
        trial.is_external = error.blame() == Blame::external;
      }
    });
  }

  static ConnectorRequest request(const PipelineSpec& spec, const auto& of, sql::Database& database,
                                  const std::stop_token& stop) {
    return {of.name, of.at, &of.connection, &of.options, spec.base_dir, &database, false, stop};
  }

  void try_source(const SourceSpec& spec, Trial& trial, const std::stop_token& stop) const {
    sql::Database database({.threads = 1, .memory_limit_bytes = 0, .temp_directory = ""});
    auto asked = request(spec_, spec, database, stop);
    asked.as_table = spec.table;
    Diagnostics known;  // those of the options were reported when the file was read
    const auto source = find_connector(connectors_, spec.connector)->make_source(asked, known);
    if (!source) {
      return;
    }
    begin_with_kept_columns(*source, spec.name, spec_);
    auto* checked = dynamic_cast<CheckedSource*>(source.get());
    if (checked == nullptr) {
      (void)source->schema();
      return;
    }
    trial.target = checked->target();
    checked->check_connection(place_of(spec.name), trial.findings);
  }

  [[nodiscard]] SourcePlace place_of(const std::string& source) const {
    SourcePlace place;
    if (!standing_) {
      return place;
    }
    if (const auto found = standing_->positions.find(source); found != standing_->positions.end()) {
      place.position = found->second;
    }
    if (const auto found = standing_->slices.find(source); found != standing_->slices.end()) {
      std::ranges::remove_copy_if(
          found->second, std::back_inserter(place.slices),
          [](const Json& slice) { return replayed_batches(slice).has_value(); });
    }
    return place;
  }

  void try_sink(const SinkSpec& spec, Trial& trial, const std::stop_token& stop) {
    sql::Database database({.threads = 1, .memory_limit_bytes = 0, .temp_directory = ""});
    Diagnostics known;
    const auto sink = find_connector(connectors_, spec.connector)
                          ->make_sink(request(spec_, spec, database, stop), known);
    auto* checked = dynamic_cast<CheckedSink*>(sink.get());
    trial.was_tried = checked != nullptr;
    if (checked == nullptr) {
      return;
    }
    trial.target = checked->target();
    const auto start = start_of(spec);
    checked->check_connection(start ? &*start : nullptr, trial.findings);
  }

  [[nodiscard]] std::optional<SinkStart> start_of(const SinkSpec& spec) const {
    if (!graph_) {
      return std::nullopt;
    }
    const auto node = std::ranges::find(graph_->sinks, &spec, &SinkNode::spec);
    return SinkStart{.schema = graph_->schema_of(*node),
                     .mode = node->mode,
                     .key = node->key,
                     .delete_column = spec.delete_column,
                     .last_committed = standing_ ? standing_->last_committed : std::nullopt,
                     .pipeline = spec_.name,
                     .checkpoint = standing_ ? standing_->id : "",
                     .staging = spec_.checkpoint.path + "/staging/" + spec.name};
  }

  void report(const std::vector<Trial>& trials) {
    for (const auto& trial : trials) {
      std::int64_t warnings = 0;
      for (const auto& finding : trial.findings.all()) {
        // Some connectors say in their errors whose they are.
        auto text = finding.message.starts_with(trial.what)
                        ? finding.message
                        : fmt::format("{}: {}", trial.what, finding.message);
        if (finding.is_error) {
          diagnostics_.error(trial.at, std::move(text), finding.hint);
          (trial.is_external ? external_ : mistakes_)++;
        } else {
          diagnostics_.warning(trial.at, std::move(text), finding.hint);
          warnings++;
        }
      }
      fmt::print("{}: {}{}{}: {}\n", trial.what, trial.connector, trial.target.empty() ? "" : " ",
                 trial.target,
                 !trial.was_tried ? "not tried: it can't be without writing"
                 : trial.failed() ? "failed"
                 : warnings > 0   ? "ok, with " + human_count(warnings, "warning")
                                  : std::string("ok"));
    }
  }

  const PipelineSpec& spec_;
  const ConnectorList& connectors_;
  std::chrono::seconds patience_;
  Diagnostics& diagnostics_;
  sql::Database database_{{.threads = 1, .memory_limit_bytes = 0, .temp_directory = ""}};
  std::optional<Graph> graph_;
  std::optional<Standing> standing_;
  std::vector<Trial> trials_;
  std::size_t external_ = 0;
  std::size_t mistakes_ = 0;
};

}  // namespace

ExitCode try_systems(const PipelineSpec& spec, const ConnectorList& connectors,
                     std::chrono::seconds patience, Diagnostics& diagnostics) {
  return SystemsTrial(spec, connectors, patience, diagnostics).run();
}

}  // namespace millrace::cli
