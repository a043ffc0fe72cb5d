// Figures for those who scrape: declared once, counted by label values, written in the text format
// of Prometheus (exposition format 0.0.4) or of OpenMetrics 1.0.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

enum class MetricType : std::uint8_t { counter, gauge, histogram };

/// A metric as it is declared: the page of the reference is made from the same.
struct MetricSpec {
  std::string_view name;  ///< with its unit; a counter's ends in _total
  MetricType type = MetricType::gauge;
  std::string_view help;                     ///< one sentence, with what a value means
  std::array<std::string_view, 5> labels{};  ///< those that are empty do not count
  std::span<const double> buckets = {};      ///< of a histogram: upper limits, ascending

  [[nodiscard]] std::size_t label_count() const noexcept;
};

/// One metric for one set of label values. Thread-safe.
class MetricSeries {
 public:
  explicit MetricSeries(const MetricSpec& spec);

  void add(double amount) noexcept { value_.fetch_add(amount, std::memory_order_relaxed); }
  /// Of a gauge; or of a counter that is counted elsewhere.
  void set(double value) noexcept { value_.store(value, std::memory_order_relaxed); }
  /// Of a histogram: one value.
  void observe(double value) noexcept;
  /// Of a histogram that is counted elsewhere: how many values are in each bucket, with those above
  /// the last limit at the end; not cumulated.
  void set(std::span<const std::uint64_t> counts, double sum) noexcept;

  [[nodiscard]] double value() const noexcept { return value_.load(std::memory_order_relaxed); }
  /// Appends its lines.
  void write(std::string& out, const std::vector<std::string>& labels) const;

 private:
  const MetricSpec& spec_;
  std::atomic<double> value_ = 0;  // of a histogram: the sum
  std::vector<std::atomic<std::uint64_t>> counts_;
};

[[nodiscard]] std::string_view word_of(MetricType type) noexcept;

class MetricGroup;

/// All metrics of a process. Thread-safe.
class Metrics {
 public:
  /// What is declared has to outlive it, as constants do; in the order in which they are written.
  explicit Metrics(std::span<const MetricSpec* const> declared);
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;
  ~Metrics();

  enum class Format : std::uint8_t { prometheus, open_metrics };
  /// The content type that a format is served with.
  [[nodiscard]] static std::string_view content_type(Format format) noexcept;
  /// The format that a client takes, by its Accept header.
  [[nodiscard]] static Format format_for(std::string_view accept) noexcept;
  /// Appends all series, metric by metric in the order of their declaration.
  void write(std::string& out, Format format = Format::prometheus) const;

 private:
  friend class MetricGroup;
  using Labels = std::vector<std::string>;
  struct Family {
    const MetricSpec* spec = nullptr;
    std::map<Labels, std::unique_ptr<MetricSeries>> series;
  };
  Family& family_of(const MetricSpec& spec);

  mutable std::mutex lock_;
  std::vector<Family> families_;
  std::map<const MetricGroup*, std::function<void()>> collectors_;
};

/// The series of one owner, such as a pipeline: they are gone when it is. One thread at a time, but
/// what it gives may be used by any as long as it lives.
class MetricGroup {
 public:
  /// Series of one metric that an owner may have. What is beyond counts under the label value
  /// "other", so that a scrape stays bounded whatever names come in.
  static constexpr std::size_t kSeriesMax = 2000;

  explicit MetricGroup(Metrics& metrics) : metrics_(metrics) {}
  MetricGroup(const MetricGroup&) = delete;
  MetricGroup& operator=(const MetricGroup&) = delete;
  ~MetricGroup();

  /// The series of a metric with these values of its labels, in their order.
  [[nodiscard]] MetricSeries& series(const MetricSpec& spec,
                                     std::initializer_list<std::string_view> values = {});
  /// Takes one out again, whose labels mean nothing any more.
  void remove(const MetricSpec& spec, std::initializer_list<std::string_view> values);
  /// Called before each scrape, on its thread, to set what is counted elsewhere. With the lock of
  /// all metrics held: it may use series, and not make any.
  void on_scrape(std::function<void()> collect);

 private:
  Metrics& metrics_;
  std::map<const MetricSpec*, std::set<Metrics::Labels>> made_;
};

}  // namespace millrace
