#include "connectors/files/sink.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <utility>

#include "base/files.h"
#include "base/strings.h"

namespace millrace {

namespace {

namespace fs = std::filesystem;

std::string extension_of(const FilesSinkOptions& options) {
  auto plain = fmt::format(".{}", enum_word(options.format));
  if (options.format == FileKind::parquet || options.format == FileKind::avro) {
    return plain;  // compressed inside
  }
  return plain + (options.compression == "gzip"   ? ".gz"
                  : options.compression == "zstd" ? ".zst"
                                                  : "");
}

/// What is left for the files: a folder says what its partition's columns are.
Schema columns_of_files(Schema schema, const std::vector<std::string>& partition_by) {
  for (const std::string& name : partition_by) {
    std::erase_if(schema.columns,
                  [&](const Column& column) { return equal_ignoring_case(column.name, name); });
  }
  return schema;
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
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

}  // namespace

FilesSink::FilesSink(sql::Database* database, std::string name, std::string path,
                     FilesSinkOptions options)
    : target_{.database = database,
              .name = std::move(name),
              .path = std::move(path),
              .options = std::move(options),
              .extension = {},
              .start = {},
              .avro = nullptr} {
  target_.extension = extension_of(target_.options);
  while (target_.path.size() > 1 && target_.path.ends_with('/')) {
    target_.path.pop_back();
  }
}

SinkTraits FilesSink::traits() const {
  return {.append = true,
          .complete = true,
          .preferred_for_tables = OutputMode::complete,
          .guarantee = target_.options.partition_by.empty()
                           ? "exactly once: files are written aside, synced, and renamed to names "
                             "made of sink, batch and part; complete replaces one file by a rename"
                           : "exactly once: files are written aside, synced, and renamed to names "
                             "made of sink, batch and part; complete exchanges the whole folder in "
                             "one step"};
}

std::optional<std::int64_t> FilesSink::batch_of(const std::string& file) const {
  std::string_view name = file;
  name.remove_prefix(file.rfind('/') + 1);
  if (!name.starts_with(target_.name) || !name.ends_with(target_.extension) ||
      name.size() < target_.name.size() + target_.extension.size()) {
    return std::nullopt;
  }
  name.remove_prefix(target_.name.size());
  name.remove_suffix(target_.extension.size());
  if (name.empty()) {
    return -1;
  }
  if (name.size() >= 4 && name.front() == '-' && is_number(name.substr(1)) && name.size() <= 10) {
    return -1;
  }
  if (name.size() < 15 || name.front() != '-' || name[11] != '-' ||
      !is_number(name.substr(1, 10)) || !is_number(name.substr(12))) {
    return std::nullopt;
  }
  std::int64_t batch = 0;
  std::from_chars(name.data() + 1, name.data() + 11, batch);
  return batch;
}

std::vector<std::string> FilesSink::published_files() const {
  std::vector<std::string> files = files_below(target_.path);
  std::erase_if(files, [this](const std::string& file) { return !batch_of(file); });
  return files;
}

void FilesSink::check_writable() const {
  make_folders(target_.path);
  if (::access(target_.path.c_str(), W_OK | X_OK) != 0 ||
      (target_.replaces_folder() && ::access(folder_of(target_.path).c_str(), W_OK | X_OK) != 0)) {
    throw_file_error("write into", target_.path, errno);
  }
}

void FilesSink::open(const SinkStart& start) {
  target_.start = start;
  if (target_.options.format == FileKind::avro) {
    target_.avro = std::make_unique<AvroOutput>(
        target_.name, target_.path, target_.options,
        columns_of_files(start.schema, target_.options.partition_by), start.checkpoint);
  }
  check_writable();
  remove_staged();
  if (target_.replaces_folder()) {
    check_folder_is_ours();
  } else {
    remove_leftovers();
  }
}

std::unique_ptr<SinkBatch> FilesSink::begin(std::int64_t batch, MalformedReceiver& refused) {
  return std::make_unique<FilesBatch>(target_, batch, refused);
}

/// Staging folders of a process that died.
void FilesSink::remove_staged() const {
  const auto parent = target_.staging_parent();
  const auto prefix = target_.staging_prefix();
  for (const auto& name : list_folder(parent)) {
    if (name.starts_with(prefix) && is_number(std::string_view(name).substr(prefix.size()))) {
      remove_tree(fmt::format("{}/{}", parent, name));
    }
  }
}

/// Files of the batch that was running when the process died: it runs again and writes them anew.
void FilesSink::remove_leftovers() {
  const std::int64_t last = target_.start.last_committed.value_or(-1);
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
                      target_.path, file, batch,
                      last < 0 ? std::string("before the first batch")
                               : fmt::format("with batch {}", last)));
    }
    if (batch > last) {
      leftovers.push_back(fmt::format("{}/{}", target_.path, file));
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
  for (const std::string& file : files_below(target_.path)) {
    if (!batch_of(file) && file != "_SUCCESS") {
      throw Error(Blame::user,
                  fmt::format("`{}` holds `{}`, which is not of sink {}; `mode: complete` with "
                              "`partition_by` replaces the whole folder: give it one of its own",
                              target_.path, file, target_.name));
    }
  }
}

std::string FilesSink::query() const {
  std::string list;
  for (const std::string& file :
       exists(target_.path) ? published_files() : std::vector<std::string>()) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ",
                        sql::quote_text(fmt::format("{}/{}", target_.path, file)));
  }
  if (list.empty()) {
    std::string columns;
    for (const Column& column : target_.start.schema.columns) {
      columns += fmt::format("{}CAST(NULL AS {}) AS {}", columns.empty() ? "" : ", ", column.type,
                             sql::quote_name(column.name));
    }
    return columns.empty() ? "" : fmt::format("SELECT {} WHERE false", columns);
  }
  const std::string hive = target_.options.partition_by.empty() ? "hive_partitioning = false"
                                                                : "hive_partitioning = true";
  switch (target_.options.format) {
    case FileKind::parquet:
      return fmt::format("SELECT * FROM read_parquet([{}], {}, union_by_name = true)", list, hive);
    case FileKind::csv:
      return fmt::format("SELECT * FROM read_csv([{}], {}, header = {})", list, hive,
                         target_.options.header);
    case FileKind::json:
      return fmt::format("SELECT * FROM read_json([{}], {}, format = 'newline_delimited')", list,
                         hive);
    case FileKind::avro:
      return {};  // DuckDB does not read it
  }
  std::unreachable();
}

}  // namespace millrace
