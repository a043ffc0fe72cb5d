#include "base/clock.h"

#ifdef MILLRACE_FAULTS
#include <fmt/core.h>

#include <cstdlib>

#include "base/error.h"
#include "base/strings.h"
#endif

namespace millrace {

std::unique_ptr<Clock> make_clock() {
#ifdef MILLRACE_FAULTS
  if (const char* text = std::getenv("MILLRACE_CLOCK"); text != nullptr && *text != '\0') {
    const auto now_us = parse_integer(text);
    if (!now_us) {
      throw Error(Blame::user,
                  fmt::format("MILLRACE_CLOCK must be microseconds since 1970, not `{}`", text));
    }
    return std::make_unique<ManualClock>(*now_us);
  }
#endif
  return std::make_unique<SystemClock>();
}

}  // namespace millrace
