// Finds the files of a source: in a folder, by a pattern, and only those that are complete.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "connectors/files/input_place.h"
#include "core/source.h"

namespace millrace {

/// A name that is no data yet: hidden (`.x`, `_x`) or temporary (`x.tmp`, `x.part`, `x~`, ...).
[[nodiscard]] bool is_left_alone(std::string_view name) noexcept;

/// Matches a path of several folders; `**` stands for any number of them.
[[nodiscard]] bool path_fits(std::string_view pattern, std::string_view path);

/// Looks for files. Not thread-safe.
class Discovery {
 public:
  struct Where {
    std::string path;         ///< a folder, a file or a pattern; absolute
    std::string name_filter;  ///< pattern for names; empty: all
    bool recursive = false;
    std::chrono::milliseconds settle_time{1000};
  };
  using Found = FoundFile;

  explicit Discovery(Where where);

  /// The folder that paths are relative to.
  [[nodiscard]] const std::string& base() const noexcept { return base_; }
  /// Throws an Error with the way out if the folder is not there or can't be read.
  void check() const;
  /// All files but those that `skip` says need no look (by path relative to base()), by time of
  /// modification, then path: the order in which they arrived, and always the same.
  [[nodiscard]] std::vector<Found> look(const std::function<bool(const std::string&)>& skip);
  /// A file as it is now, by its path relative to base(); nullopt: it is gone.
  [[nodiscard]] std::optional<FileScan::File> find(const std::string& relative) const;
  /// The folders looked into last.
  [[nodiscard]] const std::vector<std::string>& folders() const noexcept { return folders_; }

 private:
  struct Seen {
    std::int64_t size = 0;
    std::int64_t mtime_ns = 0;
    std::chrono::steady_clock::time_point since;
  };

  void look_into(const std::string& folder, const std::string& relative, std::size_t depth,
                 const std::function<bool(const std::string&)>& skip, std::vector<Found>& found);
  [[nodiscard]] bool fits(const std::string& relative, std::string_view name) const;
  [[nodiscard]] bool goes_deeper(std::size_t depth) const noexcept;
  [[nodiscard]] bool is_complete(const FileScan::File& file);

  Where where_;
  std::string base_;
  std::string pattern_;  // relative to base_; empty: all files
  std::vector<std::string> folders_;
  std::unordered_map<std::string, Seen> growing_;  // by path
  /// What was complete at the last look, by path: as long as it is as it was, it still is.
  std::unordered_map<std::string, FileScan::File> complete_;
};

}  // namespace millrace
