#include "base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/strings.h"

namespace millrace {
namespace {

/// Calls again what a signal interrupted.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) {
    result = call();
  }
  return result;
}

std::string_view way_out(int error) {
  switch (error) {
    case ENOSPC:
      return "free some space on that file system";
    case EDQUOT:
      return "free some space, or raise the quota";
    case EACCES:
    case EPERM:
      return "give the user that runs millrace the permission, or choose another path";
    case EROFS:
      return "choose a path on a file system that can be written";
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files (`ulimit -n`)";
    default:
      return "";
  }
}

UniqueFd open_file(const std::string& path, int flags, std::string_view operation) {
  constexpr mode_t kMode = 0666;  // less the umask
  const int fd = uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kMode); });
  if (fd < 0) {
    throw_file_error(operation, path, errno);
  }
  return UniqueFd(fd);
}

/// Returns 0 or the errno.
int try_write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = uninterrupted([&] { return ::write(fd, bytes.data(), bytes.size()); });
    if (written < 0) {
      return errno;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

/// After a failed fsync nobody knows what is on the disk, so it is never tried a second time.
void sync_fd(int fd, const std::string& path) {
  if (::fsync(fd) != 0) {
    throw_file_error("sync", path, errno);
  }
}

/// Closes a file and says so when the system held back an error until then (NFS, quotas).
void close_checked(UniqueFd fd, const std::string& path) {
  // Linux closes it even when a signal interrupts, so there is no second try.
  if (::close(fd.release()) != 0 && errno != EINTR) {
    throw_file_error("write", path, errno);
  }
}

}  // namespace

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void UniqueFd::reset() noexcept {
  if (fd_ >= 0) {
    ::close(fd_);
    fd_ = -1;
  }
}

std::string errno_text(int error) { return std::generic_category().message(error); }

void throw_file_error(std::string_view operation, const std::string& path, int error) {
  const std::string_view out = way_out(error);
  const bool passes = error == EMFILE || error == ENFILE || error == EAGAIN || error == ESTALE ||
                      error == ETIMEDOUT || error == EBUSY;
  throw Error(Blame::external,
              fmt::format("cannot {} `{}`: {}{}{}", operation, path, errno_text(error),
                          out.empty() ? "" : "; ", out),
              passes ? Retry::yes : Retry::no);
}

std::string resolve_path(const std::string& folder, const std::string& path) {
  if (path.starts_with('/') || path.find("://") != std::string::npos || folder.empty() ||
      folder == ".") {
    return path;
  }
  return folder.ends_with('/') ? folder + path : folder + "/" + path;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of_file(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string absolute_path(const std::string& path) {
  std::error_code problem;
  const auto absolute = std::filesystem::absolute(path, problem);
  if (problem) {
    throw_file_error("resolve", path, problem.value());
  }
  std::string result = absolute.lexically_normal().string();
  if (result.size() > 1 && result.ends_with('/')) {
    result.pop_back();
  }
  return result;
}

bool exists(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0;
}

bool is_folder(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

int read_file_or_errno(const std::string& path, std::string& into) {
  const int raw = uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
  if (raw < 0) {
    return errno;
  }
  const UniqueFd fd(raw);
  into.clear();
  struct stat info{};
  if (::fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode)) {
    into.reserve(static_cast<std::size_t>(info.st_size));
  }
  std::array<char, 65536> buffer;
  while (true) {
    const auto got = uninterrupted([&] { return ::read(fd.get(), buffer.data(), buffer.size()); });
    if (got < 0) {
      return errno;
    }
    if (got == 0) {
      return 0;
    }
    into.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

std::string read_file(const std::string& path) {
  std::string content;
  if (const int error = read_file_or_errno(path, content); error != 0) {
    throw_file_error("read", path, error);
  }
  return content;
}

std::vector<std::string> list_folder(const std::string& path) {
  std::vector<std::string> names;
  DIR* const folder = ::opendir(path.c_str());
  if (folder == nullptr) {
    if (errno == ENOENT) {
      return names;
    }
    throw_file_error("list", path, errno);
  }
  errno = 0;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
  }
  const int error = errno;
  ::closedir(folder);
  if (error != 0) {
    throw_file_error("list", path, error);
  }
  std::ranges::sort(names);
  return names;
}

void write_file_atomically(const std::string& path, std::string_view content, bool sync) {
  // One name a path: what a crash leaves behind is overwritten the next time, not gathered.
  const std::string aside = folder_of(path) + "/." + name_of_file(path) + ".tmp";
  UniqueFd fd = open_file(aside, O_WRONLY | O_CREAT | O_TRUNC, "create");
  if (const int error = try_write_all(fd.get(), content); error != 0) {
    ::unlink(aside.c_str());
    throw_file_error("write", aside, error);
  }
  if (sync) {
    sync_fd(fd.get(), aside);
  }
  close_checked(std::move(fd), aside);
  rename_file(aside, path);
  if (sync) {
    fsync_folder(folder_of(path));
  }
}

void make_folders(const std::string& path, bool sync) {
  constexpr mode_t kMode = 0777;  // less the umask
  if (path.empty() || is_folder(path)) {
    return;
  }
  const std::string above = folder_of(path);
  if (above != path) {
    make_folders(above, sync);
  }
  // Another thread or process may have made it in between; a name that ends in a slash has been.
  if (::mkdir(path.c_str(), kMode) != 0 && (errno != EEXIST || !is_folder(path))) {
    throw_file_error("create the folder", path, errno);
  }
  if (sync) {
    fsync_folder(above);
  }
}

void rename_file(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    const int error = errno;
    throw_file_error(fmt::format("rename `{}` to", from), to, error);
  }
}

bool remove_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0) {
    return true;
  }
  if (errno != ENOENT) {
    throw_file_error("remove", path, errno);
  }
  return false;
}

void remove_tree(const std::string& path) {
  std::error_code problem;
  std::filesystem::remove_all(path, problem);
  if (problem) {
    throw_file_error("remove", path, problem.value());
  }
}

void fsync_folder(const std::string& path) {
  sync_fd(open_file(path, O_RDONLY | O_DIRECTORY, "open the folder").get(), path);
}

void fsync_file(const std::string& path) { sync_fd(open_file(path, O_RDONLY, "open").get(), path); }

AppendFile::AppendFile(std::string path)
    : path_(std::move(path)), fd_(open_file(path_, O_WRONLY | O_CREAT | O_APPEND, "open")) {
  struct stat info{};
  if (::fstat(fd_.get(), &info) != 0) {
    throw_file_error("read the size of", path_, errno);
  }
  size_ = info.st_size;
}

void AppendFile::write(std::string_view bytes) {
  if (const int error = try_write_all(fd_.get(), bytes); error != 0) {
    // If this fails as well, the torn record is recognised by its checksum at the next start.
    (void)!::ftruncate(fd_.get(), size_);
    throw_file_error("write", path_, error);
  }
  size_ += static_cast<std::int64_t>(bytes.size());
}

void AppendFile::sync() {
  if (::fdatasync(fd_.get()) != 0) {
    throw_file_error("sync", path_, errno);
  }
}

void AppendFile::truncate(std::int64_t size) {
  if (uninterrupted([&] { return ::ftruncate(fd_.get(), size); }) != 0) {
    throw_file_error("truncate", path_, errno);
  }
  size_ = size;
}

FileLock::FileLock(std::string path, std::string_view what)
    : fd_(open_file(path, O_RDWR | O_CREAT, "open")) {
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    if (error != EWOULDBLOCK) {
      throw_file_error("lock", path, error);
    }
    std::string holder;
    const bool known = read_file_or_errno(path, holder) == 0 && parse_integer(trim(holder));
    throw Error(Blame::user,
                fmt::format("{} is already running{}; stop that process first (lock file `{}`)",
                            what, known ? fmt::format(" in process {}", trim(holder)) : "", path));
  }
  // The text is for people only and may fail on a full disk; the lock is what counts.
  if (::ftruncate(fd_.get(), 0) == 0) {
    (void)try_write_all(fd_.get(), fmt::format("{}\n", ::getpid()));
  }
}

}  // namespace millrace
