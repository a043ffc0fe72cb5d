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
    [[nodiscard]] std::string header() const override { return header_text; }
    CsvDialect dialect;
    std::string header_text;  // see CsvHeader
    CsvEnds record_ends;
    std::vector<std::pair<int, int>> wanted;  // index of the field, of the writer
    std::size_t fields = 0;
  };

  /// Where a row came from, for types that are decoded late.
  struct Origin {
    const CsvLayout* layout = nullptr;
    const File* file = nullptr;
    const char* block = nullptr;  // the text of the block it is in
    std::int64_t first_line = 0;
    std::string_view text;
  };

  struct CsvLocal final : FileScanner::Local {
    std::vector<std::unique_ptr<FieldWriter>> writers;  // nullptr: a column that is not decoded
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
  bool next_records(duckdb::ClientContext& context, CsvLocal& local, duckdb::DataChunk& out,
                    idx_t& rows);
  static void keep_block(CsvLocal& local, duckdb::DataChunk& out);
  bool write_row(CsvLocal& local, duckdb::DataChunk& out, idx_t row);
  static MalformedRow record_found(CsvLocal& local, std::string reason);
  bool reject(CsvLocal& local, duckdb::DataChunk& out, idx_t row, MalformedRow record);
  std::vector<bool> find_late_misfits(duckdb::ClientContext& context, CsvLocal& local, idx_t rows);
  void write_late_misfits(const CsvLocal& local, const std::vector<bool>& bad,
                          duckdb::DataChunk& out) const;
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
    local->writers.push_back(
        is_decoded(i) ? make_field_writer(input_.declared->types[columns_[i]], format()) : nullptr);
    local->late |= local->writers.back() != nullptr && local->writers.back()->late();
  }
  return local;
}

std::unique_ptr<const TextScanner::Layout> CsvScanner::prepare(TextFile& text) {
  auto layout = std::make_unique<CsvLayout>(dialect_of(format(), text.beginning()));
  auto [fields, header] = read_header(text, layout->dialect, schema_, format());
  layout->header_text = std::move(header);
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
                              duckdb::DataChunk& out, idx_t& rows) {
  local.records.reset();
  if (!next_block(context, local.file, local.block)) {
    return false;
  }
  local.layout = static_cast<const CsvLayout*>(local.file->layout.get());
  if (local.block.problem != nullptr) {
    rows += reject(local, out, rows,
                   {.line = local.block.first_line,
                    .raw = std::string(local.block.text),
                    .reason = local.block.problem})
                ? 1
                : 0;
    return true;
  }
  local.records =
      std::make_unique<CsvRecords>(local.layout->dialect, local.block.text, local.block.at_end);
  local.check_utf8 = !is_ascii(local.block.text) && find_invalid_utf8(local.block.text);
  local.lines.begin(local.block, local.layout->dialect.newline);
  keep_block(local, out);
  return true;
}

/// The record found last, as a malformed row.
MalformedRow CsvScanner::record_found(CsvLocal& local, std::string reason) {
  const std::string_view text = local.records->text();
  return {.line = local.lines.line_of(text.data()),
          .raw = std::string(text),
          .reason = std::move(reason)};
}

/// True: the record is a row all the same, of NULLs.
bool CsvScanner::reject(CsvLocal& local, duckdb::DataChunk& out, idx_t row, MalformedRow record) {
  if (permissive()) {
    for (const auto& writer : local.writers) {
      if (writer != nullptr) {
        writer->set_null(row);
      }
    }
    write_corrupt_record(out, row, record.raw);
    if (local.late) {
      local.origins.emplace_back();  // NULLs fit every type, so nobody will ask
    }
  }
  record.origin = local.file->text.path();
  record.header = local.layout->header_text;
  malformed(std::move(record));
  return permissive();
}

/// False: the record is no row.
bool CsvScanner::write_row(CsvLocal& local, duckdb::DataChunk& out, idx_t row) {
  const CsvLayout& layout = *local.layout;
  const std::size_t count = local.records->field_count();
  if (count != layout.fields) {
    const auto counted = human_count(static_cast<std::int64_t>(count), "field");
    return reject(local, out, row,
                  record_found(local, fmt::format("{} instead of {}", counted, layout.fields)));
  }
  if (local.check_utf8) {
    if (const auto bad = find_invalid_utf8(local.records->text())) {
      return reject(
          local, out, row,
          record_found(local, fmt::format("not valid UTF-8 at byte {} of the row", *bad + 1)));
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
      const Column& column = schema_.columns[columns_[static_cast<std::size_t>(writer)]];
      auto record = record_found(
          local, fmt::format(R"(not a valid {}: "{}")", column.type, text.text.substr(0, 100)));
      record.column = column.name;
      return reject(local, out, row, std::move(record));
    }
  }
  if (local.late) {
    local.origins.push_back({&layout, local.file, local.block.text.data(), local.block.first_line,
                             local.records->text()});
  }
  return true;
}

/// Decodes the columns that can only be decoded together; deals with the rows that do not fit.
idx_t CsvScanner::finish_late(duckdb::ClientContext& context, CsvLocal& local,
                              duckdb::DataChunk& out, idx_t rows) {
  const auto bad = find_late_misfits(context, local, rows);
  duckdb::SelectionVector good(rows);
  idx_t count = 0;
  for (idx_t row = 0; row < rows; ++row) {
    if (!bad[row]) {
      good.set_index(count++, row);
    }
  }
  if (count < rows && permissive()) {
    write_late_misfits(local, bad, out);
    count = rows;
  } else if (count < rows) {
    out.SetCardinality(rows);
    out.Slice(good, count);
    out.Flatten();
  }
  local.origins.clear();
  local.blocks.clear();
  return count;
}

std::vector<bool> CsvScanner::find_late_misfits(duckdb::ClientContext& context, CsvLocal& local,
                                                idx_t rows) {
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
        malformed({.origin = origin.file->text.path(),
                   .line = origin.first_line + count_of(origin.layout->dialect.newline,
                                                        origin.block, origin.text.data()),
                   .column = column.name,
                   .raw = std::string(origin.text),
                   .reason = fmt::format("not a valid {}", column.type),
                   .header = origin.layout->header_text});
      }
      bad[row] = true;
    }
  }
  return bad;
}

/// Makes rows of NULLs of those that turned out not to fit.
void CsvScanner::write_late_misfits(const CsvLocal& local, const std::vector<bool>& bad,
                                    duckdb::DataChunk& out) const {
  for (std::size_t i = 0; i < local.writers.size(); ++i) {
    if (local.writers[i] == nullptr) {
      continue;
    }
    out.data[i].Flatten(bad.size());
    for (idx_t row = 0; row < bad.size(); ++row) {
      if (bad[row]) {
        duckdb::FlatVector::SetNull(out.data[i], row, true);
      }
    }
  }
  for (idx_t row = 0; row < bad.size(); ++row) {
    if (bad[row]) {
      write_corrupt_record(out, row, local.origins[row].text);
    }
  }
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
    begin_corrupt_records(out);
    if (local.records != nullptr) {
      keep_block(local, out);
    }
    while (rows < STANDARD_VECTOR_SIZE && more) {
      const auto found =
          local.records == nullptr ? CsvRecords::Found::end : local.records->next(local.fields);
      if (found == CsvRecords::Found::record) {
        rows += write_row(local, out, rows) ? 1 : 0;
      } else if (found == CsvRecords::Found::broken) {
        rows += reject(local, out, rows, record_found(local, local.records->problem())) ? 1 : 0;
      } else {
        more = next_records(context, local, out, rows);
      }
    }
    if (local.late) {
      rows = finish_late(context, local, out, rows);
    }
  }
  fill_others(out);
  out.SetCardinality(rows);
}

}  // namespace

std::unique_ptr<FileScanner> open_csv(Input& input, const FileScan& scan,
                                      const std::vector<duckdb::column_t>& columns) {
  return std::make_unique<CsvScanner>(input, scan, columns);
}

}  // namespace millrace::sql
