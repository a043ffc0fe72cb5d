#include "base/call_on_threads.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <system_error>
#include <vector>

namespace millrace {

void call_on_threads(std::size_t count, std::size_t threads,
                     const std::function<void(std::size_t)>& call) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < count; i = next++) {
        call(i);
      }
    } catch (...) {
      next = count;
      throw;
    }
  };
  std::vector<std::future<void>> others;  // wait for their threads in any case
  for (std::size_t wanted = std::min(count, threads); others.size() + 1 < wanted;) {
    try {
      others.push_back(std::async(std::launch::async, work));
    } catch (const std::system_error&) {
      wanted = 0;
    }
  }
  work();
  for (auto& other : others) {
    other.get();
  }
}

}  // namespace millrace
