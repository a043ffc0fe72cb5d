// millrace generate: tables of a database, piece by piece, and their form as files.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <memory>
#include <utility>

#include "base/strings.h"
#include "cli/generate.h"
#include "formats/record_format.h"

namespace millrace::cli {

namespace {

constexpr std::int64_t kPieceRows = 10'000;
constexpr std::int64_t kPiecesOfASecond = 10;

/// A folder a table, and in it a file for each piece.
class TableFiles final : public TableOutput {
 public:
  TableFiles(const GenerateOptions& options, const DatabaseKind& kind) : options_(options) {
    if (options.format == GenerateFormat::avro) {
      throw Error(Blame::user, "tables are written as csv or json");
    }
    const formats::EncodingOptions encoding{.kind = is_csv() ? formats::Kind::csv
                                                             : formats::Kind::json};
    for (const auto& table : kind.tables) {
      Table& made = tables_[table.name];
      made.folder = fmt::format("{}/{}", options.out, table.name);
      make_folders(made.folder, false);
      made.next_file = first_file(made.folder, table.name, options);
      made.encoder = formats::make_encoder(encoding, table.columns, nullptr, std::nullopt);
    }
  }

  std::int64_t rows_of(const TableKind& table) override {
    return options_.first == 0 ? 0 : table.size(options_.first);
  }

  void write(const TableKind& table, const Chunk& rows) override {
    Table& to = tables_[table.name];
    if (to.text.empty()) {
      order_.push_back(table.name);
      if (is_csv()) {
        std::vector<std::string> names;
        std::ranges::transform(table.columns.columns, std::back_inserter(names), &Column::name);
        to.text = join(names, ",") + "\n";
      }
    }
    for (std::size_t row = 0; row < rows.rows; ++row) {
      if (const auto why = to.encoder->encode(rows, row, to.text)) {
        throw Error(Blame::internal, fmt::format("column {} of made-up {}: {}", why->column,
                                                 table.name, why->reason));
      }
      to.text += '\n';
    }
  }

  void commit() override {
    for (const auto name : order_) {
      Table& table = tables_[name];
      write_hidden_first(
          table.folder + "/" + file_name(name, table.next_file++, is_csv() ? "csv" : "json"),
          [&](AppendFile& file) { file.write(table.text); });
      table.text.clear();
    }
    order_.clear();
  }

  [[nodiscard]] std::string where() const override { return options_.out + "/"; }

 private:
  struct Table {
    std::string folder;
    std::int64_t next_file = 0;
    std::unique_ptr<RecordEncoder> encoder;
    std::string text;  // of the piece
  };

  [[nodiscard]] bool is_csv() const { return options_.format != GenerateFormat::json; }

  const GenerateOptions& options_;
  std::map<std::string_view, Table> tables_;
  std::vector<std::string_view> order_;  // of the tables in the piece
};

/// Writes the rows of each table that a database of `size` rows has and this one does not.
class Growth {
 public:
  Growth(const DatabaseKind& kind, const GenerateOptions& options, TableOutput& output)
      : kind_(kind), output_(output) {
    for (const auto& table : kind.tables) {
      next_.push_back(output.rows_of(table));
      rows_.push_back(std::make_unique<FlatRows>(table.columns, kChunkRows));
      if (table.name == kind.counted) {
        first_ = next_.back();
      }
    }
    made_ = {.seed = options.messages.seed,
             .invalid = options.invalid,
             .first = first_,
             .start_ms = options.messages.start_ms,
             .per_second = options.messages.per_second};
  }

  /// How many rows the counted table had.
  [[nodiscard]] std::int64_t first() const noexcept { return first_; }

  void grow(std::int64_t size) {
    for (std::size_t t = 0; t < next_.size(); ++t) {
      const TableKind& table = kind_.tables[t];
      const auto end = table.size(size);
      FlatRows& rows = *rows_[t];
      while (next_[t] < end) {
        rows.clear();
        while (next_[t] < end && !rows.is_full()) {
          flawed_ += add_row(table, made_, next_[t], rows) ? 1 : 0;
          ++next_[t];
        }
        output_.write(table, rows.chunk());
      }
    }
    output_.commit();
  }

  /// ": 500 transactions, 1,000 customers, 3 flawed"
  [[nodiscard]] std::string text() const {
    std::string text;
    for (std::size_t t = 0; t < next_.size(); ++t) {
      text +=
          fmt::format("{} {} {}", t == 0 ? ":" : ",", human_count(next_[t]), kind_.tables[t].name);
    }
    return fmt::format("{}; {} flawed", text, human_count(flawed_));
  }

 private:
  const DatabaseKind& kind_;
  TableOutput& output_;
  TableOptions made_;
  std::vector<std::int64_t> next_;
  std::vector<std::unique_ptr<FlatRows>> rows_;
  std::int64_t first_ = 0;
  std::int64_t flawed_ = 0;
};

/// How many rows the piece after `made` rows ends with: that of the next file, or what is worth a
/// transaction.
std::int64_t end_of_piece(const GenerateOptions& options, std::int64_t made) {
  if (!options.out.empty()) {
    auto file = made * options.files / options.rows + 1;
    while (options.rows * file / options.files <= made) {
      ++file;
    }
    return options.rows * file / options.files;
  }
  const auto per_second =
      options.rate ? static_cast<std::int64_t>(*options.rate) : kPiecesOfASecond * kPieceRows;
  const auto end = made + std::clamp<std::int64_t>(per_second / kPiecesOfASecond, 1, kPieceRows);
  return options.rows == 0 ? end : std::min(options.rows, end);
}

}  // namespace

std::unique_ptr<TableOutput> tables_in_files(const GenerateOptions& options,
                                             const DatabaseKind& kind) {
  return std::make_unique<TableFiles>(options, kind);
}

void generate_tables(const GenerateOptions& options, const std::stop_token& stop) {
  const DatabaseKind& kind = *find_database_kind(options.kind);
  const auto output =
      options.out.empty() ? tables_in_mysql(options, kind, stop) : tables_in_files(options, kind);
  Growth growth(kind, options, *output);
  std::int64_t made = 0;
  Pace pace(options);
  while (options.rows == 0 || made < options.rows) {
    const auto end = end_of_piece(options, made);
    if (!pace.wait(end, stop)) {
      break;
    }
    growth.grow(growth.first() + end);
    made = end;
    pace.show(made);
  }
  pace.say_end(made, "row",
               fmt::format("of {} in {}{}", kind.counted, output->where(), growth.text()));
}

}  // namespace millrace::cli
