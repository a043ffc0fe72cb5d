#include "engine/checked_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "spec/tables.h"

namespace millrace {
namespace {

constexpr std::int64_t kShown = 5;
constexpr std::size_t kShownBytes = 500;

std::string shortened(std::string_view text) {
  return std::string(text.substr(0, kShownBytes)) + (text.size() > kShownBytes ? " ..." : "");
}

/// How many whole numbers lie between two.
std::int64_t between(std::int64_t low, std::int64_t high) {
  const auto count = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) - 1;
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(count, std::numeric_limits<std::int64_t>::max()));
}

std::int64_t bit(std::size_t check) { return std::int64_t{1} << check; }

[[noreturn]] void fail(const std::string& what) {
  throw Error(Blame::external, what + "; nothing of this batch was committed");
}

}  // namespace

std::string text_of(const CheckSpec& check) {
  switch (check.kind) {
    case CheckSpec::Kind::expect:
      return check.expect.text;
    case CheckSpec::Kind::references:
      return fmt::format("{} in {}.{}", check.columns[0], check.table, check.table_column);
    case CheckSpec::Kind::unique:
      return fmt::format("unique {}", fmt::join(check.columns, ", "));
    case CheckSpec::Kind::sequence:
      return fmt::format("{} without gaps", check.columns[0]);
  }
  std::unreachable();
}

Json totals_json(const std::map<std::string, TotalsByCheck>& totals) {
  Json all = Json::object();
  for (const auto& [of, checks] : totals) {
    for (const auto& [name, total] : checks) {
      Json one = {{"rows", total.rows}, {"violations", total.violations}};
      if (total.last) {
        one["last"] = *total.last;
      }
      all[of][name] = std::move(one);
    }
  }
  return all;
}

std::map<std::string, TotalsByCheck> totals_of(const Json& saved) {
  std::map<std::string, TotalsByCheck> totals;
  for (const auto& [of, checks] : saved.items()) {
    for (const auto& [name, total] : checks.items()) {
      auto& one = totals[of][name];
      one.rows = total.value("rows", std::int64_t{0});
      one.violations = total.value("violations", std::int64_t{0});
      if (total.contains("last")) {
        one.last = total.at("last").get<std::int64_t>();
      }
    }
  }
  return totals;
}

void NumberRanges::add(std::int64_t number) {
  if (!ranges_.empty()) {
    auto& newest = ranges_.back();
    if (number >= newest.first && number <= newest.last) {
      return;
    }
    if (newest.last < number && number - 1 == newest.last) {
      newest.last = number;
      return;
    }
  }
  ranges_.push_back({number, number});
  if (ranges_.size() >= join_at_) {
    join();
    join_at_ = std::max<std::size_t>(1024, ranges_.size() * 2);
  }
}

void NumberRanges::add(const NumberRanges& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  join();
}

const std::vector<NumberRanges::Range>& NumberRanges::joined() {
  join();
  return ranges_;
}

void NumberRanges::join() {
  std::ranges::sort(ranges_, {}, &Range::first);
  std::size_t kept = 0;
  for (std::size_t i = 1; i < ranges_.size(); i++) {
    auto& before = ranges_[kept];
    const bool meets = ranges_[i].first <= before.last || ranges_[i].first - 1 == before.last;
    if (meets) {
      before.last = std::max(before.last, ranges_[i].last);
    } else {
      ranges_[++kept] = ranges_[i];
    }
  }
  ranges_.resize(std::min(ranges_.size(), kept + 1));
}

CheckedRows::CheckedRows(const CheckStep& step, MalformedReceiver& quarantine)
    : step_(step),
      quarantine_(quarantine),
      samples_(step.rows.size()),
      sequences_(step.sequences.size()) {}

void CheckedRows::Observer::observe(const Chunk& chunk) {
  rows_ += static_cast<std::int64_t>(chunk.rows);
  const auto& step = to_.step_;
  for (std::size_t s = 0; s < sequences_.size(); s++) {
    const auto& column = chunk.columns[step.first_sequence + s];
    const auto* numbers = column.values<std::int64_t>();
    for (std::size_t row = 0; row < chunk.rows; row++) {
      if (!column.is_null(row)) {
        sequences_[s].add(numbers[row]);
      }
    }
  }
  const auto* verdicts = chunk.columns[step.verdict].values<std::int64_t>();
  std::int64_t any = 0;
  for (std::size_t row = 0; row < chunk.rows; row++) {
    any |= verdicts[row];
  }
  if (any == 0) {
    return;
  }
  for (std::size_t row = 0; row < chunk.rows; row++) {
    if (verdicts[row] == 0) {
      continue;
    }
    removed_ += (verdicts[row] & step.removing) != 0 ? 1 : 0;
    for (std::size_t i = 0; i < step.rows.size(); i++) {
      violations_[i] += (verdicts[row] & bit(i)) != 0 ? 1 : 0;
    }
    put_aside_ += to_.note(verdicts[row], chunk.columns[step.text].string(row)) ? 1 : 0;
  }
}

/// Shows the first rows, and puts aside what a check wants put aside: then true.
bool CheckedRows::note(std::int64_t verdict, std::string_view text) {
  std::string reasons;
  for (std::size_t i = 0; i < step_.rows.size(); i++) {
    if ((verdict & bit(i)) == 0) {
      continue;
    }
    const auto& check = *step_.rows[i];
    if (check.otherwise == Otherwise::quarantine) {
      reasons +=
          fmt::format("{}check {}: {}", reasons.empty() ? "" : "; ", check.name, text_of(check));
    }
    if (samples_[i].given.fetch_add(1, std::memory_order_relaxed) >= kShown) {
      continue;
    }
    if (check.otherwise == Otherwise::fail) {
      const std::lock_guard guard(lock_);
      samples_[i].texts.push_back(shortened(text));
    } else {
      log_.warn("{}: a row violates check {} ({}), {}: {}", step_.of, check.name, text_of(check),
                enum_word(check.otherwise), shortened(text));
    }
  }
  if (reasons.empty()) {
    return false;
  }
  MalformedRow row;
  row.origin = step_.of;
  row.reason = std::move(reasons);
  row.raw = text;
  quarantine_.add(row);
  return true;
}

void CheckedRows::take(const Observer& observer) {
  const std::lock_guard guard(lock_);
  rows_ += observer.rows_;
  removed_ += observer.removed_;
  put_aside_ += observer.put_aside_;
  for (std::size_t i = 0; i < violations_.size(); i++) {
    violations_[i] += observer.violations_[i];
  }
  for (std::size_t s = 0; s < sequences_.size(); s++) {
    sequences_[s].add(observer.sequences_[s]);
  }
}

std::vector<CheckCounts> CheckedRows::end(TotalsByCheck& totals, std::vector<std::string>& alerts) {
  std::vector<CheckCounts> all;
  all.reserve(step_.rows.size() + step_.sequences.size());
  for (std::size_t i = 0; i < step_.rows.size(); i++) {
    const auto& check = *step_.rows[i];
    all.push_back({check.name, check.otherwise, rows_, violations_[i]});
    judge(check, all.back(), samples_[i], alerts);
  }
  for (std::size_t s = 0; s < step_.sequences.size(); s++) {
    all.push_back(end_sequence(s, totals[step_.sequences[s]->name], alerts));
  }
  for (const auto& counts : all) {
    auto& total = totals[counts.name];
    total.rows += counts.rows;
    total.violations += counts.violations;
  }
  return all;
}

/// Whether the batch as a whole violates the check, and what that means.
void CheckedRows::judge(const CheckSpec& check, const CheckCounts& counts, const Samples& samples,
                        std::vector<std::string>& alerts) const {
  const auto share =
      counts.rows == 0 ? 0
                       : static_cast<double>(counts.violations) / static_cast<double>(counts.rows);
  const bool violated =
      check.max_share ? share > *check.max_share : check.otherwise == Otherwise::fail && share > 0;
  if (!violated) {
    return;
  }
  auto what =
      fmt::format("{}: {} of {} violate check {} ({})", step_.of, human_count(counts.violations),
                  human_count(counts.rows, "row"), check.name, text_of(check));
  if (check.max_share) {
    what += fmt::format(", {:.3g} %, and at most {:.3g} % may (`max_share`)", share * 100,
                        *check.max_share * 100);
  }
  if (check.otherwise != Otherwise::fail) {
    alerts.push_back(std::move(what));
    return;
  }
  fail(fmt::format("{}; {}: {}", what, samples.texts.size() == 1 ? "the row" : "such rows",
                   fmt::join(samples.texts, ", ")));
}

CheckCounts CheckedRows::end_sequence(std::size_t at, CheckTotals& totals,
                                      std::vector<std::string>& alerts) {
  const auto& check = *step_.sequences[at];
  CheckCounts counts{check.name, check.otherwise, rows_, 0};
  std::vector<std::string> gaps;
  std::int64_t more = 0;
  auto last = totals.last;
  for (const auto& range : sequences_[at].joined()) {
    if (last && range.last <= *last) {
      continue;  // a number that came before, or closes a gap that was counted
    }
    if (last && range.first > *last && range.first - 1 != *last) {
      counts.violations += between(*last, range.first);
      if (std::cmp_less(gaps.size(), kShown)) {
        gaps.push_back(range.first - 2 == *last
                           ? std::to_string(*last + 1)
                           : fmt::format("{} to {}", *last + 1, range.first - 1));
      } else {
        more++;
      }
    }
    last = range.last;
  }
  if (counts.violations > 0) {
    const auto what = fmt::format(
        "{}: {} missing in the sequence {} (check {}): {}{}", step_.of,
        human_count(counts.violations, "number"), check.columns[0], check.name,
        fmt::join(gaps, ", "), more > 0 ? fmt::format(", and {}", human_count(more, "gap")) : "");
    if (check.otherwise == Otherwise::fail) {
      fail(what);
    }
    alerts.push_back(what);
  }
  totals.last = last;
  return counts;
}

}  // namespace millrace
