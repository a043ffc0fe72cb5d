#include "engine/replay.h"

#include <set>

namespace millrace {

namespace {
constexpr const char* kReplayKey = "quarantine";
}  // namespace

Json replay_slice(const std::vector<std::int64_t>& batches) { return {{kReplayKey, batches}}; }

std::optional<std::vector<std::int64_t>> replayed_batches(const Json& offsets) {
  const auto found = offsets.is_object() ? offsets.find(kReplayKey) : offsets.end();
  // A topic may have that name, too; its offsets are no list.
  return found == offsets.end() || !found->is_array()
             ? std::nullopt
             : std::optional(found->get<std::vector<std::int64_t>>());
}

std::map<std::string, Json> replay_slices(const std::vector<KeptFile>& files) {
  std::map<std::string, std::set<std::int64_t>> batches;
  for (const auto& file : files) {
    batches[file.of].insert(file.batch);
  }
  std::map<std::string, Json> slices;
  for (const auto& [source, of_source] : batches) {
    slices[source] = replay_slice({of_source.begin(), of_source.end()});
  }
  return slices;
}

}  // namespace millrace
