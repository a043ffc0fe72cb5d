#include "sql/internal/file_csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/strings.h"
#include "sql/internal/file_csv_header.h"
#include "sql/internal/file_csv_records.h"
#include "sql/internal/file_csv_values.h"
#include "sql/internal/file_text_scan.h"

namespace millrace::sql {

namespace {

using duckdb::idx_t;

/// Where the records of a CSV file end.
class CsvEnds final : public RecordEnds {
 public:
  explicit CsvEnds(const CsvDialect& dialect) : dialect_(dialect) {}

  [[nodiscard]] char newline() const noexcept override { return dialect_.newline; }
  [[nodiscard]] std::size_t whole(std::string_view text) const override {
    if (dialect_.quote == 0 || text.find(dialect_.quote) == std::string_view::npos) {
      const auto last = text.rfind(dialect_.newline);
      return last == std::string_view::npos ? 0 : last + 1;
    }
    // Only a walk from a known beginning can tell whether a line end is inside quotes.
    CsvRecords records(dialect_, text, false);
    std::vector<CsvField> fields;
    std::size_t end = 0;
    while (true) {
      const auto found = records.next(fields);
      if (found == CsvRecords::Found::incomplete) {
        return end;
      }
      end = static_cast<std::size_t>(records.position() - text.data());
      if (found == CsvRecords::Found::end) {
        return end;
      }
    }
  }

 private:
  CsvDialect dialect_;
};

bool is_ascii(std::string_view text) {
  std::uint64_t bits = 0;
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, text.data() + i, 8);
    bits |= eight;
  }
  for (; i < text.size(); ++i) {
    bits |= static_cast<unsigned char>(text[i]);
  }
  return (bits & 0x8080808080808080U) == 0;
}

class CsvScanner final : public TextScanner {
 public:
  CsvScanner(Input& input, const FileScan& scan, const std::vector<duckdb::column_t>& columns);

  std::unique_ptr<FileScanner::Local> local(duckdb::ExecutionContext& context) override;
  void scan(duckdb::ClientContext& context, FileScanner::Local& local,
            duckdb::DataChunk& out) override;

 private:
  /// A file's fields, and which column of the output each of them is (-1: not wanted).
  struct CsvLayout final : Layout {
    explicit CsvLayout(const CsvDialect& d) : dialect(d), record_ends(d) {}
    [[nodiscard]] const RecordEnds& ends() const noexcept override { return record_ends; }
    CsvDialect dialect;
    CsvEnds record_ends;
    std::vector<std::pair<int, int>> wanted;  // index of the field, of the writer
    std::size_t fields = 0;
  };

  /// Where a row came from, for types that are decoded late.
  struct Origin {
    const CsvLayout* layout;
    const File* file;
    const char* block;  // the text of the block it is in
    std::int64_t first_line;
    std::string_view text;
  };

  struct CsvLocal final : FileScanner::Local {
    std::vector<std::unique_ptr<FieldWriter>>
        writers;  // nullptr: a virtual column, or a repeated one
    bool late = false;
    std::vector<CsvField> fields;
    File* file = nullptr;
    TextBlock block;
    const CsvLayout* layout = nullptr;
    std::unique_ptr<CsvRecords> records;
    bool check_utf8 = false;
    LineCounter lines;
    std::string unescaped;
    std::vector<Origin> origins;  // of the chunk's rows, if late
    std::vector<duckdb::buffer_ptr<TextBuffer>> blocks;
  };

  std::unique_ptr<const Layout> prepare(TextFile& text) override;
  bool next_records(duckdb::ClientContext& context, CsvLocal& local, duckdb::DataChunk& out);
  static void keep_block(CsvLocal& local, duckdb::DataChunk& out);
  bool write_row(CsvLocal& local, idx_t row);
  bool reject(CsvLocal& local, int column, const std::string& reason);
  idx_t finish_late(duckdb::ClientContext& context, CsvLocal& local, duckdb::DataChunk& out,
                    idx_t rows);

  const Schema& schema_;
};

CsvScanner::CsvScanner(Input& input, const FileScan& scan,
                       const std::vector<duckdb::column_t>& columns)
    : TextScanner(input, scan, columns), schema_(input.declared->schema) {}

std::unique_ptr<FileScanner::Local> CsvScanner::local(duckdb::ExecutionContext& /*context*/) {
  auto local = std::make_unique<CsvLocal>();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const bool first = std::find(columns_.begin(), columns_.begin() + static_cast<long>(i),
                                 columns_[i]) == columns_.begin() + static_cast<long>(i);
    local->writers.push_back(first && !duckdb::IsVirtualColumn(columns_[i])
                                 ? make_field_writer(input_.declared->types[columns_[i]], format())
                                 : nullptr);
    local->late |= local->writers.back() != nullptr && local->writers.back()->late();
  }
  return local;
}

std::unique_ptr<const TextScanner::Layout> CsvScanner::prepare(TextFile& text) {
  auto layout = std::make_unique<CsvLayout>(dialect_of(format(), text.beginning()));
  const auto fields = read_header(text, layout->dialect, schema_, format().header);
  layout->fields = fields.size();
  for (std::size_t field = 0; field < fields.size(); ++field) {
    const auto column =
        std::find(columns_.begin(), columns_.end(), static_cast<duckdb::column_t>(fields[field]));
    if (column != columns_.end()) {
      layout->wanted.emplace_back(static_cast<int>(field),
                                  static_cast<int>(column - columns_.begin()));
    }
  }
  return layout;
}

/// Strings of the chunk lie in the block: the chunk keeps it.
void CsvScanner::keep_block(CsvLocal& local, duckdb::DataChunk& out) {
  for (std::size_t i = 0; i < local.writers.size(); ++i) {
    if (local.writers[i] != nullptr &&
        out.data[i].GetType().id() == duckdb::LogicalTypeId::VARCHAR) {
      duckdb::StringVector::AddBuffer(out.data[i], local.block.buffer);
    }
  }
  if (local.late) {
    local.blocks.push_back(local.block.buffer);
  }
}

bool CsvScanner::next_records(duckdb::ClientContext& context, CsvLocal& local,
                              duckdb::DataChunk& out) {
  while (next_block(context, local.file, local.block)) {
    if (local.block.problem != nullptr) {
      malformed(local.file->text.path(), local.block.first_line, "", local.block.text,
                local.block.problem, local.block.part);
      continue;
    }
    local.layout = static_cast<const CsvLayout*>(local.file->layout.get());
    local.records =
        std::make_unique<CsvRecords>(local.layout->dialect, local.block.text, local.block.at_end);
    local.check_utf8 = !is_ascii(local.block.text) && find_invalid_utf8(local.block.text);
    local.lines.begin(local.block, local.layout->dialect.newline);
    keep_block(local, out);
    return true;
  }
  local.records.reset();
  return false;
}

bool CsvScanner::reject(CsvLocal& local, int column, const std::string& reason) {
  const std::string_view text = local.records->text();
  malformed(local.file->text.path(), local.lines.line_of(text.data()),
            column < 0 ? "" : schema_.columns[static_cast<std::size_t>(column)].name, text, reason);
  return false;
}

bool CsvScanner::write_row(CsvLocal& local, idx_t row) {
  const CsvLayout& layout = *local.layout;
  const std::size_t count = local.records->field_count();
  if (count != layout.fields) {
    return reject(
        local, -1,
        fmt::format("{} instead of {}", human_count(static_cast<std::int64_t>(count), "field"),
                    layout.fields));
  }
  if (local.check_utf8) {
    if (const auto bad = find_invalid_utf8(local.records->text())) {
      return reject(local, -1, fmt::format("not valid UTF-8 at byte {} of the row", *bad + 1));
    }
  }
  for (const auto& [index, writer] : layout.wanted) {
    const CsvField& field = local.fields[static_cast<std::size_t>(index)];
    FieldText text{field.text(), field.quoted, true};
    if (field.escaped) {
      local.unescaped = unescape(text.text, layout.dialect);
      text.text = local.unescaped;
      text.stable = false;
    }
    if (!local.writers[static_cast<std::size_t>(writer)]->write(row, text)) {
      for (const auto& each : local.writers) {
        if (each != nullptr) {
          each->clear(row);
        }
      }
      const auto column = columns_[static_cast<std::size_t>(writer)];
      return reject(local, static_cast<int>(column),
                    fmt::format("not a valid {}: \"{}\"", schema_.columns[column].type,
                                text.text.substr(0, 100)));
    }
  }
  if (local.late) {
    local.origins.push_back({&layout, local.file, local.block.text.data(), local.block.first_line,
                             local.records->text()});
  }
  return true;
}

/// Decodes the columns that can only be decoded together; takes out the rows that do not fit.
idx_t CsvScanner::finish_late(duckdb::ClientContext& context, CsvLocal& local,
                              duckdb::DataChunk& out, idx_t rows) {
  std::vector<bool> bad(rows);
  std::vector<idx_t> misfits;
  for (std::size_t i = 0; i < local.writers.size(); ++i) {
    if (local.writers[i] == nullptr || !local.writers[i]->late()) {
      continue;
    }
    misfits.clear();
    local.writers[i]->end(context, rows, misfits);
    for (const idx_t row : misfits) {
      if (!bad[row]) {
        const Origin& origin = local.origins[row];
        const Column& column = schema_.columns[columns_[i]];
        const std::int64_t line = origin.first_line + count_of(origin.layout->dialect.newline,
                                                               origin.block, origin.text.data());
        malformed(origin.file->text.path(), line, column.name, origin.text,
                  fmt::format("not a valid {}", column.type));
      }
      bad[row] = true;
    }
  }
  local.origins.clear();
  local.blocks.clear();
  duckdb::SelectionVector good(rows);
  idx_t count = 0;
  for (idx_t row = 0; row < rows; ++row) {
    if (!bad[row]) {
      good.set_index(count++, row);
    }
  }
  if (count < rows) {
    out.SetCardinality(rows);
    out.Slice(good, count);
    out.Flatten();
  }
  return count;
}

void CsvScanner::scan(duckdb::ClientContext& context, FileScanner::Local& base,
                      duckdb::DataChunk& out) {
  auto& local = static_cast<CsvLocal&>(base);
  idx_t rows = 0;
  bool more = true;
  while (rows == 0 && more) {
    out.Reset();
    for (std::size_t i = 0; i < local.writers.size(); ++i) {
      if (local.writers[i] != nullptr) {
        local.writers[i]->begin(out.data[i]);
      }
    }
    if (local.records != nullptr) {
      keep_block(local, out);
    }
    while (rows < STANDARD_VECTOR_SIZE && more) {
      const auto found =
          local.records == nullptr ? CsvRecords::Found::end : local.records->next(local.fields);
      if (found == CsvRecords::Found::record) {
        rows += write_row(local, rows) ? 1 : 0;
      } else if (found == CsvRecords::Found::broken) {
        reject(local, -1, local.records->problem());
      } else {
        more = next_records(context, local, out);
      }
    }
    if (local.late) {
      rows = finish_late(context, local, out, rows);
    }
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (local.writers[i] == nullptr) {
      const auto first = std::find(columns_.begin(), columns_.end(), columns_[i]);
      if (duckdb::IsVirtualColumn(columns_[i])) {
        out.data[i].Reference(duckdb::Value(out.data[i].GetType()));
      } else {
        out.data[i].Reference(out.data[static_cast<std::size_t>(first - columns_.begin())]);
      }
    }
  }
  out.SetCardinality(rows);
}

}  // namespace

std::unique_ptr<FileScanner> open_csv(Input& input, const FileScan& scan,
                                      const std::vector<duckdb::column_t>& columns) {
  return std::make_unique<CsvScanner>(input, scan, columns);
}

}  // namespace millrace::sql
