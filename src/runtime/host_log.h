// What a pipeline of a service tells, as log lines.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/log.h"
#include "runtime/host.h"

namespace millrace {

/// Logs what a host does. Batches in a line each would be most of the log: they are, at level
/// debug; at level info there is one now and then, with the sums since the last one.
class HostLog final : public HostObserver {
 public:
  explicit HostLog(PipelineHost& host);

  void diagnosed(const Diagnostics& diagnostics, bool restarted) override;
  void said(const std::string& text) override;
  void batch_committed(const BatchProgress& progress) override;
  void state_changed(const HostStatus& status) override;
  void commanded(HostCommand command, const std::string& by) override;
  void ended(const RunSummary& summary) override;

 private:
  Log log_;
  std::optional<std::chrono::steady_clock::time_point> told_;  ///< of batches
  RunSummary since_;
};

}  // namespace millrace
