#include "connectors/files/watcher.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace millrace {

namespace {

// A file is complete when its writer closes it or moves it in; a folder may bring files along. Not
// IN_CREATE of files: they are empty then.
constexpr std::uint32_t kArrivals = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR;

}  // namespace

FolderWatcher::FolderWatcher()
    : events_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void FolderWatcher::watch(const std::string& folder) {
  if (events_.is_open() && folders_.insert(folder).second &&
      ::inotify_add_watch(events_.get(), folder.c_str(), kArrivals) < 0) {
    folders_.erase(folder);
  }
}

bool FolderWatcher::drain() {
  alignas(inotify_event) std::array<char, 16 * 1024> buffer;
  bool arrived = false;
  while (true) {
    const auto got = ::read(events_.get(), buffer.data(), buffer.size());
    if (got <= 0) {
      return arrived;
    }
    for (std::ptrdiff_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      const bool creation_of_file = (event->mask & IN_CREATE) != 0 && (event->mask & IN_ISDIR) == 0;
      arrived |= !creation_of_file;
      if ((event->mask & IN_IGNORED) != 0) {
        folders_.clear();  // one of them is gone: all are asked for again at the next look
      }
      at += static_cast<std::ptrdiff_t>(sizeof(inotify_event)) + event->len;
    }
  }
}

void FolderWatcher::wait(const std::stop_token& stop, std::chrono::steady_clock::time_point until) {
  // Of a stop that ended an earlier wait.
  std::uint64_t stale = 0;
  [[maybe_unused]] const auto got = ::read(wake_.get(), &stale, sizeof(stale));
  const std::stop_callback on_stop(stop, [this] {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof(one));
  });
  while (!stop.stop_requested()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now() + std::chrono::microseconds(999));
    if (left.count() <= 0) {
      return;
    }
    std::array<pollfd, 2> fds{{{wake_.get(), POLLIN, 0}, {events_.get(), POLLIN, 0}}};
    ::poll(fds.data(), events_.is_open() ? 2 : 1,
           static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    if (fds[1].revents != 0 && drain()) {
      return;
    }
  }
}

}  // namespace millrace
