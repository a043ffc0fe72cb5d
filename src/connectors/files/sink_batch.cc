#include "connectors/files/sink_batch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"

namespace millrace {

namespace {

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

/// Of the formats that sql/ writes; of others anything.
sql::FileWriterOptions::Format format_of_sql(FileKind kind) {
  using Format = sql::FileWriterOptions::Format;
  return kind == FileKind::csv    ? Format::csv
         : kind == FileKind::json ? Format::json
                                  : Format::parquet;
}

}  // namespace

std::string FilesTarget::staging_parent() const {
  return replaces_folder() ? folder_of(path) : path;
}

std::string FilesTarget::staging_prefix() const {
  return fmt::format(".millrace-{}-{}.", start.pipeline, name);
}

FilesBatch::FilesBatch(const FilesTarget& target, std::int64_t batch, MalformedReceiver& refused)
    : target_(target),
      batch_(batch),
      staging_(fmt::format("{}/{}{}", target.staging_parent(), target.staging_prefix(), batch)) {
  const FilesSinkOptions& given = target.options;
  sql::FileWriterOptions options;
  options.format = format_of_sql(given.format);
  options.make_file = target.avro == nullptr ? sql::MakeRowFile() : target.avro->files(refused);
  options.compression = given.compression;
  options.row_group_rows = given.row_group_size;
  options.header = given.header;
  options.partition_by = given.partition_by;
  const bool one_file = target.start.mode == OutputMode::complete && !target.replaces_folder();
  options.max_file_bytes = one_file || !given.max_file_size ? 0 : given.max_file_size->count;
  writer_ = std::make_unique<sql::FileWriter>(
      *target.database, target.start.schema, options,
      [this](const std::string& partition, int part) { return staged_file(partition, part); });
}

FilesBatch::~FilesBatch() {
  if (published_) {
    return;
  }
  try {
    writer_.reset();
    remove_tree(staging_);
  } catch (const std::exception& error) {  // open() removes it next time
    Log().with("sink", target_.name).warn("{}", error.what());
  }
}

std::string FilesBatch::file_name(int part) const {
  if (target_.start.mode != OutputMode::complete) {
    return fmt::format("{}-{:010}-{:03}{}", target_.name, batch_, part, target_.extension);
  }
  return target_.replaces_folder()
             ? fmt::format("{}-{:03}{}", target_.name, part, target_.extension)
             : target_.name + target_.extension;
}

/// Names a file and makes its folder.
std::string FilesBatch::staged_file(const std::string& partition, int part) {
  const std::string folder =
      partition.empty() ? staging_ : fmt::format("{}/{}", staging_, partition);
  const std::lock_guard guard(made_folders_lock_);
  if (made_folders_.insert(folder).second) {
    make_folders(folder, false);
  }
  return fmt::format("{}/{}", folder, file_name(part));
}

void FilesBatch::stage() {
  files_ = writer_->finish(target_.start.mode == OutputMode::complete);
  writer_.reset();
  for (const sql::WrittenFile& file : files_) {
    fault_point("files.after_stage");
    stats_.rows += file.rows;
    stats_.bytes += file.bytes;
    ++stats_.files;
  }
}

void FilesBatch::publish() {
  if (published_) {
    return;
  }
  fault_point("files.before_rename");
  if (target_.replaces_folder()) {
    publish_folder();
  } else if (!files_.empty()) {
    publish_files();
  }
  published_ = true;
  fault_point("files.before_cleanup");
  remove_tree(staging_);
}

void FilesBatch::publish_files() {
  std::set<std::string> changed;
  for (const sql::WrittenFile& file : files_) {
    const std::string folder =
        file.partition.empty() ? target_.path : fmt::format("{}/{}", target_.path, file.partition);
    if (folder != target_.path && changed.insert(folder).second) {
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
  if (target_.options.success_marker) {
    mark_success();
    changed.insert(target_.path);
  }
  for (const std::string& folder : changed) {
    fsync_folder(folder);
  }
}

void FilesBatch::publish_folder() {
  make_folders(staging_, false);
  std::set<std::string> folders = made_folders_;
  // Folders between the staging folder and the ones that hold files, too.
  for (const std::string& folder : made_folders_) {
    for (std::string up = folder; up.size() > staging_.size(); up = folder_of(up)) {
      folders.insert(up);
    }
  }
  folders.insert(staging_);
  if (target_.options.success_marker) {
    write_file_atomically(staging_ + "/_SUCCESS", "", false);
  }
  for (const std::string& folder : folders) {
    fsync_folder(folder);
  }
  make_folders(target_.path);
  exchange_folders(staging_, target_.path);
  fault_point("files.after_renames");
  fsync_folder(folder_of(target_.path));
}

void FilesBatch::mark_success() const {
  write_file_atomically(target_.path + "/_SUCCESS", "", false);
}

}  // namespace millrace
