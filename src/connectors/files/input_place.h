// Where a source finds its files: in folders of this machine, or below a prefix of an object store.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "connectors/files/options.h"
#include "core/source.h"

namespace millrace {

/// A file that was found, its path relative to InputPlace::base().
struct FoundFile {
  FileScan::File file;
  bool complete = true;  ///< nobody writes it any more
};

/// What a look at a place need not find.
struct Look {
  std::function<bool(const std::string& path)> skip;  ///< files that were given before
  std::int64_t oldest_ns = 0;                         ///< files modified before that
  bool whole = false;  ///< all that is there now has to be found, however much it is
};

/// Used by one thread.
class InputPlace {
 public:
  virtual ~InputPlace() = default;
  /// What paths of files are relative to; for messages, too. After check().
  [[nodiscard]] virtual const std::string& base() const noexcept = 0;
  /// Throws an Error with the way out if nothing can be read there.
  virtual void check() = 0;
  /// Files by time of modification, then path: the order in which they arrived. It may leave out
  /// what skip and oldest_ns name, and, unless `whole`, some that a later look finds.
  [[nodiscard]] virtual std::vector<FoundFile> look(const Look& look) = 0;
  /// For how long the files that were found, and wait, are taken as all that there are.
  [[nodiscard]] virtual std::chrono::milliseconds looks_again_after() const noexcept = 0;
  /// Whether a file is as it was found, as far as that costs nothing; who reads it is sure.
  [[nodiscard]] virtual bool is_as_found(const FileScan::File& file) const = 0;
  /// Finds files as they are now by their paths; nullopt: it is gone. Used up before the next look.
  [[nodiscard]] virtual std::function<std::optional<FileScan::File>(const std::string& path)>
  finder() const = 0;
  /// What reads these files: with their whole paths.
  [[nodiscard]] virtual FileScan scan(std::vector<FileScan::File> files) const = 0;

  /// Removes a file that was read.
  virtual void remove(const std::string& path) = 0;
  /// Moves it below a folder.
  virtual void archive(const std::string& path, const std::string& folder) = 0;
  /// Waits for something new, the end of the time, or a stop.
  virtual void wait(const std::stop_token& stop, std::chrono::steady_clock::time_point until) = 0;
};

/// `path` is absolute: a folder, a file or a pattern.
[[nodiscard]] std::unique_ptr<InputPlace> local_input(std::string path,
                                                      const FilesSourceOptions& options);

}  // namespace millrace
