// Shows ThreadSanitizer what libduckdb.so hands from one thread to another.
//
// The library is not instrumented, and its task queue works without locks: what a thread made
// before it scheduled a task looks unsynchronised to the thread that runs the task. Our own threads
// need none of this. Without ThreadSanitizer both calls do nothing.
#pragma once

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace millrace {

/// What this thread did until now happens before what another does after taking over `what`.
inline void hand_over([[maybe_unused]] void* what) noexcept {
#ifdef __SANITIZE_THREAD__
  __tsan_release(what);
#endif
}

inline void take_over([[maybe_unused]] void* what) noexcept {
#ifdef __SANITIZE_THREAD__
  __tsan_acquire(what);
#endif
}

}  // namespace millrace
