#include "base/fault.h"

#ifdef MILLRACE_FAULTS

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/strings.h"

namespace millrace {
namespace {

/// What the environment asks for, read once.
struct Plan {
  std::string name;  ///< empty: nothing is to fail
  std::int64_t hit = 0;
  bool kill = true;
  int log = -1;
};

Plan read_plan() {
  Plan plan;
  if (const char* text = std::getenv("MILLRACE_FAULT"); text != nullptr && *text != '\0') {
    const auto parts = split(text, ':');
    const auto hit = parts.size() > 1 ? parse_integer(parts[1]) : std::nullopt;
    const bool good_action = parts.size() < 3 || parts[2] == "kill" || parts[2] == "error";
    if (parts.size() > 3 || !hit || *hit < 1 || !good_action) {
      throw Error(Blame::user,
                  fmt::format("MILLRACE_FAULT must be name:N[:kill|:error], not `{}`", text));
    }
    plan.name = parts[0];
    plan.hit = *hit;
    plan.kill = parts.size() < 3 || parts[2] == "kill";
  }
  if (const char* path = std::getenv("MILLRACE_FAULT_LOG"); path != nullptr && *path != '\0') {
    plan.log = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (plan.log < 0) {
      throw Error(Blame::user, fmt::format("cannot open MILLRACE_FAULT_LOG `{}`", path));
    }
  }
  return plan;
}

}  // namespace

void fault_point(std::string_view name) {
  // Test builds only, so the rule against state of the process does not bite here.
  static const Plan plan = read_plan();
  static std::atomic<std::int64_t> hits = 0;
  if (plan.log >= 0) {
    // One write a line: lines of several threads do not mix.
    const std::string line = std::string(name) + "\n";
    (void)!::write(plan.log, line.data(), line.size());
  }
  if (plan.name != name || ++hits != plan.hit) {
    return;
  }
  if (plan.kill) {
    ::kill(::getpid(), SIGKILL);
    ::pause();
  }
  throw Error(Blame::external, fmt::format("fault point `{}` failed on purpose", name));
}

std::int64_t worth_a_thread(std::int64_t usually) {
  static const auto wanted = [] {
    const char* text = std::getenv("MILLRACE_WORTH_A_THREAD");
    return text == nullptr ? std::nullopt : parse_integer(text);
  }();
  return wanted.value_or(usually);
}

}  // namespace millrace

#endif  // MILLRACE_FAULTS
