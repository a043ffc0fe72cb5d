// One piece of work for each of several numbers, shared by threads.
#pragma once

#include <cstddef>
#include <functional>

namespace millrace {

/// Calls `call` with each number below `count`, on this thread and up to `threads` - 1 new ones:
/// ThreadSanitizer cannot see what DuckDB's task queue hands over. An exception ends it early, and
/// is thrown when all threads have ended. Fewer threads do it all if the system has no more.
void call_on_threads(std::size_t count, std::size_t threads,
                     const std::function<void(std::size_t)>& call);

}  // namespace millrace
