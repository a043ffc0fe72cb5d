#include "connectors/files/sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"

namespace millrace {

namespace {

namespace fs = std::filesystem;
using Format = sql::FileWriterOptions::Format;

std::string extension_of(const FilesSinkOptions& options) {
  switch (options.format) {
    case Format::parquet:
      return ".parquet";
    case Format::csv:
    case Format::json:
      break;
  }
  const std::string plain = options.format == Format::csv ? ".csv" : ".json";
  return plain + (options.compression == "gzip"   ? ".gz"
                  : options.compression == "zstd" ? ".zst"
                                                  : "");
}

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

}  // namespace

FilesSink::FilesSink(sql::Database* database, std::string name, std::string path,
                     FilesSinkOptions options)
    : database_(database),
      name_(std::move(name)),
      path_(std::move(path)),
      options_(std::move(options)),
      extension_(extension_of(options_)) {
  while (path_.size() > 1 && path_.ends_with('/')) {
    path_.pop_back();
  }
}

SinkTraits FilesSink::traits() const {
  return {.append = true,
          .complete = true,
          .preferred_for_tables = OutputMode::complete,
          .guarantee = options_.partition_by.empty()
                           ? "exactly once: files are written aside, synced, and renamed to names "
                             "made of sink, batch and part; complete replaces one file by a rename"
                           : "exactly once: files are written aside, synced, and renamed to names "
                             "made of sink, batch and part; complete exchanges the whole folder in "
                             "one step"};
}

std::string FilesSink::file_name(int part) const {
  if (start_.mode != OutputMode::complete) {
    return fmt::format("{}-{:010}-{:03}{}", name_, batch_, part, extension_);
  }
  return replaces_folder() ? fmt::format("{}-{:03}{}", name_, part, extension_)
                           : name_ + extension_;
}

std::optional<std::int64_t> FilesSink::batch_of(const std::string& file) const {
  std::string_view name = file;
  name.remove_prefix(file.rfind('/') + 1);
  if (!name.starts_with(name_) || !name.ends_with(extension_) ||
      name.size() < name_.size() + extension_.size()) {
    return std::nullopt;
  }
  name.remove_prefix(name_.size());
  name.remove_suffix(extension_.size());
  if (name.empty()) {
    return -1;
  }
  const auto digits = [](std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  if (name.size() >= 4 && name.front() == '-' && digits(name.substr(1)) && name.size() <= 10) {
    return -1;
  }
  if (name.size() < 15 || name.front() != '-' || name[11] != '-' || !digits(name.substr(1, 10)) ||
      !digits(name.substr(12))) {
    return std::nullopt;
  }
  std::int64_t batch = 0;
  std::from_chars(name.data() + 1, name.data() + 11, batch);
  return batch;
}

std::vector<std::string> FilesSink::published_files() const {
  std::vector<std::string> files = files_below(path_);
  std::erase_if(files, [this](const std::string& file) { return !batch_of(file); });
  return files;
}

void FilesSink::check_writable() const {
  make_folders(path_);
  if (::access(path_.c_str(), W_OK | X_OK) != 0 ||
      (replaces_folder() && ::access(folder_of(path_).c_str(), W_OK | X_OK) != 0)) {
    throw_file_error("write into", path_, errno);
  }
}

void FilesSink::open(const SinkStart& start) {
  start_ = start;
  // Beside the folder if that is what gets exchanged; both must be in one file system.
  const std::string hidden = fmt::format(".millrace-{}-{}", start.pipeline, name_);
  staging_ = fmt::format("{}/{}", replaces_folder() ? folder_of(path_) : path_, hidden);
  check_writable();
  remove_tree(staging_);
  if (replaces_folder()) {
    check_folder_is_ours();
  } else {
    remove_leftovers();
  }
}

/// Files of the batch that was running when the process died: it runs again and writes them anew.
void FilesSink::remove_leftovers() {
  const std::int64_t last = start_.last_committed.value_or(-1);
  std::set<std::string> changed;
  std::vector<std::string> leftovers;
  for (const std::string& file : published_files()) {
    const std::int64_t batch = *batch_of(file);
    if (batch > last + 1) {
      throw Error(
          Blame::user,
          fmt::format("`{}/{}` is of batch {}, but the checkpoint ends {}: the checkpoint "
                      "was removed or is an older one, and going on would write rows twice; "
                      "bring the checkpoint back, or start over with an empty folder",
                      path_, file, batch,
                      last < 0 ? std::string("before the first batch")
                               : fmt::format("with batch {}", last)));
    }
    if (batch > last) {
      leftovers.push_back(fmt::format("{}/{}", path_, file));
    }
  }
  for (const std::string& file : leftovers) {
    remove_file(file);
    changed.insert(folder_of(file));
  }
  for (const std::string& folder : changed) {
    fsync_folder(folder);
  }
}

/// The folder is replaced as a whole, so nothing of others may be in it.
void FilesSink::check_folder_is_ours() const {
  for (const std::string& file : files_below(path_)) {
    if (!batch_of(file) && file != "_SUCCESS") {
      throw Error(Blame::user,
                  fmt::format("`{}` holds `{}`, which is not of sink {}; `mode: complete` with "
                              "`partition_by` replaces the whole folder: give it one of its own",
                              path_, file, name_));
    }
  }
}

void FilesSink::begin(std::int64_t batch) {
  batch_ = batch;
  published_ = false;
  stats_ = {};
  files_.clear();
  made_folders_.clear();
  sql::FileWriterOptions options;
  options.format = options_.format;
  options.compression = options_.compression;
  options.row_group_rows = options_.row_group_size;
  options.header = options_.header;
  options.partition_by = options_.partition_by;
  const bool one_file = start_.mode == OutputMode::complete && !replaces_folder();
  options.max_file_bytes = one_file || !options_.max_file_size ? 0 : options_.max_file_size->count;
  writer_ = std::make_unique<sql::FileWriter>(
      *database_, start_.schema, options, [this](const std::string& partition, int part) {
        const std::string folder =
            partition.empty() ? staging_ : fmt::format("{}/{}", staging_, partition);
        const std::lock_guard guard(made_folders_lock_);
        if (made_folders_.insert(folder).second) {
          make_folders(folder, false);
        }
        return fmt::format("{}/{}", folder, file_name(part));
      });
}

std::unique_ptr<SinkWriter> FilesSink::writer() { return writer_->writer(); }

void FilesSink::stage() {
  files_ = writer_->finish(start_.mode == OutputMode::complete);
  writer_.reset();
  for (const sql::WrittenFile& file : files_) {
    fault_point("files.after_stage");
    stats_.rows += file.rows;
    stats_.bytes += file.bytes;
    ++stats_.files;
  }
}

void FilesSink::publish() {
  if (published_) {
    return;
  }
  fault_point("files.before_rename");
  if (replaces_folder()) {
    publish_folder();
  } else if (!files_.empty()) {
    publish_files();
  }
  published_ = true;
  fault_point("files.before_cleanup");
  remove_tree(staging_);
}

void FilesSink::publish_files() {
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
  if (options_.success_marker) {
    mark_success();
    changed.insert(path_);
  }
  for (const std::string& folder : changed) {
    fsync_folder(folder);
  }
}

void FilesSink::publish_folder() {
  make_folders(staging_, false);
  std::set<std::string> folders = made_folders_;
  // Folders between the staging folder and the ones that hold files, too.
  for (const std::string& folder : made_folders_) {
    for (std::string up = folder; up.size() > staging_.size(); up = folder_of(up)) {
      folders.insert(up);
    }
  }
  folders.insert(staging_);
  if (options_.success_marker) {
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

void FilesSink::mark_success() const { write_file_atomically(path_ + "/_SUCCESS", "", false); }

void FilesSink::abort() noexcept {
  try {
    writer_.reset();
    remove_tree(staging_);
  } catch (const std::exception& error) {  // open() removes it next time
    Log().with("sink", name_).warn("{}", error.what());
  }
}

std::string FilesSink::query() const {
  std::string list;
  for (const std::string& file : exists(path_) ? published_files() : std::vector<std::string>()) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ",
                        sql::quote_text(fmt::format("{}/{}", path_, file)));
  }
  if (list.empty()) {
    std::string columns;
    for (const Column& column : start_.schema.columns) {
      columns += fmt::format("{}CAST(NULL AS {}) AS {}", columns.empty() ? "" : ", ", column.type,
                             sql::quote_name(column.name));
    }
    return columns.empty() ? "" : fmt::format("SELECT {} WHERE false", columns);
  }
  const std::string hive =
      options_.partition_by.empty() ? "hive_partitioning = false" : "hive_partitioning = true";
  switch (options_.format) {
    case Format::parquet:
      return fmt::format("SELECT * FROM read_parquet([{}], {}, union_by_name = true)", list, hive);
    case Format::csv:
      return fmt::format("SELECT * FROM read_csv([{}], {}, header = {})", list, hive,
                         options_.header);
    case Format::json:
      return fmt::format("SELECT * FROM read_json([{}], {}, format = 'newline_delimited')", list,
                         hive);
  }
  std::unreachable();
}

}  // namespace millrace
