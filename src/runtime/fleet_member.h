// A pipeline of a fleet: its file as it was taken in, its host, and who watches it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/host.h"
#include "runtime/pipeline_folder.h"
#include "runtime/shares.h"

namespace millrace {

/// Makes who watches a host, and has it observe the host; called before the host starts. Who
/// watches lives as long as the host. `file`: that of its pipeline.
using WatchHost = std::function<std::shared_ptr<HostObserver>(const std::shared_ptr<PipelineHost>&,
                                                              const std::string& file)>;

/// Public calls are thread-safe.
class FleetMember final : private HostObserver {
 public:
  /// The connectors and the clock outlive it.
  FleetMember(FoundPipeline found, const ConnectorList& connectors, const Clock& clock);

  /// Before the host starts.
  void keep(std::shared_ptr<HostObserver> watcher) { watchers_.push_back(std::move(watcher)); }
  /// `all`: what all pipelines may have. For its starts from now on; the memory of one that runs
  /// follows when its batch is done.
  void set_share(const Share& share, const Share& all);
  /// Takes in what its file has become, for when it is started again.
  void take(FoundPipeline found);

  [[nodiscard]] PipelineHost& host() noexcept { return host_; }
  [[nodiscard]] std::string file() const { return found().file; }
  /// As it was taken in last.
  [[nodiscard]] FoundPipeline found() const;
  /// Threads and memory that its file asks for.
  [[nodiscard]] Share own_share() const;

 private:
  std::optional<PipelineSpec> load(Diagnostics& diagnostics);
  void state_changed(const HostStatus& status) override;
  void follow_share();

  const ConnectorList& connectors_;
  mutable std::mutex lock_;  ///< guards what follows
  FoundPipeline found_;
  Share share_;
  Share all_;
  std::int64_t memory_in_use_ = 0;  ///< the limit of the last start, or what it became since
  std::vector<std::shared_ptr<HostObserver>> watchers_;
  PipelineHost host_;  ///< the last: its thread uses all of the above
};

}  // namespace millrace
