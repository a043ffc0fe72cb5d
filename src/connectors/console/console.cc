#include "connectors/console/console.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <optional>

#include "base/strings.h"
#include "sql/render.h"

namespace millrace {
namespace {

constexpr std::size_t kTruncateAt = 40;

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

/// What all batches of a sink have in common.
struct ConsoleTable {
  std::string name;
  ConsoleOptions options;
  Schema schema;
  OutputMode mode = OutputMode::append;
};

class ConsoleBatch final : public SinkBatch {
 public:
  ConsoleBatch(const ConsoleTable& table, std::int64_t batch) : table_(table), batch_(batch) {}
  std::unique_ptr<SinkWriter> writer() override { return std::make_unique<Writer>(*this); }
  void stage() override {}
  void publish() override;
  [[nodiscard]] SinkStats stats() const override { return {.rows = total_}; }

 private:
  class Writer final : public SinkWriter {
   public:
    explicit Writer(ConsoleBatch& batch) : batch_(batch) {}
    void write(const Chunk& chunk) override { batch_.take(chunk); }
    void finish() override {}

   private:
    ConsoleBatch& batch_;
  };

  void take(const Chunk& chunk) {
    const std::lock_guard guard(lock_);
    total_ += static_cast<std::int64_t>(chunk.rows);
    const auto limit = static_cast<std::size_t>(table_.options.num_rows);
    if (rows_.size() >= limit) {
      return;
    }
    for (auto& row : sql::render(chunk)) {
      if (rows_.size() < limit) {
        rows_.push_back(std::move(row));
      }
    }
  }

  const ConsoleTable& table_;
  std::int64_t batch_;
  std::mutex lock_;
  std::int64_t total_ = 0;
  std::vector<std::vector<std::optional<std::string>>> rows_;
};

class ConsoleSink final : public Sink {
 public:
  ConsoleSink(std::string name, ConsoleOptions options)
      : table_{.name = std::move(name), .options = options, .schema = {}} {}

  [[nodiscard]] SinkTraits traits() const override {
    return {.append = true,
            .update = true,
            .complete = true,
            .deletes = true,
            .preferred_for_tables = OutputMode::complete,
            .guarantee = "at least once: a batch that is repeated after a crash is printed again"};
  }
  void open(const SinkStart& start) override {
    table_.schema = start.schema;
    table_.mode = start.mode;
  }
  std::unique_ptr<SinkBatch> begin(std::int64_t batch, MalformedReceiver&) override {
    return std::make_unique<ConsoleBatch>(table_, batch);
  }

 private:
  ConsoleTable table_;
};

using Cells = std::vector<std::string>;

/// How many columns of a terminal a text takes: its characters, all taken for narrow ones.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

/// A value in one line that cannot move the cursor, cut after `limit` characters (0: never).
std::string cell_of(std::string_view value, std::size_t limit) {
  std::string text;
  for (const char c : value) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    text += control ? fmt::format("\\x{:02x}", static_cast<unsigned char>(c)) : std::string(1, c);
  }
  if (limit == 0 || width_of(text) <= limit) {
    return text;
  }
  std::size_t end = 0;
  for (std::size_t characters = 0; end < text.size(); end++) {
    const bool begins = (static_cast<unsigned char>(text[end]) & 0xC0U) != 0x80U;
    if (begins && characters++ == limit - 3) {
      break;
    }
  }
  return text.substr(0, end) + "...";
}

/// A table as Spark's console sink draws it.
std::string table_text(const std::vector<Cells>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); c++) {
      widths[c] = std::max(widths[c], width_of(row[c]));
    }
  }
  std::string rule = "+";
  for (const auto width : widths) {
    rule += std::string(width, '-') + "+";
  }
  std::string text = rule + "\n";
  for (std::size_t r = 0; r < rows.size(); r++) {
    text += '|';
    for (std::size_t c = 0; c < rows[r].size(); c++) {
      text += rows[r][c] + std::string(widths[c] - width_of(rows[r][c]), ' ') + "|";
    }
    text += r == 0 ? "\n" + rule + "\n" : "\n";
  }
  return text + rule + "\n";
}

void ConsoleBatch::publish() {
  if (total_ == 0) {
    return;
  }
  const std::size_t limit = table_.options.truncate ? kTruncateAt : 0;
  std::vector<Cells> cells_of_rows(1);
  for (const auto& column : table_.schema.columns) {
    cells_of_rows[0].push_back(cell_of(column.name, limit));
  }
  for (const auto& row : rows_) {
    auto& cells = cells_of_rows.emplace_back();
    for (const auto& value : row) {
      cells.push_back(cell_of(value.value_or("NULL"), limit));
    }
  }
  const std::string line(43, '-');
  auto text = fmt::format("{}\nBatch: {}  {} ({}, {})\n{}\n{}", line, batch_, table_.name,
                          name_of(table_.mode), human_count(total_, "row"), line,
                          table_text(cells_of_rows));
  if (std::cmp_greater(total_, rows_.size())) {
    text += fmt::format("only showing top {}\n",
                        human_count(static_cast<std::int64_t>(rows_.size()), "row"));
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
