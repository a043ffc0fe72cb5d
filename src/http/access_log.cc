#include "http/access_log.h"

#include <fmt/core.h>

#include <utility>

#include "base/strings.h"
#include "http/target.h"

namespace millrace::http {
namespace {

constexpr std::size_t kLinesMax = 4096;

}  // namespace

AccessLog::AccessLog(AccessLogMode mode) : mode_(mode) {
  if (mode_ != AccessLogMode::off) {
    writer_ = std::thread([this] { write_lines(); });
  }
}

AccessLog::~AccessLog() { stop(); }

void AccessLog::add(const AccessEntry& entry) {
  std::string line =
      fmt::format("client={} user={} {} {} {} {} B {:.1f} ms", entry.client,
                  entry.user.empty() ? "-" : entry.user, entry.method.empty() ? "-" : entry.method,
                  entry.target.empty() ? "-" : logged_target(entry.target), entry.status,
                  entry.bytes, static_cast<double>(entry.took.count()) / 1000);
  {
    const std::lock_guard lock(mutex_);
    if (stopped_ || lines_.size() >= kLinesMax) {
      ++dropped_;
      return;
    }
    lines_.push_back(std::move(line));
  }
  changed_.notify_one();
}

std::int64_t AccessLog::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

void AccessLog::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  if (writer_.joinable()) {
    writer_.join();
  }
}

void AccessLog::write_lines() {
  std::int64_t told = 0;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopped_ || !lines_.empty(); });
    if (lines_.empty()) {
      return;
    }
    std::deque<std::string> lines = std::exchange(lines_, {});
    const std::int64_t fresh = std::exchange(told, dropped_) - dropped_;
    lock.unlock();
    for (const std::string& line : lines) {
      log_.info("{}", line);
    }
    if (fresh != 0) {
      log_.warn("{} of the access log were dropped: they came faster than they could be written",
                human_count(-fresh, "line"));
    }
    lock.lock();
  }
}

}  // namespace millrace::http
