// For tests: a folder of their own.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

#include "base/files.h"

namespace millrace {

/// A folder of its own, removed in the end.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = "/tmp/millrace_test_XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempFolder() { remove_tree(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Writes a file, with its folders, and gives its path.
  std::string write(const std::string& name, std::string_view content) const {
    const std::string path = path_ + "/" + name;
    make_folders(folder_of(path), false);
    write_file_atomically(path, content, false);
    return path;
  }

 private:
  std::string path_;
};

}  // namespace millrace
