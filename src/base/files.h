// Files that must survive a crash, on POSIX. Whatever fails is an Error{Blame::external} that names
// the operation, the path, the system's reason, and a way out where there is one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace millrace {

/// An open file, closed when it goes.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  ~UniqueFd() { reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  void reset() noexcept;
  /// Hands the descriptor over to the caller, who closes it.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

/// Throws the Error of a failed file operation: throw_file_error("write", path, errno) says "cannot
/// write `path`: No space left on device; free some space on that file system".
[[noreturn]] void throw_file_error(std::string_view operation, const std::string& path, int error);
/// The system's words for an errno.
[[nodiscard]] std::string errno_text(int error);

/// `path` as it is if it is absolute or a URL (s3://...); else below `folder`.
[[nodiscard]] std::string resolve_path(const std::string& folder, const std::string& path);
/// The folder that `path` is in, "." if it names none; and the part after the last slash.
[[nodiscard]] std::string folder_of(const std::string& path);
[[nodiscard]] std::string name_of_file(const std::string& path);
/// Without regard to whether it exists: no `.`, `..` or doubled slashes, from the root.
[[nodiscard]] std::string absolute_path(const std::string& path);

[[nodiscard]] bool exists(const std::string& path);
[[nodiscard]] bool is_folder(const std::string& path);
[[nodiscard]] std::string read_file(const std::string& path);
/// Reads a whole file; returns 0 or the errno. For files whose absence is somebody's mistake.
[[nodiscard]] int read_file_or_errno(const std::string& path, std::string& into);
/// Names in a folder, sorted, without `.` and `..`. A folder that is not there is empty.
[[nodiscard]] std::vector<std::string> list_folder(const std::string& path);

/// Replaces a file as a whole: a reader, and whoever looks after a crash, sees the old content or
/// the new one. With `sync`, the new one is durable when this returns.
void write_file_atomically(const std::string& path, std::string_view content, bool sync = true);
/// Makes a folder and the ones above it, durably with `sync`. One that exists is fine.
void make_folders(const std::string& path, bool sync = true);
/// Replaces `to`. Durable after fsync_folder() of the folders involved.
void rename_file(const std::string& from, const std::string& to);
/// Removes a file; true if there was one.
bool remove_file(const std::string& path);
/// Removes a file or a folder with all that is in it. What is not there is fine.
void remove_tree(const std::string& path);
/// Makes a folder's entries (new, renamed and removed files) durable.
void fsync_folder(const std::string& path);
void fsync_file(const std::string& path);

/// A file that grows at its end: a log.
class AppendFile {
 public:
  AppendFile() = default;
  /// Opens it, made if missing, to write after its present end.
  explicit AppendFile(std::string path);

  /// What could be written in part only (a full disk) is taken back before the Error is thrown.
  void write(std::string_view bytes);
  /// Makes what was written durable.
  void sync();
  /// Cuts it off, for a torn record at its end.
  void truncate(std::int64_t size);
  [[nodiscard]] std::int64_t size() const noexcept { return size_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] bool is_open() const noexcept { return fd_.is_open(); }

 private:
  std::string path_;
  UniqueFd fd_;
  std::int64_t size_ = 0;
};

/// Keeps other processes out for as long as it lives. The system lets go of it when the process
/// dies, however it dies, so a lock file that was left behind means nothing.
class FileLock {
 public:
  /// Throws an Error that names the process that has it. `what` is what it protects, for the
  /// message: "pipeline orders".
  FileLock(std::string path, std::string_view what);
  FileLock(FileLock&&) noexcept = default;
  FileLock& operator=(FileLock&&) noexcept = default;

 private:
  UniqueFd fd_;
};

}  // namespace millrace
