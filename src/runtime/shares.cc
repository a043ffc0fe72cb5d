#include "runtime/shares.h"

#include <algorithm>
#include <thread>

#include "base/files.h"
#include "base/strings.h"

namespace millrace {
namespace {

std::string content_of(const std::string& path) {
  std::string text;
  return read_file_or_errno(path, text) == 0 ? text : std::string();
}

/// "MemTotal:       16316412 kB"
std::int64_t memory_of_machine(const std::string& meminfo) {
  constexpr std::string_view kTotal = "MemTotal:";
  for (const auto line : split(meminfo, '\n')) {
    if (line.starts_with(kTotal)) {
      const auto words = trim(line.substr(kTotal.size()));
      return parse_integer(words.substr(0, words.find(' '))).value_or(0) * 1024;
    }
  }
  return 0;
}

/// "max 100000" or "150000 100000": microseconds of a period. 0: no limit.
int cores_of(std::string_view cpu_max) {
  const auto words = split(trim(cpu_max), ' ');
  const auto quota = parse_integer(words.front());
  const auto period = words.size() > 1 ? parse_integer(words[1]) : std::nullopt;
  if (!quota || !period || *quota <= 0 || *period <= 0) {
    return 0;
  }
  return static_cast<int>(std::max<std::int64_t>((*quota + *period - 1) / *period, 1));
}

template <class Number>
Number smaller(Number a, Number b) {
  return a == 0 || (b != 0 && b < a) ? b : a;
}

}  // namespace

Share this_machine() { return this_machine("/proc", "/sys/fs/cgroup"); }

Share this_machine(const std::string& proc, const std::string& cgroups) {
  Share share{.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency())),
              .memory_bytes = memory_of_machine(content_of(proc + "/meminfo"))};
  std::string group;
  const auto groups = content_of(proc + "/self/cgroup");  // outlives its lines
  for (const auto line : split(groups, '\n')) {
    if (line.starts_with("0::")) {
      group = trim(line.substr(3));
    }
  }
  if (group == "/") {
    group.clear();
  }
  while (true) {  // a limit holds for all groups below
    share.memory_bytes =
        smaller(share.memory_bytes,
                parse_integer(trim(content_of(cgroups + group + "/memory.max"))).value_or(0));
    share.threads = smaller(share.threads, cores_of(content_of(cgroups + group + "/cpu.max")));
    if (group.empty()) {
      return share;
    }
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

Share usual_share(const Share& machine) noexcept {
  return {.threads = machine.threads, .memory_bytes = machine.memory_bytes / 5 * 4};
}

std::vector<Share> share_out(const Share& all, std::span<const Share> own) {
  auto left = all.memory_bytes;
  std::int64_t others = 0;
  for (const auto& share : own) {
    left -= share.memory_bytes;
    others += share.memory_bytes == 0 ? 1 : 0;
  }
  const auto memory = others == 0 ? 0 : std::max(left / others, kLeastMemory);
  const auto count = std::max(static_cast<int>(own.size()), 1);
  const auto threads = std::clamp((2 * all.threads + count - 1) / count, 1, all.threads);
  std::vector<Share> shares;
  shares.reserve(own.size());
  for (const auto& share : own) {
    shares.push_back({.threads = share.threads > 0 ? share.threads : threads,
                      .memory_bytes = share.memory_bytes > 0 ? share.memory_bytes : memory});
  }
  return shares;
}

}  // namespace millrace
