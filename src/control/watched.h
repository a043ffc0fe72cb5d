// A pipeline as those see it who operate it: its host, its history, and what is known of it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "base/log.h"
#include "control/counted_files.h"
#include "control/events.h"
#include "control/history.h"
#include "control/past_graphs.h"
#include "control/settled_rows.h"
#include "control/stream.h"
#include "runtime/host.h"

namespace millrace::control {

/// What pipelines of a process share. All outlive them.
struct Shared {
  Events& events;
  Stream& stream;
};

/// Feeds history, events and stream with what a host tells. Outlives the host's thread.
class Watched final : public HostObserver {
 public:
  /// Observes the host, which has not started yet.
  Watched(PipelineHost& host, const HistoryOptions& options, Shared shared);

  [[nodiscard]] PipelineHost& host() const noexcept { return host_; }
  [[nodiscard]] const std::string& name() const noexcept { return host_.name(); }
  [[nodiscard]] const History& history() const noexcept { return history_; }
  /// Of graph_json(); nullptr: it could not be planned yet.
  [[nodiscard]] std::shared_ptr<const Json> graph() const;
  /// As of a batch, if that is known; else as it is now.
  [[nodiscard]] std::shared_ptr<const Json> graph_of(std::int64_t batch) const;
  [[nodiscard]] const PastGraphs& graphs() const noexcept { return graphs_; }
  /// Which one the batches are of; empty: it was not opened yet.
  [[nodiscard]] std::string checkpoint() const;
  /// The last batch, as the engine told of it; nullptr: none was committed by this process.
  [[nodiscard]] std::shared_ptr<const BatchProgress> last() const;
  /// Rows in and out, of all batches of this process.
  [[nodiscard]] std::int64_t rows_in() const noexcept { return rows_in_; }
  [[nodiscard]] std::int64_t rows_out() const noexcept { return rows_out_; }

  [[nodiscard]] CountedFiles& counted() const noexcept { return counted_; }
  [[nodiscard]] SettledRows& settled() noexcept { return settled_; }
  [[nodiscard]] const SettledRows& settled() const noexcept { return settled_; }

  /// Adds an event of this pipeline.
  void note(const std::string& level, const std::string& kind, const std::string& text,
            std::optional<std::int64_t> batch = std::nullopt);
  /// Keeps an event of this pipeline, which all have been told of.
  void keep(const LogEvent& event) { history_.add(event); }

  void opened(const Pipeline& pipeline) override;
  void said(const std::string& text) override;
  void batch_committed(const BatchProgress& progress) override;
  void batch_failed(const BatchProgress& progress) override;
  void phase_changed(std::int64_t batch, std::string_view phase) override;
  void state_changed(const HostStatus& status) override;
  void commanded(HostCommand command, const std::string& by) override;

 private:
  void kept(const History::Kept& kept);
  void open_history(const std::string& folder);

  PipelineHost& host_;
  Shared shared_;
  mutable std::mutex lock_;  // guards what follows
  std::shared_ptr<const Json> graph_;
  std::shared_ptr<const BatchProgress> last_;
  std::string checkpoint_;
  PastGraphs graphs_;
  mutable CountedFiles counted_;  // of the quarantine
  SettledRows settled_;
  std::atomic<std::int64_t> rows_in_ = 0;
  std::atomic<std::int64_t> rows_out_ = 0;
  History history_;  // last: its thread uses the others
};

}  // namespace millrace::control
