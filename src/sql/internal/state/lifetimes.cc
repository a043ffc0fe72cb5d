#include "sql/internal/state/lifetimes.h"

#include <algorithm>

namespace millrace::sql {

namespace {

constexpr std::uint64_t kMostLives = 0xffff;

}  // namespace

bool Lifetimes::extend(duckdb::data_ptr_t row, Window end) {
  Mark& life = mark(row);
  const bool is_new = life.number == 0;
  if (!is_new && life.end == end) {
    return false;
  }
  const bool was_alive = !is_new && life.end >= bound_;
  if (was_alive) {
    const auto before = groups_.find(life.end);
    if (--before->second == 0) {
      groups_.erase(before);
    }
    --alive_;
  }
  life.end = end;
  ++groups_[end];
  ++alive_;
  if (!was_alive) {
    life.number = (life.number % kMostLives) + 1;
  }
  return !is_new && !was_alive;
}

void Lifetimes::forget_before(Window bound) {
  bound_ = std::max(bound_, bound);
  const auto end = groups_.lower_bound(bound_);
  for (auto group = groups_.begin(); group != end; ++group) {
    alive_ -= group->second;
    over_ += group->second;
  }
  groups_.erase(groups_.begin(), end);
}

duckdb::AggregateObject lifetime_aggregate() {
  return hidden_aggregate<Lifetimes::Mark>("millrace_lifetime");
}

Window end_of_life(Window time, Window length) {
  const Window grain = std::max<Window>(1, length / kLifeGrains);
  const Window end = std::min(time, kAfterAll - length - grain) + length;
  const Window rest = end % grain;
  return rest == 0 ? end : end - rest + (rest > 0 ? grain : 0);
}

}  // namespace millrace::sql
