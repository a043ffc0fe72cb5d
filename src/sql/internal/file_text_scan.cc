#include "sql/internal/file_text_scan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "sql/internal/error.h"
#include "sql/internal/object_files.h"

namespace millrace::sql {

namespace {

// A thread is worth starting for so much text.
constexpr std::int64_t kBytesPerThread = 1 << 20;

}  // namespace

TextScanner::TextScanner(Input& input, const FileScan& scan, std::vector<duckdb::column_t> columns)
    : FileScanner(input, scan, std::move(columns)) {
  for (const FileScan::File& file : scan.files) {
    files_.push_back(std::make_unique<File>(
        TextFile(file, name_in_duckdb(scan, file), format().max_line_bytes)));
  }
  if (const int column = input.declared->schema.find(format().corrupt_record_column); column >= 0) {
    const auto output = first_with(static_cast<duckdb::column_t>(column));
    corrupt_records_ = output < columns_.size() ? std::optional(output) : std::nullopt;
  }
}

/// The first output of a column; past the last if there is none.
std::size_t TextScanner::first_with(duckdb::column_t column) const noexcept {
  return static_cast<std::size_t>(std::ranges::find(columns_, column) - columns_.begin());
}

bool TextScanner::is_decoded(std::size_t output) const noexcept {
  return !duckdb::IsVirtualColumn(columns_[output]) && first_with(columns_[output]) == output &&
         corrupt_records_ != output;
}

void TextScanner::begin_corrupt_records(duckdb::DataChunk& out) const {
  if (corrupt_records_) {
    duckdb::FlatVector::Validity(out.data[*corrupt_records_]).SetAllInvalid(STANDARD_VECTOR_SIZE);
  }
}

void TextScanner::write_corrupt_record(duckdb::DataChunk& out, duckdb::idx_t row,
                                       std::string_view text) const {
  if (corrupt_records_) {
    auto& to = out.data[*corrupt_records_];
    duckdb::FlatVector::GetData<duckdb::string_t>(to)[row] =
        duckdb::StringVector::AddString(to, as_utf8(text));
    duckdb::FlatVector::Validity(to).SetValid(row);
  }
}

void TextScanner::fill_others(duckdb::DataChunk& out) const {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const auto first = first_with(columns_[i]);
    if (duckdb::IsVirtualColumn(columns_[i])) {
      out.data[i].Reference(duckdb::Value(out.data[i].GetType()));
    } else if (first != i) {
      out.data[i].Reference(out.data[first]);
    }
  }
}

duckdb::idx_t TextScanner::max_threads() const {
  return static_cast<duckdb::idx_t>((total_bytes() / kBytesPerThread) + 1);
}

bool TextScanner::read_block(duckdb::ClientContext& context, File& file, TextBlock& block) {
  if (file.exhausted) {
    return false;
  }
  try {
    if (file.layout == nullptr) {
      if (!file.text.is_open()) {
        file.text.open(context);
      }
      file.layout = prepare(file.text);
    }
    if (file.text.next(file.layout->ends(), block)) {
      return true;
    }
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {  // DuckDB's: not readable, a broken .gz
    throw Error(Blame::external, fmt::format("cannot read `{}`: {}", file.text.path(),
                                             duckdb::ErrorData(error).RawMessage()));
  }
  file.exhausted = true;
  return false;
}

bool TextScanner::take_block(duckdb::ClientContext& context, File& file, TextBlock& block) {
  while (read_block(context, file, block)) {
    if (block.part == 0) {
      return true;
    }
    // Under the file's lock: so the parts of a record follow each other.
    malformed({.origin = file.text.path(),
               .line = block.first_line,
               .column = "",
               .raw = std::string(block.text),
               .reason = block.problem,
               .part = block.part,
               .header = file.layout->header()});
  }
  return false;
}

bool TextScanner::next_block(duckdb::ClientContext& context, File*& file, TextBlock& block) {
  // Reading under a file's lock is quick, but unpacking is not: prefer a file that nobody reads.
  const std::size_t begin = first_unfinished_;
  for (std::size_t i = begin; i < files_.size(); ++i) {
    File& candidate = *files_[i];
    const std::unique_lock guard(candidate.lock, std::try_to_lock);
    if (guard.owns_lock() && take_block(context, candidate, block)) {
      file = &candidate;
      return true;
    }
  }
  for (std::size_t i = begin; i < files_.size(); ++i) {
    File& candidate = *files_[i];
    const std::lock_guard guard(candidate.lock);
    if (take_block(context, candidate, block)) {
      file = &candidate;
      return true;
    }
    std::size_t expected = i;
    first_unfinished_.compare_exchange_strong(expected, i + 1);
  }
  return false;
}

}  // namespace millrace::sql
