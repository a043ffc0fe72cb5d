#include "connectors/files/discovery.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/files.h"
#include "base/strings.h"
#include "core/same_file.h"

namespace millrace {

namespace {

struct CloseFolder {
  void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

constexpr std::string_view kGlobCharacters = "*?[";

/// Whether somebody has the file open for writing, if the system can tell: a read lease is refused
/// then. Needs to own the file (or be root), and a local file system.
std::optional<bool> is_being_written(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_open()) {
    return std::nullopt;
  }
  // Who opens the file for writing in between makes the system send a signal: one that is ignored,
  // not SIGIO, which would end the process.
  if (::fcntl(fd.get(), F_SETSIG, SIGURG) != 0) {
    return std::nullopt;
  }
  if (::fcntl(fd.get(), F_SETLEASE, F_RDLCK) == 0) {
    ::fcntl(fd.get(), F_SETLEASE, F_UNLCK);
    return false;
  }
  return errno == EAGAIN ? std::optional(true) : std::nullopt;
}

/// In nanoseconds since 1970.
std::int64_t mtime_of(const struct stat& status) {
  return (static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000) +
         status.st_mtim.tv_nsec;
}

}  // namespace

bool is_left_alone(std::string_view name) noexcept {
  constexpr std::array<std::string_view, 9> kTemporary{".tmp",        ".temp",       ".part",
                                                       ".partial",    ".crdownload", ".swp",
                                                       ".inprogress", "._COPYING_",  "~"};
  return name.empty() || name.front() == '.' || name.front() == '_' ||
         std::any_of(kTemporary.begin(), kTemporary.end(),
                     [&](std::string_view end) { return name.ends_with(end); });
}

bool path_fits(std::string_view pattern, std::string_view path) {
  const auto cut = [](std::string_view& text) {
    const auto slash = text.find('/');
    const std::string first(text.substr(0, slash));
    text = slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
    return first;
  };
  std::string_view rest_of_pattern = pattern;
  const std::string first = cut(rest_of_pattern);
  if (first == "**") {
    if (rest_of_pattern.empty()) {
      return true;
    }
    for (std::string_view rest = path; !rest.empty(); cut(rest)) {
      if (path_fits(rest_of_pattern, rest)) {
        return true;
      }
    }
    return false;
  }
  std::string_view rest = path;
  const std::string name = cut(rest);
  return ::fnmatch(first.c_str(), name.c_str(), 0) == 0 &&
         rest.empty() == rest_of_pattern.empty() &&
         (rest.empty() || path_fits(rest_of_pattern, rest));
}

Discovery::Discovery(Where where) : where_(std::move(where)), base_(where_.path) {
  while (base_.size() > 1 && base_.ends_with('/')) {
    base_.pop_back();
  }
  if (const auto glob = base_.find_first_of(kGlobCharacters); glob != std::string::npos) {
    const auto slash = base_.rfind('/', glob);
    pattern_ = base_.substr(slash + 1);
    base_.resize(std::max<std::size_t>(slash, 1));
  } else if (exists(base_) && !is_folder(base_)) {
    pattern_ = name_of_file(base_);
    base_ = folder_of(base_);
  }
}

void Discovery::check() const {
  const std::unique_ptr<DIR, CloseFolder> open(::opendir(base_.c_str()));
  if (open != nullptr) {
    return;
  }
  const int error = errno;
  const std::string_view way_out = error == ENOENT ? "make the folder, or correct `path`"
                                   : error == EACCES
                                       ? "give the user that runs millrace the right to read it"
                                   : error == ENOTDIR ? "correct `path`"
                                                      : "";
  throw Error(Blame::external,
              fmt::format("cannot read the folder `{}`: {}{}{}", base_, errno_text(error),
                          way_out.empty() ? "" : "; ", way_out));
}

bool Discovery::fits(const std::string& relative, std::string_view name) const {
  if (!where_.name_filter.empty() &&
      ::fnmatch(where_.name_filter.c_str(), std::string(name).c_str(), 0) != 0) {
    return false;
  }
  return pattern_.empty() || path_fits(pattern_, relative);
}

bool Discovery::goes_deeper(std::size_t depth) const noexcept {
  if (where_.recursive) {
    return true;
  }
  return pattern_.contains("**") ||
         std::cmp_less(depth, std::count(pattern_.begin(), pattern_.end(), '/'));
}

bool Discovery::is_complete(const FileScan::File& file) {
  if (const auto written = is_being_written(file.path)) {
    return !*written;
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto settle = std::chrono::nanoseconds(where_.settle_time);
  if (std::chrono::nanoseconds(file.mtime_ns) + settle <= now) {
    return true;
  }
  // A clock of another machine may be ahead: then only watching the file helps.
  const auto steady = std::chrono::steady_clock::now();
  auto [seen, first] = growing_.try_emplace(file.path, Seen{file.size, file.mtime_ns, steady});
  if (!first && (seen->second.size != file.size || seen->second.mtime_ns != file.mtime_ns)) {
    seen->second = {file.size, file.mtime_ns, steady};
  }
  return steady - seen->second.since >= settle;
}

void Discovery::look_into(const std::string& folder, const std::string& relative, std::size_t depth,
                          const std::function<bool(const std::string&)>& skip,
                          std::vector<Found>& found) {
  const std::unique_ptr<DIR, CloseFolder> open(::opendir(folder.c_str()));
  if (open == nullptr) {
    if (errno == ENOENT && depth > 0) {
      return;  // removed meanwhile
    }
    throw_file_error("read", folder, errno);
  }
  folders_.push_back(folder);
  while (const dirent* entry = ::readdir(open.get())) {
    const std::string_view name = entry->d_name;
    if (is_left_alone(name)) {
      continue;
    }
    const std::string below =
        relative.empty() ? std::string(name) : fmt::format("{}/{}", relative, name);
    if (entry->d_type == DT_REG && (skip(below) || !fits(below, name))) {
      continue;
    }
    const std::string path = fmt::format("{}/{}", folder, name);
    if (entry->d_type == DT_DIR) {
      if (goes_deeper(depth)) {
        look_into(path, below, depth + 1, skip, found);
      }
      continue;
    }
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
      continue;  // removed meanwhile, or a link that leads nowhere
    }
    if (S_ISDIR(status.st_mode)) {
      if (goes_deeper(depth)) {
        look_into(path, below, depth + 1, skip, found);
      }
    } else if (S_ISREG(status.st_mode) && fits(below, name) && !skip(below)) {
      found.push_back(
          {{.path = below, .size = status.st_size, .mtime_ns = mtime_of(status)}, true});
    }
  }
}

std::optional<FileScan::File> Discovery::find(const std::string& relative) const {
  struct stat status{};
  if (::stat(fmt::format("{}/{}", base_, relative).c_str(), &status) != 0) {
    return std::nullopt;
  }
  return FileScan::File{.path = relative, .size = status.st_size, .mtime_ns = mtime_of(status)};
}

std::vector<Discovery::Found> Discovery::look(const std::function<bool(const std::string&)>& skip) {
  std::vector<Found> found;
  folders_.clear();
  look_into(base_, "", 0, skip, found);
  std::unordered_map<std::string, Seen> growing;
  std::unordered_map<std::string, FileScan::File> complete;
  for (Found& each : found) {
    FileScan::File file = each.file;
    file.path = fmt::format("{}/{}", base_, file.path);
    const auto known = complete_.find(file.path);
    each.complete =
        (known != complete_.end() && same_file(known->second, file)) || is_complete(file);
    if (const auto seen = growing_.find(file.path); seen != growing_.end() && !each.complete) {
      growing.insert(*seen);
    }
    if (each.complete) {
      complete.emplace(file.path, std::move(file));
    }
  }
  growing_ = std::move(growing);
  complete_ = std::move(complete);
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return std::tie(a.file.mtime_ns, a.file.path) < std::tie(b.file.mtime_ns, b.file.path);
  });
  return found;
}

}  // namespace millrace
