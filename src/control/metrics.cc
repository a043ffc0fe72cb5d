#include "control/metrics.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>

#include "control/metric_specs.h"

namespace millrace::control {
namespace {

double now_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// A field of /proc/self/status, whose line is "Threads:  12" or "VmRSS:  1234 kB".
double field_of(const std::string& status, std::string_view name) {
  const auto at = status.find(fmt::format("{}:", name));
  return at == std::string::npos ? 0 : std::strtod(status.c_str() + at + name.size() + 1, nullptr);
}

double open_files() {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  // One is that of the listing itself.
  return error ? 0 : static_cast<double>(std::distance(begin(files), end(files)) - 1);
}

/// When the process began, by the age that the kernel knows.
double started_seconds() {
  std::ifstream stat("/proc/self/stat");
  std::string line;
  std::getline(stat, line);
  std::ifstream uptime("/proc/uptime");
  double up = 0;
  uptime >> up;
  const auto name_end = line.rfind(')');
  if (name_end == std::string::npos || up == 0) {
    return now_seconds();
  }
  std::istringstream fields(line.substr(name_end + 2));
  std::string skipped;
  for (int field = 3; field < 22; field++) {  // proc(5): the 22nd is the start, in ticks since boot
    fields >> skipped;
  }
  double ticks = 0;
  fields >> ticks;
  return now_seconds() - up + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

std::span<const MetricSpec* const> declared_metrics() { return metric::kAll; }

std::string metrics_markdown() {
  std::string out =
      "# Metrics\n\nMade by `millrace docs metrics` from their declarations.\n\n"
      "`GET /metrics` of the control server gives them in the text format of Prometheus, or that "
      "of "
      "OpenMetrics\nto who asks for it. Counters count since the process began; those of a "
      "pipeline "
      "are gone when the process\nforgets it. [examples/monitoring](../../examples/monitoring) has "
      "a configuration for Prometheus, alerts and a dashboard\nthat use them.\n\n"
      "| metric | type | labels | what it is |\n|---|---|---|---|\n";
  for (const auto* spec : declared_metrics()) {
    std::string labels;
    for (std::size_t i = 0; i < spec->label_count(); i++) {
      labels += fmt::format("{}`{}`", i == 0 ? "" : ", ", spec->labels[i]);
    }
    fmt::format_to(std::back_inserter(out), "| `{}` | {} | {} | {} |\n", spec->name,
                   word_of(spec->type), labels, spec->help);
  }
  return out;
}

struct ProcessMetrics::Impl {
  explicit Impl(Metrics& metrics) : group(metrics) {}

  void collect() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    cpu.set(seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
    std::ifstream file("/proc/self/status");
    const std::string status(std::istreambuf_iterator<char>(file), {});
    resident.set(field_of(status, "VmRSS") * 1024);
    address_space.set(field_of(status, "VmSize") * 1024);
    threads.set(field_of(status, "Threads"));
    files.set(open_files());
    uptime.set(now_seconds() - started);
  }

  MetricGroup group;
  double started = started_seconds();
  MetricSeries& cpu = group.series(metric::kCpu);
  MetricSeries& resident = group.series(metric::kResident);
  MetricSeries& address_space = group.series(metric::kVirtual);
  MetricSeries& threads = group.series(metric::kThreads);
  MetricSeries& files = group.series(metric::kOpenFiles);
  MetricSeries& uptime = group.series(metric::kUptime);
};

ProcessMetrics::ProcessMetrics(Metrics& metrics, const std::string& version)
    : impl_(std::make_unique<Impl>(metrics)) {
  auto& group = impl_->group;
  group.series(metric::kBuild, {version}).set(1);
  group.series(metric::kStartTime).set(impl_->started);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  group.series(metric::kMaxFiles).set(static_cast<double>(limit.rlim_cur));
  group.on_scrape([impl = impl_.get()] { impl->collect(); });
}

ProcessMetrics::~ProcessMetrics() = default;

}  // namespace millrace::control
