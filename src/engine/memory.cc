#include "engine/memory.h"

#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/files.h"
#include "base/strings.h"

namespace millrace {
namespace {

// The process may have so much more than the limit: the program itself, and buffers for rows that
// are read and written.
constexpr std::int64_t kBesideStateBytes = 256LL << 20;

/// What the process has in memory; 0 if the system does not tell.
std::int64_t resident_bytes() {
  std::string text;
  if (read_file_or_errno("/proc/self/statm", text) != 0) {
    return 0;
  }
  char* rest = nullptr;
  (void)std::strtoll(text.c_str(), &rest, 10);  // the address space
  return std::strtoll(rest, nullptr, 10) * ::sysconf(_SC_PAGESIZE);
}

struct StateSize {
  const DatasetNode* dataset = nullptr;
  sql::StateStats stats;
};

/// Of each dataset with state, the largest first.
std::vector<StateSize> state_sizes(const Graph& graph) {
  std::vector<StateSize> sizes;
  for (const auto& dataset : graph.datasets) {
    if (dataset.plan->has_state()) {
      sizes.push_back({&dataset, dataset.plan->state_stats()});
    }
  }
  std::sort(sizes.begin(), sizes.end(),
            [](const StateSize& a, const StateSize& b) { return a.stats.bytes > b.stats.bytes; });
  return sizes;
}

}  // namespace

void check_memory(const Graph& graph, const sql::Database& database, std::int64_t live_bytes,
                  std::int64_t process_bytes) {
  std::int64_t state = live_bytes;
  for (const auto& size : state_sizes(graph)) {
    state += size.stats.bytes;
  }
  if (state == 0) {
    return;
  }
  const auto limit = database.memory_limit_bytes();
  const auto is_above = [of_all = std::max(limit, process_bytes)] {
    return resident_bytes() - kBesideStateBytes > of_all;
  };
  if (state > limit) {
    throw out_of_memory(graph, database, "", live_bytes);
  }
  if (!is_above()) {
    return;
  }
  ::malloc_trim(0);  // what is free in the heap does not count
  if (is_above()) {
    throw out_of_memory(graph, database,
                        fmt::format("the process has {} in memory", human_bytes(resident_bytes())),
                        live_bytes);
  }
}

Error out_of_memory(const Graph& graph, const sql::Database& database, const std::string& reason,
                    std::int64_t live_bytes) {
  const auto sizes = state_sizes(graph);
  std::string text =
      fmt::format("the memory limit of {} is reached", human_bytes(database.memory_limit_bytes()));
  if (sizes.empty()) {
    text +=
        "; no dataset keeps state, so it is one batch that needs so much: raise `memory_limit`, or "
        "limit what a batch reads";
  } else {
    const auto& largest = sizes.front();
    text += fmt::format(
        "; the largest state is that of dataset {}: {} rows, {} in memory\nraise `memory_limit`, "
        "or keep less: group by a window of a column with a watermark, or give the dataset a "
        "`state_ttl`; the checkpoint is as of the last batch, and with a larger limit the pipeline "
        "goes on from there",
        largest.dataset->name, human_count(largest.stats.rows), human_bytes(largest.stats.bytes));
  }
  if (live_bytes > 0) {
    text += fmt::format("\ntables that are served take {} more", human_bytes(live_bytes));
  }
  return {Blame::user, reason.empty() ? text : fmt::format("{}\n({})", text, reason)};
}

}  // namespace millrace
