#include "sql/internal/state/new_rows.h"

#include <tuple>
#include <unordered_map>
#include <utility>

namespace millrace::sql {

void NewRows::add(std::unique_ptr<Part> part) {
  const std::lock_guard guard(lock_);
  parts_.push_back(std::move(part));
}

std::int64_t NewRows::choose() {
  // Keys are rarely met twice in a batch: only those that were need a look-up.
  using Best = std::pair<std::size_t, std::size_t>;  // part, row
  std::unordered_map<duckdb::data_ptr_t, Best> contested;
  constexpr Best kNone{SIZE_MAX, 0};
  for (const auto& part : parts_) {
    part->chosen.assign(part->about.size(), true);
    for (const auto& row : part->about) {
      if (row.rival) {
        contested.emplace(row.key, kNone);
      }
    }
  }
  std::int64_t others = 0;
  for (std::size_t p = 0; p < parts_.size() && !contested.empty(); ++p) {
    for (std::size_t r = 0; r < parts_[p]->about.size(); ++r) {
      const auto& row = parts_[p]->about[r];
      const auto found = contested.find(row.key);
      if (found == contested.end()) {
        continue;
      }
      Best& best = found->second;
      if (best == kNone) {
        best = {p, r};
        continue;
      }
      const auto& other = parts_[best.first]->about[best.second];
      const bool better = std::tie(row.time, row.hash) < std::tie(other.time, other.hash);
      const Best loser = better ? std::exchange(best, {p, r}) : Best{p, r};
      parts_[loser.first]->chosen[loser.second] = false;
      ++others;
    }
  }
  return others;
}

std::vector<std::unique_ptr<NewRows::Part>> NewRows::take() {
  const std::lock_guard guard(lock_);
  return std::exchange(parts_, {});
}

void NewRows::clear() {
  const std::lock_guard guard(lock_);
  parts_.clear();
}

}  // namespace millrace::sql
