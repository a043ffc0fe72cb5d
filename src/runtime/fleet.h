// All pipelines of a folder in one process: a service.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "core/connector.h"
#include "runtime/fleet_member.h"
#include "runtime/host.h"
#include "runtime/pipeline_folder.h"
#include "runtime/shares.h"

namespace millrace {

/// What a reload has done with a pipeline.
enum class Reloaded : std::uint8_t {
  started,    ///< it is new
  restarted,  ///< it has changed: stopped, and started anew
  taken,      ///< it has changed, and starts so when somebody starts it: a person had stopped it
  stopped,    ///< its file is gone; its checkpoint stays
  unchanged,
  refused,  ///< its file has mistakes: what ran before runs on
};
[[nodiscard]] std::string_view reloaded_word(Reloaded what) noexcept;

struct ReloadEntry {
  Reloaded what = Reloaded::unchanged;
  std::string pipeline;
  std::string file;
  Diagnostics diagnostics;  ///< why it was refused; else what is doubtful
};

struct ReloadResult {
  std::vector<ReloadEntry> entries;  ///< by name
  std::vector<std::string> notes;    ///< on files that are no pipelines

  /// "2 started, 1 refused, 5 unchanged"
  [[nodiscard]] std::string text() const;
  /// {"started": ["a"], ..., "refused": [{"pipeline", "file", "mistakes": ["file:1:2: error:
  /// .."]}], "notes": [..]}
  [[nodiscard]] Json json() const;
};

/// Runs the pipelines of a folder, each on a host that stays. Trouble of one is its own: a file
/// with mistakes is a pipeline that has failed, and is told of like any other. Public calls are
/// thread-safe.
class Fleet {
 public:
  struct Options {
    std::string folder;
    Share all;  ///< what all pipelines may have together
  };
  /// The connectors and the clock outlive it.
  Fleet(Options options, const ConnectorList& connectors, const Clock& clock);
  /// Stops all that still run, and waits for them.
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  /// Before the first reload().
  void watch_with(WatchHost watch) { watchers_.push_back(std::move(watch)); }
  /// Before the first reload(): called when a pipeline has ended whose file is gone.
  void on_gone(std::function<void(const std::string& name)> call) { on_gone_ = std::move(call); }

  /// Starts what is new in the folder, stops what is gone, and starts anew what has changed; does
  /// nothing to all else. The first call starts all. Waits for batches under way of those that are
  /// gone; those that changed finish theirs meanwhile. One at a time; others wait. Throws Error,
  /// with nothing done, if the folder cannot be read.
  ReloadResult reload();

  /// By name. A host stays valid as long as it is held, though it may have ended.
  [[nodiscard]] std::vector<std::shared_ptr<PipelineHost>> hosts() const;
  [[nodiscard]] std::shared_ptr<PipelineHost> find(std::string_view name) const;

  /// Stops all, side by side, and nothing starts any more. Returns the names of those that have not
  /// ended within the time: then only the end of the process helps (not this object's: it waits),
  /// which the checkpoints make safe. Once.
  std::vector<std::string> stop(std::chrono::milliseconds timeout, const std::string& by);

 private:
  struct Step;
  using Members = std::vector<std::shared_ptr<FleetMember>>;

  std::vector<Step> match(FolderScan& scan);
  void check(std::vector<Step>& steps) const;
  void stop_leavers(std::vector<Step>& steps);
  void start_comers(std::vector<Step>& steps);
  void share_out_all();
  [[nodiscard]] Members members() const;

  Options options_;
  const ConnectorList& connectors_;
  const Clock& clock_;
  std::vector<WatchHost> watchers_;
  std::function<void(const std::string&)> on_gone_ = [](const auto&) {};
  std::mutex reload_lock_;   ///< held by a reload
  mutable std::mutex lock_;  ///< guards what follows
  Members members_;
  bool ends_ = false;
  std::thread waiter_;  ///< of stop()
};

}  // namespace millrace
