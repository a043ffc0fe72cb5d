// Malformed rows, written into files of their own to be read again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "core/malformed.h"
#include "core/schema.h"
#include "core/source.h"

namespace millrace {

/// Writes the texts of malformed CSV and JSON rows into files: one for each file and header that
/// they came from, `<folder>/<number>/<name of that file>`, in the order in which they come.
///
/// Each text comes back as one record. So a row whose quote is never closed has a file to itself,
/// where it can't swallow its neighbours; so has a record that was too long to be held and came in
/// parts. What can't come back as one record goes to `malformed` again, with a warning. Not
/// thread-safe.
class MalformedFiles {
 public:
  /// `schema`: the columns, for the header of rows that bring none. `malformed` and `log` outlive
  /// this.
  MalformedFiles(std::string folder, FileFormat format, const Schema& schema,
                 MalformedReceiver& malformed, const Log& log);

  /// Throws Error if it can't be written, or was read by a header and none is read any more.
  void add(const MalformedRow& row);
  /// Writes what is left. After it nothing may be added.
  [[nodiscard]] FileScan finish();

 private:
  struct File {
    std::string path;
    std::string waiting;  // text that is not in the file yet
  };
  /// A record too long to be held. Each of its parts waits in a file, as they may come in any
  /// order.
  struct Parts {
    MalformedRow row;                  // without `raw`
    std::map<int, std::string> paths;  // by part
    bool one_line = true;
  };
  struct Left {
    std::int64_t rows = 0;
    std::string first;  // its place
  };

  std::size_t new_file(const MalformedRow& row);
  void write(std::size_t file, std::string_view text);
  void flush();
  void add_part(const MalformedRow& row);
  void join(const Parts& parts);
  void leave(const MalformedRow& row, std::string_view why);

  std::string folder_;
  FileFormat format_;
  std::string header_;
  MalformedReceiver& malformed_;
  const Log& log_;
  std::vector<File> files_;
  std::map<std::pair<std::string, std::string>, std::size_t> shared_;  // by origin and header
  std::map<std::pair<std::string, std::int64_t>, std::vector<Parts>> parts_;  // by origin and line
  std::size_t waiting_bytes_ = 0;
  std::size_t part_files_ = 0;
  std::map<std::string_view, Left> left_;  // by the reason
};

/// "orders.csv:17", of rows that are lines.
[[nodiscard]] std::string line_place_of(const MalformedRow& row);

}  // namespace millrace
