// What the scanners of CSV and JSON lines share: threads that take blocks from a list of files.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/internal/file_scan.h"
#include "sql/internal/file_text.h"

namespace millrace::sql {

class TextScanner : public FileScanner {
 public:
  [[nodiscard]] duckdb::idx_t max_threads() const override;

 protected:
  /// How a file's records become rows; fixed once its beginning was read.
  class Layout {
   public:
    virtual ~Layout() = default;
    [[nodiscard]] virtual const RecordEnds& ends() const noexcept = 0;
    /// As MalformedRow has it.
    [[nodiscard]] virtual std::string header() const { return ""; }
  };

  struct File {
    explicit File(TextFile opened) : text(std::move(opened)) {}
    std::mutex lock;  // for `text` and setting `layout`
    TextFile text;
    std::unique_ptr<const Layout> layout;  // set before the first block is given out
    std::atomic<bool> exhausted = false;
  };

  TextScanner(Input& input, const FileScan& scan, std::vector<duckdb::column_t> columns);

  /// Reads a file's beginning (a header), which may be an Error.
  virtual std::unique_ptr<const Layout> prepare(TextFile& text) = 0;
  /// Takes the next block of any file, unless it is a part of a record that is too long: these are
  /// malformed. False: all is given out.
  bool next_block(duckdb::ClientContext& context, File*& file, TextBlock& block);

  /// Whether a column of the output is decoded from the files, or left to fill_others(): virtual
  /// ones, those that are there already, and the one for corrupt records.
  [[nodiscard]] bool is_decoded(std::size_t output) const noexcept;
  /// Begins a chunk: no row is a corrupt record.
  void begin_corrupt_records(duckdb::DataChunk& out) const;
  /// Puts down the text of a malformed row, if the plan reads it.
  void write_corrupt_record(duckdb::DataChunk& out, duckdb::idx_t row, std::string_view text) const;
  void fill_others(duckdb::DataChunk& out) const;

 private:
  [[nodiscard]] std::size_t first_with(duckdb::column_t column) const noexcept;
  bool read_block(duckdb::ClientContext& context, File& file, TextBlock& block);
  bool take_block(duckdb::ClientContext& context, File& file, TextBlock& block);

  std::optional<std::size_t> corrupt_records_;  // the output that has them, if one does
  std::vector<std::unique_ptr<File>> files_;
  std::atomic<std::size_t> first_unfinished_ = 0;
};

}  // namespace millrace::sql
