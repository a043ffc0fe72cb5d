// Files in a folder of this machine: written into a hidden one, synced, and renamed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <set>
#include <utility>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "connectors/files/output_place.h"

namespace millrace {

namespace {

namespace fs = std::filesystem;

/// All regular files below a folder that are not in hidden ones, as paths relative to it, sorted.
std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; at != end && !error;
       at.increment(error)) {
    if (at->path().filename().native().starts_with('.')) {
      at.disable_recursion_pending();
    } else if (at->is_regular_file(error)) {
      files.push_back(at->path().native().substr(folder.size() + 1));
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw_file_error("read", folder, error.value());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void exchange_folders(const std::string& a, const std::string& b) {
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) {
    return;
  }
  if (errno == EINVAL || errno == ENOSYS) {
    throw Error(
        Blame::external,
        fmt::format("the file system of `{}` cannot exchange two folders in one step, which "
                    "`mode: complete` with `partition_by` needs; write to a local file "
                    "system (ext4, xfs, btrfs, tmpfs), or leave out `partition_by`",
                    b));
  }
  if (errno == EXDEV || errno == EBUSY) {
    throw Error(Blame::external,
                fmt::format("`{}` is the root of a file system and cannot be exchanged for another "
                            "folder, which `mode: complete` with `partition_by` needs; write to a "
                            "folder below it",
                            b));
  }
  throw_file_error("replace", b, errno);
}

class LocalPublication final : public Publication {
 public:
  LocalPublication(const OutputJob& job, const std::string& path, std::string staging,
                   std::int64_t batch)
      : job_(job), path_(path), staging_(std::move(staging)), batch_(batch) {}
  LocalPublication(const LocalPublication&) = delete;
  LocalPublication& operator=(const LocalPublication&) = delete;
  ~LocalPublication() override;

  [[nodiscard]] const std::string& folder() const noexcept override { return staging_; }
  [[nodiscard]] std::string file_name(int part) const override;
  void stage(const std::vector<sql::WrittenFile>& files) override;
  void publish() override;

 private:
  void publish_files();
  void publish_folder();

  const OutputJob job_;
  const std::string& path_;
  std::string staging_;
  std::int64_t batch_;
  std::vector<sql::WrittenFile> files_;
  bool published_ = false;
};

LocalPublication::~LocalPublication() {
  if (published_) {
    return;
  }
  try {
    remove_tree(staging_);
  } catch (const std::exception& error) {  // open() removes it next time
    Log().with("sink", job_.names.sink()).warn("{}", error.what());
  }
}

std::string LocalPublication::file_name(int part) const {
  if (!job_.is_complete()) {
    return job_.names.of_batch(batch_, part);
  }
  return job_.options.partition_by.empty() ? job_.names.of_whole() : job_.names.of_part(part);
}

void LocalPublication::stage(const std::vector<sql::WrittenFile>& files) {
  files_ = files;
  std::ranges::for_each(files_, [](const auto&) { fault_point("files.after_stage"); });
}

void LocalPublication::publish() {
  if (published_) {
    return;
  }
  fault_point("files.before_rename");
  if (job_.replaces_folder()) {
    publish_folder();
  } else if (!files_.empty()) {
    publish_files();
  }
  published_ = true;
  fault_point("files.before_cleanup");
  remove_tree(staging_);
}

void LocalPublication::publish_files() {
  std::set<std::string> changed;
  for (const sql::WrittenFile& file : files_) {
    const std::string folder =
        file.partition.empty() ? path_ : fmt::format("{}/{}", path_, file.partition);
    if (folder != path_ && changed.insert(folder).second) {
      make_folders(folder);
    }
    const std::string to = fmt::format("{}/{}", folder, name_of_file(file.path));
    if (::rename(file.path.c_str(), to.c_str()) != 0 && !(errno == ENOENT && exists(to))) {
      throw_file_error("publish", to, errno);
    }
    changed.insert(folder);
    fault_point("files.between_renames");
  }
  fault_point("files.after_renames");
  if (job_.options.success_marker) {
    write_file_atomically(path_ + "/_SUCCESS", "", false);
    changed.insert(path_);
  }
  for (const std::string& folder : changed) {
    fsync_folder(folder);
  }
}

void LocalPublication::publish_folder() {
  make_folders(staging_, false);
  // The folders that hold files, and those between them and the staging folder, too.
  std::set<std::string> folders{staging_};
  for (const sql::WrittenFile& file : files_) {
    for (std::string up = folder_of(file.path); up.size() > staging_.size(); up = folder_of(up)) {
      folders.insert(up);
    }
  }
  if (job_.options.success_marker) {
    write_file_atomically(staging_ + "/_SUCCESS", "", false);
  }
  for (const std::string& folder : folders) {
    fsync_folder(folder);
  }
  make_folders(path_);
  exchange_folders(staging_, path_);
  fault_point("files.after_renames");
  fsync_folder(folder_of(path_));
}

class LocalOutput final : public OutputPlace {
 public:
  explicit LocalOutput(std::string path) : path_(std::move(path)) {
    while (path_.size() > 1 && path_.ends_with('/')) {
      path_.pop_back();
    }
  }

  [[nodiscard]] const std::string& path() const noexcept override { return path_; }
  [[nodiscard]] std::string guarantee(const FilesSinkOptions& options) const override {
    return fmt::format(
        "files are written aside, synced, and renamed to names made of sink, batch "
        "and part; complete {}",
        options.overwrites_parts()     ? "replaces the one file of a partition"
        : options.partition_by.empty() ? "replaces one file by a rename"
                                       : "exchanges the whole folder in one step");
  }
  [[nodiscard]] bool syncs() const noexcept override { return true; }
  void open(const OutputJob& job) override;
  void check_replaceable(const OutputJob& job) override;
  [[nodiscard]] std::vector<PlacedFile> files_behind(const OutputJob& job,
                                                     std::int64_t batch) const override;
  [[nodiscard]] std::string fetch(const PlacedFile& file,
                                  const std::string& /*folder*/) const override {
    return fmt::format("{}/{}", path_, file.path);
  }
  void remove(const std::vector<std::string>& files) override;
  [[nodiscard]] std::unique_ptr<Publication> begin(const OutputJob& job,
                                                   std::int64_t batch) override {
    return std::make_unique<LocalPublication>(
        job, path_, fmt::format("{}/{}{}", staging_parent(job), staging_prefix(job), batch), batch);
  }
  [[nodiscard]] std::vector<PlacedFile> visible(const OutputJob& job, sql::Database& database,
                                                std::int64_t last_batch) const override;

 private:
  /// The folder that staging folders are in: beside the target if that is what gets exchanged. Both
  /// must be in one file system.
  [[nodiscard]] std::string staging_parent(const OutputJob& job) const {
    return job.replaces_folder() ? folder_of(path_) : path_;
  }
  /// What the names of staging folders begin with; the batch follows.
  [[nodiscard]] static std::string staging_prefix(const OutputJob& job) {
    return fmt::format(".millrace-{}-{}.", job.start.pipeline, job.names.sink());
  }

  std::string path_;
};

void LocalOutput::open(const OutputJob& job) {
  make_folders(path_);
  if (::access(path_.c_str(), W_OK | X_OK) != 0 ||
      (job.replaces_folder() && ::access(folder_of(path_).c_str(), W_OK | X_OK) != 0)) {
    throw_file_error("write into", path_, errno);
  }
  const auto parent = staging_parent(job);
  const auto prefix = staging_prefix(job);
  for (const auto& name : list_folder(parent)) {
    if (name.starts_with(prefix) && is_number(std::string_view(name).substr(prefix.size()))) {
      remove_tree(fmt::format("{}/{}", parent, name));
    }
  }
}

/// The folder is replaced as a whole, so nothing of others may be in it.
void LocalOutput::check_replaceable(const OutputJob& job) {
  for (const std::string& file : files_below(path_)) {
    if (!job.names.batch_of(file) && file != "_SUCCESS") {
      throw Error(Blame::user,
                  fmt::format("`{}` holds `{}`, which is not of sink {}; `mode: complete` with "
                              "`partition_by` replaces the whole folder: give it one of its own",
                              path_, file, job.names.sink()));
    }
  }
}

std::vector<PlacedFile> LocalOutput::files_behind(const OutputJob& job, std::int64_t batch) const {
  std::vector<PlacedFile> files;
  for (auto& path : files_below(path_)) {
    const auto of = job.names.batch_of(path);
    if (of && (batch < 0 || *of > batch)) {
      struct stat found{};
      if (::stat(fmt::format("{}/{}", path_, path).c_str(), &found) != 0) {
        found = {};
      }
      files.push_back({std::move(path), found.st_size,
                       found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec});
    }
  }
  return files;
}

void LocalOutput::remove(const std::vector<std::string>& files) {
  std::set<std::string> changed;
  for (const std::string& file : files) {
    const auto path = fmt::format("{}/{}", path_, file);
    remove_file(path);
    changed.insert(folder_of(path));
  }
  for (const std::string& folder : changed) {
    fsync_folder(folder);
  }
}

std::vector<PlacedFile> LocalOutput::visible(const OutputJob& job, sql::Database& /*database*/,
                                             std::int64_t last_batch) const {
  auto files = files_behind(job, -1);
  remove_behind(files, job, last_batch);
  for (PlacedFile& file : files) {
    file.path.insert(0, path_ + "/");
  }
  return files;
}

}  // namespace

std::unique_ptr<OutputPlace> local_output(std::string path) {
  return std::make_unique<LocalOutput>(std::move(path));
}

}  // namespace millrace
