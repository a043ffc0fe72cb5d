#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <stdexcept>

namespace millrace {
namespace {

constexpr std::string_view kOther = "other";

/// As the formats have numbers: the shortest text that gives the same double.
void put_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else if (value == std::floor(value) && std::abs(value) < 1e15) {
    fmt::format_to(std::back_inserter(out), "{}", static_cast<std::int64_t>(value));
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

void put_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\n') {
      out += R"(\n)";
    } else if (c == '\\' || (quotes && c == '"')) {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
}

/// {pipeline="orders",le="0.5"}; `limit`: of a bucket; empty: there is none.
void put_labels(std::string& out, const MetricSpec& spec, const std::vector<std::string>& values,
                std::string_view limit = "") {
  char before = '{';
  const auto put = [&](std::string_view name, std::string_view value) {
    out += before;
    out += name;
    out += "=\"";
    put_escaped(out, value, /*quotes=*/true);
    out += '"';
    before = ',';
  };
  for (std::size_t i = 0; i < values.size(); i++) {
    put(spec.labels[i], values[i]);
  }
  if (!limit.empty()) {
    put("le", limit);
  }
  out += before == '{' ? "" : "}";
}

void put_line(std::string& out, double value) {
  out += ' ';
  put_number(out, value);
  out += '\n';
}

}  // namespace

std::string_view word_of(MetricType type) noexcept {
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::gauge:
      return "gauge";
    case MetricType::histogram:
      return "histogram";
  }
  return "unknown";
}

std::size_t MetricSpec::label_count() const noexcept {
  return static_cast<std::size_t>(std::ranges::find(labels, "") - labels.begin());
}

MetricSeries::MetricSeries(const MetricSpec& spec)
    : spec_(spec),
      counts_(spec.type == MetricType::histogram ? spec.buckets.size() + 1 : std::size_t{0}) {}

void MetricSeries::observe(double value) noexcept {
  const auto bucket = std::ranges::lower_bound(spec_.buckets, value) - spec_.buckets.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  add(value);
}

void MetricSeries::set(std::span<const std::uint64_t> counts, double sum) noexcept {
  for (std::size_t i = 0; i < std::min(counts.size(), counts_.size()); i++) {
    counts_[i].store(counts[i], std::memory_order_relaxed);
  }
  set(sum);
}

void MetricSeries::write(std::string& out, const std::vector<std::string>& labels) const {
  if (spec_.type != MetricType::histogram) {
    out += spec_.name;
    put_labels(out, spec_, labels);
    put_line(out, value());
    return;
  }
  std::uint64_t count = 0;
  std::string limit;
  for (std::size_t i = 0; i < counts_.size(); i++) {
    count += counts_[i].load(std::memory_order_relaxed);
    limit.clear();
    put_number(limit, i < spec_.buckets.size() ? spec_.buckets[i] : INFINITY);
    out += spec_.name;
    out += "_bucket";
    put_labels(out, spec_, labels, limit);
    put_line(out, static_cast<double>(count));
  }
  out += spec_.name;
  out += "_sum";
  put_labels(out, spec_, labels);
  put_line(out, value());
  out += spec_.name;
  out += "_count";
  put_labels(out, spec_, labels);
  put_line(out, static_cast<double>(count));
}

Metrics::Metrics(std::span<const MetricSpec* const> declared) {
  families_.reserve(declared.size());
  for (const auto* spec : declared) {
    families_.push_back({.spec = spec, .series = {}});
  }
}

Metrics::~Metrics() = default;

std::string_view Metrics::content_type(Format format) noexcept {
  return format == Format::open_metrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

Metrics::Format Metrics::format_for(std::string_view accept) noexcept {
  return accept.find("application/openmetrics-text") == std::string_view::npos
             ? Format::prometheus
             : Format::open_metrics;
}

void Metrics::write(std::string& out, Format format) const {
  const std::lock_guard guard(lock_);
  for (const auto& [group, collect] : collectors_) {
    collect();
  }
  constexpr std::string_view kTotal = "_total";
  for (const auto& family : families_) {
    if (family.series.empty()) {
      continue;
    }
    auto name = family.spec->name;
    if (format == Format::open_metrics && name.ends_with(kTotal)) {
      name.remove_suffix(kTotal.size());  // there the suffix belongs to the sample
    }
    fmt::format_to(std::back_inserter(out), "# HELP {} ", name);
    put_escaped(out, family.spec->help, format == Format::open_metrics);
    fmt::format_to(std::back_inserter(out), "\n# TYPE {} {}\n", name, word_of(family.spec->type));
    for (const auto& [labels, series] : family.series) {
      series->write(out, labels);
    }
  }
  if (format == Format::open_metrics) {
    out += "# EOF\n";
  }
}

Metrics::Family& Metrics::family_of(const MetricSpec& spec) {
  const auto found = std::ranges::find(families_, &spec, &Family::spec);
  if (found == families_.end()) {
    throw std::logic_error(fmt::format("metric {} is not declared", spec.name));
  }
  return *found;
}

MetricGroup::~MetricGroup() {
  const std::lock_guard guard(metrics_.lock_);
  metrics_.collectors_.erase(this);
  for (const auto& [spec, all] : made_) {
    auto& family = metrics_.family_of(*spec);
    for (const auto& labels : all) {
      family.series.erase(labels);
    }
  }
}

MetricSeries& MetricGroup::series(const MetricSpec& spec,
                                  std::initializer_list<std::string_view> values) {
  if (values.size() != spec.label_count()) {
    throw std::logic_error(fmt::format("metric {} has other labels", spec.name));
  }
  Metrics::Labels labels(values.begin(), values.end());
  const std::lock_guard guard(metrics_.lock_);
  auto& family = metrics_.family_of(spec);
  auto& made = made_[&spec];
  if (made.size() >= kSeriesMax && !made.contains(labels)) {
    std::fill(labels.begin() + 1, labels.end(), kOther);
  }
  auto& series = family.series[labels];
  if (series == nullptr) {
    series = std::make_unique<MetricSeries>(spec);
    made.insert(std::move(labels));
  }
  return *series;
}

void MetricGroup::remove(const MetricSpec& spec, std::initializer_list<std::string_view> values) {
  const Metrics::Labels labels(values.begin(), values.end());
  const std::lock_guard guard(metrics_.lock_);
  if (made_[&spec].erase(labels) > 0) {
    metrics_.family_of(spec).series.erase(labels);
  }
}

void MetricGroup::on_scrape(std::function<void()> collect) {
  const std::lock_guard guard(metrics_.lock_);
  metrics_.collectors_[this] = std::move(collect);
}

}  // namespace millrace
