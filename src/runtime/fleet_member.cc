#include "runtime/fleet_member.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "base/strings.h"

namespace millrace {

FleetMember::FleetMember(FoundPipeline found, const ConnectorList& connectors, const Clock& clock)
    : connectors_(connectors),
      found_(std::move(found)),
      host_({.name = found_.name,
             .load = [this](Diagnostics& diagnostics) { return load(diagnostics); },
             .rebuild = {},
             .stays = true},
            connectors, clock) {
  host_.observe(*this);
}

void FleetMember::take(FoundPipeline found) {
  const std::lock_guard guard(lock_);
  found_ = std::move(found);
}

FoundPipeline FleetMember::found() const {
  const std::lock_guard guard(lock_);
  return found_;
}

Share FleetMember::own_share() const {
  const std::lock_guard guard(lock_);
  return found_.spec ? Share{.threads = found_.spec->threads,
                             .memory_bytes = found_.spec->memory_limit_bytes}
                     : Share();
}

/// What was taken in, so that a start by itself finds what the last reload has found. A file that
/// had mistakes is read again: somebody has corrected it, and tries it.
std::optional<PipelineSpec> FleetMember::load(Diagnostics& diagnostics) {
  auto found = this->found();
  if (!found.spec) {
    auto again = read_found(found.file, connectors_);
    if (again && again->spec && again->version != found.version) {
      if (again->name == host_.name()) {
        take(*again);
        found = *std::move(again);
      } else {
        found.diagnostics.error({found.file},
                                fmt::format("the pipeline is called `{}` now", again->name),
                                "`millrace reload` takes it in");
      }
    }
  }
  diagnostics = found.diagnostics;
  if (!found.spec) {
    return std::nullopt;
  }
  auto spec = *std::move(found.spec);
  const std::lock_guard guard(lock_);
  spec.threads = share_.threads;
  spec.memory_limit_bytes = share_.memory_bytes;
  spec.process_memory_bytes = all_.memory_bytes;
  memory_in_use_ = share_.memory_bytes;
  return spec;
}

void FleetMember::set_share(const Share& share, const Share& all) {
  {
    const std::lock_guard guard(lock_);
    share_ = share;
    all_ = all;
  }
  follow_share();
}

void FleetMember::state_changed(const HostStatus& status) {
  if (status.state == RunState::running) {
    follow_share();  // it may have changed since the file was loaded
  }
}

/// One that is neither running nor paused gets its share when it starts.
void FleetMember::follow_share() {
  {
    const std::lock_guard guard(lock_);
    if (memory_in_use_ == 0 || memory_in_use_ == share_.memory_bytes) {
      return;
    }
  }
  (void)host_.between_batches([this](Pipeline* pipeline) {
    const std::lock_guard guard(lock_);
    if (pipeline == nullptr || memory_in_use_ == share_.memory_bytes) {
      return;
    }
    try {
      pipeline->set_memory_limit(share_.memory_bytes);
      memory_in_use_ = share_.memory_bytes;
      Log().debug("the memory limit is {} now", human_bytes(memory_in_use_));
    } catch (const Error& error) {  // it has more in use, and keeps it
      Log().warn("the memory limit stays {} until the next start: {}", human_bytes(memory_in_use_),
                 error.what());
    }
  });
}

}  // namespace millrace
