// An alert's life: inactive, pending, firing, and then inactive again, which is told as resolved.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "spec/alerts.h"

namespace millrace::control {

struct AlertState {
  enum class Phase : std::uint8_t { inactive, pending, firing };
  Phase phase = Phase::inactive;
  std::int64_t since_us = 0;  ///< of pending and firing: when it began to be so
  std::int64_t fired_us = 0;  ///< of firing: since when
  std::int64_t true_us = 0;   ///< of firing: when it was so last
  std::int64_t told_us = 0;   ///< of firing: when receivers were told last
  bool operator==(const AlertState&) const = default;
};
[[nodiscard]] std::string_view word_of(AlertState::Phase phase) noexcept;

/// What receivers have to be told of.
enum class AlertStep : std::uint8_t { nothing, fired, reminded, resolved };

/// Goes on with an alert by whether it is so now. A clock that was set back does no more than
/// delay.
[[nodiscard]] AlertStep advance(const AlertRuleSpec& rule, bool is_so, std::int64_t now_us,
                                AlertState& state);

/// When to look again because of the time alone, if nothing changes.
inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
[[nodiscard]] std::int64_t next_look_us(const AlertRuleSpec& rule,
                                        const AlertState& state) noexcept;

}  // namespace millrace::control
