#include "sql/internal/file_text_scan.h"

#include <fmt/format.h>

#include "sql/internal/error.h"

namespace millrace::sql {

namespace {

// A thread is worth starting for so much text.
constexpr std::int64_t kBytesPerThread = 1 << 20;

}  // namespace

TextScanner::TextScanner(Input& input, const FileScan& scan, std::vector<duckdb::column_t> columns)
    : FileScanner(input, scan, std::move(columns)) {
  for (const FileScan::File& file : scan.files) {
    files_.push_back(std::make_unique<File>(TextFile(file, format().max_line_bytes)));
  }
}

duckdb::idx_t TextScanner::max_threads() const {
  return static_cast<duckdb::idx_t>((total_bytes() / kBytesPerThread) + 1);
}

bool TextScanner::take_block(duckdb::ClientContext& context, File& file, TextBlock& block) {
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
