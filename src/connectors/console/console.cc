#include "connectors/console/console.h"

#include <fmt/format.h>

#include <cstdio>
#include <mutex>
#include <optional>

#include "sql/render.h"

namespace millrace {
namespace {

/// What a pipeline may say of a console sink. Names are those of Spark's console sink.
struct ConsoleOptions {
  int num_rows = 20;
  bool truncate = true;

  static const OptionTable<ConsoleOptions>& table() {
    using O = ConsoleOptions;
    static const OptionTable<O> kTable{
        Option<O>{&O::num_rows, "num_rows", "How many rows of a batch to print."}.at_least(1),
        Option<O>{&O::truncate, "truncate", "Whether to cut values after 40 characters."},
    };
    return kTable;
  }
};

struct NoOptions {};

const OptionTable<NoOptions>& no_options() {
  static const OptionTable<NoOptions> kTable{};
  return kTable;
}

class ConsoleSink final : public Sink {
 public:
  ConsoleSink(std::string name, ConsoleOptions options)
      : name_(std::move(name)), options_(options) {}

  [[nodiscard]] SinkTraits traits() const override {
    return {.append = true,
            .update = true,
            .complete = true,
            .preferred_for_tables = OutputMode::complete,
            .guarantee = "at least once: a batch that is repeated after a crash is printed again"};
  }
  void open(const SinkStart& start) override {
    schema_ = start.schema;
    mode_ = start.mode;
  }
  void begin(std::int64_t batch) override {
    batch_ = batch;
    total_ = 0;
    rows_.clear();
  }
  std::unique_ptr<SinkWriter> writer() override { return std::make_unique<Writer>(*this); }
  void stage() override {}
  void publish() override;
  void abort() noexcept override { rows_.clear(); }
  [[nodiscard]] SinkStats stats() const override { return {.rows = total_}; }

 private:
  class Writer final : public SinkWriter {
   public:
    explicit Writer(ConsoleSink& sink) : sink_(sink) {}
    void write(const Chunk& chunk) override { sink_.take(chunk); }
    void finish() override {}

   private:
    ConsoleSink& sink_;
  };

  void take(const Chunk& chunk) {
    const std::lock_guard guard(lock_);
    total_ += static_cast<std::int64_t>(chunk.rows);
    const auto limit = static_cast<std::size_t>(options_.num_rows);
    if (rows_.size() >= limit) {
      return;
    }
    for (auto& row : sql::render(chunk)) {
      if (rows_.size() < limit) {
        rows_.push_back(std::move(row));
      }
    }
  }

  std::string name_;
  ConsoleOptions options_;
  Schema schema_;
  OutputMode mode_ = OutputMode::append;
  std::int64_t batch_ = 0;
  std::mutex lock_;
  std::int64_t total_ = 0;
  std::vector<std::vector<std::optional<std::string>>> rows_;
};

void ConsoleSink::publish() {
  if (total_ == 0) {
    return;
  }
  std::string text = fmt::format("-- {}: batch {}, {} {}\n", name_, batch_, total_,
                                 mode_ == OutputMode::append ? "rows" : name_of(mode_));
  const auto line = [&](const auto& cells) { text += fmt::format("{}\n", fmt::join(cells, " | ")); };
  std::vector<std::string> cells;
  for (const auto& column : schema_.columns) {
    cells.push_back(column.name);
  }
  line(cells);
  for (const auto& row : rows_) {
    cells.clear();
    for (const auto& value : row) {
      auto cell = value.value_or("NULL");
      if (options_.truncate && cell.size() > 40) {
        std::size_t end = 37;  // not within a UTF-8 sequence
        while (end > 0 && (static_cast<unsigned char>(cell[end]) & 0xC0U) == 0x80U) {
          end--;
        }
        cell = cell.substr(0, end) + "...";
      }
      cells.push_back(std::move(cell));
    }
    line(cells);
  }
  if (total_ > static_cast<std::int64_t>(rows_.size())) {
    text += fmt::format("... {} more\n", total_ - static_cast<std::int64_t>(rows_.size()));
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

class ConsoleConnector final : public Connector {
 public:
  [[nodiscard]] std::string_view type() const noexcept override { return "console"; }
  [[nodiscard]] std::string_view summary() const noexcept override {
    return "Prints the rows of each batch to standard output, for looking and debugging.";
  }
  [[nodiscard]] const OptionSet* connection_options() const noexcept override {
    return &no_options();
  }
  [[nodiscard]] const OptionSet* sink_options() const noexcept override {
    return &ConsoleOptions::table();
  }
  std::unique_ptr<Sink> make_sink(const ConnectorRequest& request,
                                  Diagnostics& diagnostics) const override {
    const auto what = "sink " + request.name;
    ConsoleOptions options;
    const bool good = no_options().check(*request.connection, diagnostics, what);
    return ConsoleOptions::table().parse(*request.options, diagnostics, options, what) && good
               ? std::make_unique<ConsoleSink>(request.name, options)
               : nullptr;
  }
};

}  // namespace

std::unique_ptr<Connector> console_connector() { return std::make_unique<ConsoleConnector>(); }

}  // namespace millrace
