// What each of several pipelines of a process may have of its memory and threads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace millrace {

/// Of one pipeline, or of all; 0: nobody has said how much.
struct Share {
  int threads = 0;
  std::int64_t memory_bytes = 0;
  bool operator==(const Share&) const = default;
};

/// What this process may use: the cores that it may run on, and the memory of the machine, each
/// less if the control group (cgroup v2) of the process, or one above it, has a limit.
[[nodiscard]] Share this_machine();
/// The same of files that lie elsewhere. `proc` and `cgroups`: what is /proc and /sys/fs/cgroup.
[[nodiscard]] Share this_machine(const std::string& proc, const std::string& cgroups);

/// Shares out what all may have together. `own`: what each pipeline's file says, if it does; that
/// it gets. Memory: what is left is divided evenly among the others, since what is given out twice
/// would be missed by somebody when both use it. Each gets kLeastMemory at least, so that very many
/// may have more together than there is. Threads: as pipelines rest between batches, twice as many
/// as there are are given out, to each of them no more than there are.
[[nodiscard]] std::vector<Share> share_out(const Share& all, std::span<const Share> own);
inline constexpr std::int64_t kLeastMemory = 64LL << 20;

/// What all may have if nobody says otherwise: all cores, and four fifths of the memory, as what
/// rows are read and written with is not counted.
[[nodiscard]] Share usual_share(const Share& machine) noexcept;

}  // namespace millrace
