#include "sql/internal/file_scan.h"

#include <fmt/format.h>

#include <numeric>
#include <utility>

#include "base/strings.h"
#include "core/planned_files.h"
#include "sql/internal/file_csv.h"
#include "sql/internal/file_json.h"
#include "sql/internal/file_parquet.h"

namespace millrace::sql {

namespace {

// Of a malformed row's text in a message: more is cut off.
constexpr std::size_t kRawInMessage = 200;

/// The text as valid UTF-8, for people: a byte that is not is written \xHH.
std::string printable(std::string_view raw) {
  std::string text;
  while (!raw.empty()) {
    const auto bad = find_invalid_utf8(raw);
    text += raw.substr(0, bad.value_or(raw.size()));
    if (!bad) {
      break;
    }
    text += fmt::format("\\x{:02x}", static_cast<unsigned char>(raw[*bad]));
    raw.remove_prefix(*bad + 1);
  }
  return text;
}

/// Not in the middle of a character.
std::string_view cut(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) {
    return text;
  }
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0U) == 0x80U) {
    --bytes;
  }
  return text.substr(0, bytes);
}

void check_all_unchanged(const FileScan& scan) {
  for (const FileScan::File& file : scan.files) {
    check_unchanged(scan, file);
  }
}

}  // namespace

FileScanner::FileScanner(Input& input, FileScan scan, std::vector<duckdb::column_t> columns)
    : input_(input), scan_(std::move(scan)), columns_(std::move(columns)) {}

std::unique_ptr<FileScanner> FileScanner::open(duckdb::ClientContext& context, Input& input,
                                               const FileScan& scan,
                                               const std::vector<duckdb::column_t>& columns) {
  check_all_unchanged(scan);
  if (!input.declared->files) {
    throw Error(Blame::internal,
                fmt::format("files were given for `{}`, which was declared without a file format",
                            input.declared->name));
  }
  switch (input.declared->files->kind) {
    case FileFormat::Kind::csv:
      return open_csv(input, scan, columns);
    case FileFormat::Kind::json:
      return open_json(input, scan, columns);
    case FileFormat::Kind::parquet:
      return open_parquet(context, input, scan, columns);
  }
  std::unreachable();
}

void FileScanner::finish(duckdb::ClientContext& /*context*/) { check_all_unchanged(scan_); }

std::int64_t FileScanner::total_bytes() const noexcept {
  return std::accumulate(scan_.files.begin(), scan_.files.end(), std::int64_t{0},
                         [](std::int64_t sum, const auto& file) { return sum + file.size; });
}

void FileScanner::malformed(MalformedRow row) {
  row.reason = printable(row.reason);
  auto* const receiver = input_.quarantine;
  switch (format().on_malformed) {
    case OnMalformed::quarantine:
      if (receiver != nullptr) {
        receiver->add(row);
      }
      break;
    case OnMalformed::permissive:
      if (receiver != nullptr) {
        if (row.part == 0) {
          receiver->pass(row);
        } else {  // too long for a row
          receiver->add(row);
        }
      }
      break;
    case OnMalformed::drop:
      if (receiver != nullptr && row.part <= 1) {
        receiver->drop(row);
      }
      break;
    case OnMalformed::fail:
      throw Error(
          Blame::external,
          fmt::format("{}:{}: malformed row: {}{}\n    {}{}\nset `on_malformed: "
                      "quarantine` to put such rows aside and go on",
                      row.origin, row.line,
                      row.column.empty() ? "" : fmt::format("`{}`: ", row.column),
                      cut(row.reason, kRawInMessage), printable(cut(row.raw, kRawInMessage)),
                      row.raw.size() > kRawInMessage ? "..." : ""));
  }
  // A row in parts is one row.
  input_.malformed.fetch_add(row.part <= 1 ? 1 : 0, std::memory_order_relaxed);
}

}  // namespace millrace::sql
