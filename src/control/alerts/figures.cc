#include "control/alerts/figures.h"

#include <algorithm>

#include "base/strings.h"

namespace millrace::control {
namespace {

using Id = AlertMetric::Id;

/// Whether a name is the one that the rule is of, or it is of all.
bool is_of(const AlertRuleSpec& rule, std::string_view name) {
  return rule.of.empty() || equal_ignoring_case(rule.of, name);
}

AlertSample amount_of(double amount) { return {.known = true, .amount = amount}; }

AlertSample lag_of(const AlertRuleSpec& rule, const BatchProgress& batch) {
  AlertSample sample;
  for (const SourceProgress& source : batch.sources) {
    if (is_of(rule, source.name) && source.lag) {
      sample.known = true;
      sample.amount += static_cast<double>(source.lag->total);
      sample.whole += static_cast<double>(source.rows);
    }
  }
  const double seconds = static_cast<double>(batch.total_us) / 1e6;
  sample.whole = seconds > 0 ? sample.whole / seconds : 0;
  return sample;
}

/// By how much the newest row that a watermark has seen is ahead of it.
std::int64_t delay_us(const PipelineSpec& spec, std::string_view name) {
  const auto of = [&](const auto& all) -> std::optional<std::int64_t> {
    for (const auto& each : all) {
      if (equal_ignoring_case(each.name, name) && each.watermark) {
        return each.watermark->delay.count() * 1000;
      }
    }
    return std::nullopt;
  };
  return of(spec.sources).value_or(of(spec.datasets).value_or(0));
}

/// The time of the watermark, or of the newest row, that is furthest behind. One that is idle does
/// not count, if others are not.
AlertSample oldest_of(const AlertRuleSpec& rule, const PipelineSpec& spec,
                      const BatchProgress& batch, bool newest_row) {
  AlertSample sample;
  const bool all_idle = std::ranges::all_of(batch.watermarks, &WatermarkProgress::idle);
  for (const WatermarkProgress& mark : batch.watermarks) {
    const bool counts = !mark.idle || all_idle || !rule.of.empty();
    if (!is_of(rule, mark.name) || !mark.us || !counts) {
      continue;
    }
    const std::int64_t time = *mark.us + (newest_row ? delay_us(spec, mark.name) : 0);
    if (!sample.known || time < sample.time_us) {
      sample = {.known = true, .time_us = time};
    }
  }
  return sample;
}

AlertSample freshness_of(const AlertRuleSpec& rule, const PipelineSpec& spec,
                         const BatchProgress& batch, std::int64_t now_us) {
  const bool timed = std::ranges::any_of(
      batch.watermarks, [&](const WatermarkProgress& mark) { return is_of(rule, mark.name); });
  if (timed) {
    return oldest_of(rule, spec, batch, true);
  }
  const bool came = std::ranges::any_of(batch.sources, [&](const SourceProgress& source) {
    return is_of(rule, source.name) && source.rows > 0;
  });
  return {.known = came, .time_us = now_us};
}

/// Sums over sources, datasets without those that were made for checks, and sinks.
struct Sums {
  const AlertRuleSpec& rule;
  const BatchProgress& batch;

  template <class Get>
  [[nodiscard]] double sources(Get get) const {
    return over(batch.sources, [](const SourceProgress&) { return true; }, get);
  }
  template <class Get>
  [[nodiscard]] double datasets(Get get) const {
    return over(batch.datasets, [](const DatasetCounts& each) { return !each.for_checks; }, get);
  }
  template <class Get>
  [[nodiscard]] double sinks(Get get) const {
    return over(batch.sinks, [](const SinkCounts& each) { return !each.quarantine; }, get);
  }
  /// Over the checks of those that the rule is of, which may be a single one.
  template <class Get>
  [[nodiscard]] double checks(Get get) const {
    double sum = 0;
    for (const DatasetCounts& dataset : batch.datasets) {
      for (const CheckCounts& check : dataset.checks) {
        const bool counts =
            is_of(rule, dataset.name) || is_of(rule, dataset.name + "." + check.name);
        sum += !dataset.for_checks && counts ? static_cast<double>(get(check)) : 0;
      }
    }
    return sum;
  }

 private:
  template <class All, class Counts, class Get>
  [[nodiscard]] double over(const All& all, Counts counts, Get get) const {
    double sum = 0;
    for (const auto& each : all) {
      sum += counts(each) && is_of(rule, each.name) ? static_cast<double>(get(each)) : 0;
    }
    return sum;
  }
};

double quarantined(const Sums& sums) {
  return sums.sources([](const SourceProgress& each) {
    return each.malformed_rows;
  }) + sums.checks([](const CheckCounts& each) {
    return each.otherwise == Otherwise::quarantine ? each.violations : 0;
  }) + sums.sinks([](const SinkCounts& each) { return each.refused; });
}

}  // namespace

AlertSample sample_of(const AlertRuleSpec& rule, const PipelineSpec& spec,
                      const BatchProgress& batch, std::int64_t now_us) {
  const Sums sums{rule, batch};
  const auto malformed = [](const SourceProgress& each) { return each.malformed_rows; };
  const auto read = [](const SourceProgress& each) { return each.rows; };
  switch (rule.metric->id) {
    case Id::lag_rows:
    case Id::lag_time:
      return lag_of(rule, batch);
    case Id::freshness:
      return freshness_of(rule, spec, batch, now_us);
    case Id::watermark_delay:
      return oldest_of(rule, spec, batch, false);
    case Id::batch_age:
      return {.known = true, .time_us = now_us};
    case Id::batch_duration:
      return amount_of(static_cast<double>(batch.total_us) / 1e6);
    case Id::input_rows:
      return amount_of(sums.sources(read));
    case Id::output_rows:
      return amount_of(sums.sinks([](const SinkCounts& each) { return each.written; }));
    case Id::malformed_rows:
      return amount_of(sums.sources(malformed));
    case Id::malformed_share:
      return {.known = true, .amount = sums.sources(malformed), .whole = sums.sources(read)};
    case Id::quarantined_rows:
      return amount_of(quarantined(sums));
    case Id::refused_rows:
      return amount_of(sums.sinks([](const SinkCounts& each) { return each.refused; }));
    case Id::late_rows:
      return amount_of(sums.datasets([](const DatasetCounts& each) { return each.late.rows; }));
    case Id::failed_rows:
      return amount_of(sums.checks([](const CheckCounts& each) { return each.violations; }));
    case Id::failed_checks:
      return amount_of(
          sums.checks([](const CheckCounts& each) { return each.violations > 0 ? 1 : 0; }));
    case Id::state_rows:
      return amount_of(sums.datasets([](const DatasetCounts& each) { return each.state_rows; }));
    case Id::state_bytes:
      return amount_of(sums.datasets([](const DatasetCounts& each) { return each.state_bytes; }));
    case Id::memory_bytes:
      return amount_of(static_cast<double>(batch.memory_bytes));
    case Id::restarts:
    case Id::state:
    case Id::finding:
      return {};  // no batch tells of them
  }
  std::unreachable();
}

void MetricWatch::add(const AlertSample& sample, std::int64_t now_us) {
  if (!sample.known) {
    return;
  }
  last_ = sample;
  last_rate_ = sample.whole > 0 ? sample.whole : last_rate_;
  if (rule_.over.count() == 0) {
    return;
  }
  const std::int64_t over_us = rule_.over.count() * 1000;
  if (parts_.empty() || now_us - parts_.back().begin_us >= over_us / kParts) {
    parts_.push_back({.begin_us = now_us});
  }
  parts_.back().amount += sample.amount;
  parts_.back().whole += sample.whole;
  while (now_us - parts_.front().begin_us >= over_us) {
    parts_.pop_front();
  }
}

std::optional<double> MetricWatch::value(std::int64_t now_us) const {
  const auto age = [&](std::int64_t since_us) {
    return static_cast<double>(std::max<std::int64_t>(now_us - since_us, 0)) / 1e6;
  };
  switch (rule_.metric->id) {
    case Id::freshness:
    case Id::batch_age:
      return age(last_.known ? last_.time_us : start_us_);
    case Id::watermark_delay:
      return last_.known ? std::optional(age(last_.time_us)) : std::nullopt;
    case Id::lag_time:
      return !last_.known        ? std::nullopt
             : last_.amount == 0 ? std::optional(0.0)
             : last_rate_ > 0    ? std::optional(last_.amount / last_rate_)
                                 : std::nullopt;
    default:
      return counted(now_us);
  }
}

std::optional<double> MetricWatch::counted(std::int64_t now_us) const {
  Part sum{.amount = last_.amount, .whole = last_.whole};
  if (rule_.over.count() > 0) {
    const std::int64_t over_us = rule_.over.count() * 1000;
    // What has not been watched for so long may have had more than we know: too few is no news.
    if (rule_.test == AlertTest::below && now_us - start_us_ < over_us) {
      return std::nullopt;
    }
    sum = {};
    for (const Part& part : parts_) {
      if (now_us - part.begin_us < over_us) {
        sum.amount += part.amount;
        sum.whole += part.whole;
      }
    }
  } else if (!last_.known) {
    return std::nullopt;
  }
  if (rule_.metric->unit != AlertUnit::share) {
    return sum.amount;
  }
  return sum.whole > 0 ? sum.amount / sum.whole : 0;
}

}  // namespace millrace::control
