// Wakes when files arrive in folders: Linux's inotify.
#pragma once

#include <chrono>
#include <set>
#include <stop_token>
#include <string>

#include "base/files.h"

namespace millrace {

/// Tells that something may have arrived; what it is, a look at the folders says.
///
/// Where inotify can't be had (its limits are reached, or the file system is of another machine),
/// it just waits: the caller looks again after each wait anyway.
class FolderWatcher {
 public:
  FolderWatcher();

  /// Watches a folder; does nothing if it does already.
  void watch(const std::string& folder);
  /// Waits for an arrival, the end of the time, or a stop.
  void wait(const std::stop_token& stop, std::chrono::steady_clock::time_point until);

 private:
  bool drain();

  UniqueFd events_;
  UniqueFd wake_;  // written to when a stop is requested
  std::set<std::string> folders_;
};

}  // namespace millrace
