#include "connectors/generator/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "connectors/generator/transactions.h"

namespace millrace {

/// What rows look like.
enum class GeneratorKind : std::uint8_t { transactions };
template <>
struct EnumNames<GeneratorKind> {
  static constexpr EnumWord<GeneratorKind> kWords[] = {
      {GeneratorKind::transactions, "transactions"}};
};

namespace {

struct GeneratorOptions {
  GeneratorKind kind = GeneratorKind::transactions;
  std::optional<std::int64_t> rows;
  std::optional<std::int64_t> rate;
  std::int64_t rows_per_trigger = 100'000;
  std::int64_t seed = 42;
  double invalid = 0.02;

  static const OptionTable<GeneratorOptions>& table() {
    using O = GeneratorOptions;
    static const OptionTable<O> kTable{
        Option<O>{&O::kind, "kind", "What the rows look like."}.required().example("transactions"),
        Option<O>{&O::rows, "rows", "How many rows come in all; without it they never end."}
            .at_least(0),
        Option<O>{&O::rate, "rate",
                  "Rows per second; without it they come as fast as they are processed."}
            .at_least(1),
        Option<O>{&O::rows_per_trigger, "rows_per_trigger", "At most so many rows in a batch."}
            .at_least(1),
        Option<O>{&O::seed, "seed", "Another seed gives other rows; the same gives the same."},
        Option<O>{&O::invalid, "invalid",
                  "The share of rows with a flaw, such as an amount that is not positive."}
            .at_least(0)
            .at_most(1),
    };
    return kTable;
  }
};

class TransactionReader final : public RowReader {
 public:
  TransactionReader(TransactionStream stream, std::int64_t from, std::int64_t to)
      : stream_(stream), next_(from), to_(to) {}

  std::size_t read(ChunkWriter& into) override {
    std::size_t row = 0;
    for (; row < kChunkRows && next_ < to_; row++, next_++) {
      stream_.make(static_cast<std::uint64_t>(next_), made_);
      write_row(made_, into, row);
    }
    return row;
  }
  [[nodiscard]] std::vector<std::unique_ptr<RowReader>> split(std::int64_t rows) const override {
    return split_range(next_, to_, rows, [this](std::int64_t from, std::int64_t to) {
      return std::make_unique<TransactionReader>(stream_, from, to);
    });
  }

 private:
  TransactionStream stream_;
  std::int64_t next_;
  std::int64_t to_;
  Transaction made_;
};

class GeneratorSource final : public Source {
 public:
  explicit GeneratorSource(GeneratorOptions options) : options_(options) {}

  const Schema& schema() override { return transaction_schema(); }
  void open(const std::optional<Json>& position) override {
    if (position) {
      advance(*position);
    }
  }
  [[nodiscard]] Json position() const override { return {{"to", next_}, {"start_us", start_us_}}; }

  std::optional<Slice> plan(std::int64_t now) override {
    const auto start = start_us_ == 0 ? now : start_us_;
    auto to = next_ + options_.rows_per_trigger;
    if (options_.rate) {
      const auto elapsed = static_cast<double>(now - start) / 1e6;
      to = std::min(to,
                    static_cast<std::int64_t>(elapsed * static_cast<double>(*options_.rate)) + 1);
    }
    to = std::min(to, options_.rows.value_or(INT64_MAX));
    if (end_) {
      to = std::min(to, *end_);
    } else if (at_present_) {
      end_ = options_.rows && !options_.rate ? *options_.rows : to;  // all that is there now
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
    const TransactionStream stream{static_cast<std::uint64_t>(options_.seed), options_.invalid};
    return std::make_unique<TransactionReader>(stream, offsets.at("from"), offsets.at("to"));
  }
  [[nodiscard]] std::optional<std::string> why_no_history() const override { return std::nullopt; }
  Slices history() override {
    return [this, from = std::int64_t{0}]() mutable -> std::optional<Slice> {
      const auto to = from + std::min(options_.rows_per_trigger, next_ - from);
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
        options_.rate ? std::max<std::int64_t>(1'000, 1'000'000 / *options_.rate) : 1'000);
    const auto end = std::min(until, std::chrono::steady_clock::now() + row);
    std::unique_lock guard(lock_);
    condition_.wait_until(guard, stop, end, [] { return false; });
  }

 private:
  GeneratorOptions options_;
  std::int64_t next_ = 0;
  std::int64_t start_us_ = 0;  ///< the time of the first batch, from which the rate counts
  bool at_present_ = false;
  std::optional<std::int64_t> end_;
  std::mutex lock_;
  std::condition_variable_any condition_;
};

class GeneratorConnector final : public Connector {
 public:
  [[nodiscard]] std::string_view type() const noexcept override { return "generator"; }
  [[nodiscard]] std::string_view summary() const noexcept override {
    return "Makes up rows that look real, the same at every run.";
  }
  [[nodiscard]] const OptionSet* connection_options() const noexcept override {
    return &no_options();
  }
  [[nodiscard]] const OptionSet* source_options() const noexcept override {
    return &GeneratorOptions::table();
  }
  std::unique_ptr<Source> make_source(const ConnectorRequest& request,
                                      Diagnostics& diagnostics) const override {
    const auto what = "source " + request.name;
    GeneratorOptions options;
    const bool good = no_options().check(*request.connection, diagnostics, what);
    return GeneratorOptions::table().parse(*request.options, diagnostics, options, what) && good
               ? std::make_unique<GeneratorSource>(options)
               : nullptr;
  }
};

}  // namespace

std::unique_ptr<Connector> generator_connector() { return std::make_unique<GeneratorConnector>(); }

}  // namespace millrace
