// What the scanners of CSV and JSON lines share: threads that take blocks from a list of files.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
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
  /// Takes the next block of any file. False: all is given out.
  bool next_block(duckdb::ClientContext& context, File*& file, TextBlock& block);

 private:
  bool take_block(duckdb::ClientContext& context, File& file, TextBlock& block);

  std::vector<std::unique_ptr<File>> files_;
  std::atomic<std::size_t> first_unfinished_ = 0;
};

}  // namespace millrace::sql
