#include "control/process.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <thread>

namespace millrace::control {
namespace {

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

/// Of the control group, or of the machine.
std::int64_t memory_limit() {
  const std::int64_t machine = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) *
                               static_cast<std::int64_t>(::sysconf(_SC_PAGESIZE));
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::int64_t limit = 0;
    if (std::ifstream(path) >> limit && limit > 0) {
      return std::min(limit, machine);
    }
  }
  return machine;
}

std::int64_t resident_bytes() {
  std::int64_t all = 0;
  std::int64_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * static_cast<std::int64_t>(::sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::int64_t disk_free(const std::string& folder) {
  struct statvfs info{};
  return ::statvfs(folder.empty() ? "." : folder.c_str(), &info) == 0
             ? static_cast<std::int64_t>(info.f_bavail) * static_cast<std::int64_t>(info.f_frsize)
             : 0;
}

}  // namespace

ProcessFigures::ProcessFigures(std::string name, std::string version)
    : name_(std::move(name)),
      version_(std::move(version)),
      host_(host_name()),
      started_ms_(now_ms()),
      cores_(std::max(1U, std::thread::hardware_concurrency())),
      memory_limit_(memory_limit()),
      cpu_seconds_(cpu_seconds()) {}

void ProcessFigures::sample(std::int64_t rows_in, std::int64_t rows_out) {
  // What came long ago counts less, and a moment without a batch does not look like a stop.
  constexpr double kNewShare = 0.3;
  const auto now = Steady::now();
  const auto cpu = cpu_seconds();
  const std::lock_guard guard(lock_);
  const auto seconds = std::chrono::duration<double>(now - at_).count();
  if (seconds <= 0) {
    return;
  }
  const auto mix = [&](double& rate, double amount) {
    rate = (1 - kNewShare) * rate + kNewShare * amount / seconds;
  };
  mix(rows_in_s_, static_cast<double>(rows_in - rows_in_));
  mix(rows_out_s_, static_cast<double>(rows_out - rows_out_));
  cores_used_ = (cpu - cpu_seconds_) / seconds;
  at_ = now;
  cpu_seconds_ = cpu;
  rows_in_ = rows_in;
  rows_out_ = rows_out;
}

Json ProcessFigures::json(const std::string& folder) const {
  const std::lock_guard guard(lock_);
  return {{"name", name_},
          {"version", version_},
          {"host", host_},
          {"pid", ::getpid()},
          {"started_at", started_ms_},
          {"now", now_ms()},
          {"cpu", cores_used_},
          {"cores", cores_},
          {"rss", resident_bytes()},
          {"mem_limit", memory_limit_},
          {"disk_free", disk_free(folder)},
          {"rows_in_s", rows_in_s_},
          {"rows_out_s", rows_out_s_}};
}

}  // namespace millrace::control
