#include "connectors/rate/rate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace millrace {
namespace {

/// What a pipeline may say of a rate source. Names are those of Spark's rate source.
struct RateOptions {
  std::int64_t rows_per_second = 1;
  std::chrono::milliseconds ramp_up_time{0};
  std::optional<std::int64_t> rows;

  static const OptionTable<RateOptions>& table() {
    using O = RateOptions;
    static const OptionTable<O> kTable{
        Option<O>{&O::rows_per_second, "rows_per_second", "How many rows come in a second."}
            .at_least(1)
            .at_most(1e9),
        Option<O>{&O::ramp_up_time, "ramp_up_time",
                  "How long it takes until they come at that rate; they begin at none."}
            .at_least(std::chrono::milliseconds(0))
            .at_most(std::chrono::hours(24)),
        Option<O>{&O::rows, "rows", "How many rows come in all; without it they never end."}
            .at_least(0),
    };
    return kTable;
  }
};

/// Rows in a slice of what was given before.
constexpr std::int64_t kRateHistoryRows = 1'000'000;

/// When rows come: at a rate that grows evenly from nothing during the ramp, then stays.
class Pace {
 public:
  explicit Pace(const RateOptions& options)
      : per_second_(options.rows_per_second),
        ramp_us_(options.ramp_up_time.count() * 1000),
        ramp_rows_(per_second_ * options.ramp_up_time.count() / 2000) {}

  /// Rows that have come `elapsed` microseconds after the start; the first comes at once.
  [[nodiscard]] std::int64_t rows_after(std::int64_t elapsed) const {
    if (elapsed < ramp_us_) {
      const auto share = static_cast<double>(elapsed) / static_cast<double>(ramp_us_);
      return static_cast<std::int64_t>(static_cast<double>(ramp_rows_) * share * share) + 1;
    }
    elapsed -= ramp_us_;
    return ramp_rows_ + elapsed / 1'000'000 * per_second_ +
           elapsed % 1'000'000 * per_second_ / 1'000'000 + 1;
  }
  /// Microseconds from the start to a row.
  [[nodiscard]] std::int64_t time_of(std::int64_t row) const {
    if (row < ramp_rows_) {
      const auto share = static_cast<double>(row) / static_cast<double>(ramp_rows_);
      return static_cast<std::int64_t>(static_cast<double>(ramp_us_) * std::sqrt(share));
    }
    row -= ramp_rows_;
    return ramp_us_ + row / per_second_ * 1'000'000 + row % per_second_ * 1'000'000 / per_second_;
  }

 private:
  std::int64_t per_second_;
  std::int64_t ramp_us_;
  std::int64_t ramp_rows_;
};

/// Row i is (start + time_of(i), i): a function of i, so any slice can be read again.
class RateReader final : public RowReader {
 public:
  RateReader(std::int64_t from, std::int64_t to, std::int64_t start_us, Pace pace)
      : next_(from), to_(to), start_us_(start_us), pace_(pace) {}

  std::size_t read(ChunkWriter& into) override {
    const auto rows = std::min<std::int64_t>(static_cast<std::int64_t>(kChunkRows), to_ - next_);
    auto* time = into.values<std::int64_t>(0);
    auto* value = into.values<std::int64_t>(1);
    for (std::int64_t i = 0; i < rows; i++) {
      const auto row = next_ + i;
      time[i] = start_us_ + pace_.time_of(row);
      value[i] = row;
    }
    next_ += rows;
    return static_cast<std::size_t>(rows);
  }
  [[nodiscard]] std::vector<std::unique_ptr<RowReader>> split(std::int64_t rows) const override {
    return split_range(next_, to_, rows, [this](std::int64_t from, std::int64_t to) {
      return std::make_unique<RateReader>(from, to, start_us_, pace_);
    });
  }

 private:
  std::int64_t next_;
  std::int64_t to_;
  std::int64_t start_us_;
  Pace pace_;
};

class RateSource final : public Source {
 public:
  explicit RateSource(RateOptions options) : options_(options) {
    schema_.columns = {{"timestamp", "TIMESTAMP", Physical::i64},
                       {"value", "BIGINT", Physical::i64}};
  }

  const Schema& schema() override { return schema_; }
  void open(const std::optional<Json>& position) override {
    if (position) {
      advance(*position);
    }
  }
  [[nodiscard]] Json position() const override { return {{"to", next_}, {"start_us", start_us_}}; }

  std::optional<Slice> plan(std::int64_t now) override {
    if (stopped_) {
      return std::nullopt;
    }
    // The first batch starts the clock and gives the first row; the offsets carry the start along.
    const auto start = start_us_ == 0 ? now : start_us_;
    auto to = Pace(options_).rows_after(std::max<std::int64_t>(0, now - start));
    if (options_.rows) {
      to = std::min(to, *options_.rows);
    }
    if (at_present_) {
      stopped_ = true;
    }
    if (to <= next_) {
      return std::nullopt;
    }
    Slice slice;
    slice.offsets = {{"from", next_}, {"to", to}, {"start_us", start}};
    slice.rows = to - next_;
    slice.text = fmt::format("rows {} to {}", next_, to - 1);
    return slice;
  }
  void advance(const Json& offsets) override {
    next_ = offsets.at("to");
    start_us_ = offsets.at("start_us");
  }
  SliceInput read(const Json& offsets, MalformedReceiver& /*malformed*/) override {
    return std::make_unique<RateReader>(offsets.at("from"), offsets.at("to"),
                                        offsets.at("start_us"), Pace(options_));
  }
  [[nodiscard]] std::optional<std::string> why_no_history() const override { return std::nullopt; }
  Slices history() override {
    return [this, from = std::int64_t{0}]() mutable -> std::optional<Slice> {
      const auto to = from + std::min(kRateHistoryRows, next_ - from);
      if (to <= from) {
        return std::nullopt;
      }
      Slice slice;
      slice.offsets = {{"from", std::exchange(from, to)}, {"to", to}, {"start_us", start_us_}};
      return slice;
    };
  }
  void stop_at_present() override { at_present_ = true; }
  [[nodiscard]] bool finished() const override { return options_.rows && next_ >= *options_.rows; }
  void wait(std::stop_token stop, std::chrono::steady_clock::time_point until) override {
    const auto row = std::chrono::microseconds(
        std::max<std::int64_t>(1'000, 1'000'000 / options_.rows_per_second));
    const auto end = std::min(until, std::chrono::steady_clock::now() + row);
    std::unique_lock guard(lock_);
    condition_.wait_until(guard, stop, end, [] { return false; });
  }

 private:
  RateOptions options_;
  Schema schema_;
  std::int64_t next_ = 0;
  std::int64_t start_us_ = 0;
  bool at_present_ = false;
  bool stopped_ = false;
  std::mutex lock_;
  std::condition_variable_any condition_;
};

class RateConnector final : public Connector {
 public:
  [[nodiscard]] std::string_view type() const noexcept override { return "rate"; }
  [[nodiscard]] std::string_view summary() const noexcept override {
    return "Gives rows (timestamp, value) at a steady rate, for trying things out.";
  }
  [[nodiscard]] const OptionSet* connection_options() const noexcept override {
    return &no_options();
  }
  [[nodiscard]] const OptionSet* source_options() const noexcept override {
    return &RateOptions::table();
  }
  std::unique_ptr<Source> make_source(const ConnectorRequest& request,
                                      Diagnostics& diagnostics) const override {
    const auto what = "source " + request.name;
    RateOptions options;
    const bool good = no_options().check(*request.connection, diagnostics, what);
    return RateOptions::table().parse(*request.options, diagnostics, options, what) && good
               ? std::make_unique<RateSource>(options)
               : nullptr;
  }
};

}  // namespace

std::unique_ptr<Connector> rate_connector() { return std::make_unique<RateConnector>(); }

}  // namespace millrace
