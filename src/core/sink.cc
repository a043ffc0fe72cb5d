#include "core/sink.h"

#include <utility>

namespace millrace {

std::string_view name_of(OutputMode mode) noexcept {
  switch (mode) {
    case OutputMode::append:
      return "append";
    case OutputMode::update:
      return "update";
    case OutputMode::complete:
      return "complete";
  }
  std::unreachable();
}

}  // namespace millrace
