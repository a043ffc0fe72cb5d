#include "control/alerts/rule_state.h"

#include <algorithm>

namespace millrace::control {
namespace {

std::int64_t us(std::chrono::milliseconds duration) noexcept { return duration.count() * 1000; }

using AlertPhase = AlertState::Phase;

AlertStep while_so(const AlertRuleSpec& rule, std::int64_t now_us, AlertState& state) {
  if (state.phase == AlertPhase::inactive) {
    state = {.phase = AlertPhase::pending, .since_us = now_us};
  }
  if (state.phase == AlertPhase::firing) {
    state.true_us = now_us;
    if (!rule.repeat || now_us - state.told_us < us(*rule.repeat)) {
      return AlertStep::nothing;
    }
    state.told_us = now_us;
    return AlertStep::reminded;
  }
  if (now_us - state.since_us < us(rule.wait)) {
    return AlertStep::nothing;
  }
  state = {AlertPhase::firing, state.since_us, now_us, now_us, now_us};
  return AlertStep::fired;
}

}  // namespace

std::string_view word_of(AlertPhase phase) noexcept {
  return phase == AlertPhase::inactive  ? "inactive"
         : phase == AlertPhase::pending ? "pending"
                                        : "firing";
}

AlertStep advance(const AlertRuleSpec& rule, bool is_so, std::int64_t now_us, AlertState& state) {
  for (std::int64_t* time : {&state.since_us, &state.fired_us, &state.true_us, &state.told_us}) {
    *time = std::min(*time, now_us);
  }
  if (is_so) {
    return while_so(rule, now_us, state);
  }
  const bool fired = state.phase == AlertPhase::firing;
  if (fired && now_us - state.true_us < us(rule.keep_firing_for)) {
    return AlertStep::nothing;
  }
  state = {};
  return fired ? AlertStep::resolved : AlertStep::nothing;
}

std::int64_t next_look_us(const AlertRuleSpec& rule, const AlertState& state) noexcept {
  if (state.phase == AlertPhase::pending) {
    return state.since_us + us(rule.wait);
  }
  std::int64_t next = kNever;
  if (state.phase == AlertPhase::firing && rule.repeat) {
    next = state.told_us + us(*rule.repeat);
  }
  if (state.phase == AlertPhase::firing && rule.keep_firing_for.count() > 0) {
    next = std::min(next, state.true_us + us(rule.keep_firing_for));
  }
  return next;
}

}  // namespace millrace::control
