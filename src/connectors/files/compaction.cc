#include "connectors/files/compaction.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/call_on_threads.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/strings.h"
#include "connectors/files/sink_batch.h"
#include "sql/file_check.h"
#include "sql/file_merger.h"

namespace millrace {

namespace {

using Json = nlohmann::json;
using Files = std::vector<PlacedFile>;

constexpr std::size_t kFetchedAtOnce = 8;

/// What is written down before anything can be seen: the new file, and those that are in it.
class Journal {
 public:
  explicit Journal(const std::string& folder) : path_(folder + "/compacting.json") {}

  void write(const std::string& file, const std::vector<std::string>& holds) const {
    make_folders(folder_of(path_));
    write_file_atomically(path_, Json({{"file", file}, {"holds", holds}}).dump(1) + "\n");
  }
  void remove() const {
    if (remove_file(path_)) {
      fsync_folder(folder_of(path_));
    }
  }
  struct Entry {
    std::string file;
    std::vector<std::string> holds;
  };
  [[nodiscard]] std::optional<Entry> read() const {
    if (!exists(path_)) {
      return std::nullopt;
    }
    try {
      const auto json = Json::parse(read_file(path_));
      return Entry{json.at("file").get<std::string>(),
                   json.at("holds").get<std::vector<std::string>>()};
    } catch (const Json::exception& error) {
      throw Error(Blame::external, fmt::format("`{}` is damaged: {}", path_, error.what()));
    }
  }

 private:
  std::string path_;
};

std::string partition_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

/// Files that follow each other, are small, and together are not too large.
std::vector<Files> groups_of(const Files& files, std::int64_t target_bytes) {
  std::vector<Files> groups;
  Files group;
  std::int64_t bytes = 0;
  const auto end_group = [&] {
    if (group.size() > 1) {
      groups.push_back(std::move(group));
    }
    group.clear();
    bytes = 0;
  };
  for (const PlacedFile& file : files) {
    if (bytes + file.bytes > target_bytes) {
      end_group();
    }
    if (file.bytes < target_bytes / 4 * 3) {
      bytes += file.bytes;
      group.push_back(file);
    }
  }
  end_group();
  return groups;
}

class Compaction {
 public:
  Compaction(sql::Database& database, const OutputJob& job, OutputPlace& place,
             const sql::FileWriterOptions& files)
      : job_(job),
        place_(place),
        journal_(job.start.folder),
        copies_(job.start.staging + "/copies"),
        columns_(columns_of_files(job.start.schema, job.options)),
        merger_(database, files),
        check_(database, files) {}

  void put_together(const Files& group, std::set<std::string>& names) {
    const auto partition = partition_of(group.front().path);
    const auto name = new_name(group.front(), names);
    const auto publication = place_.begin(job_, publications_++);
    const auto in = partition.empty() ? publication->folder()
                                      : fmt::format("{}/{}", publication->folder(), partition);
    make_folders(in, false);
    make_folders(copies_, false);
    std::vector<std::string> local(group.size());
    std::vector<std::string> paths(group.size());
    call_on_threads(group.size(), kFetchedAtOnce, [&](std::size_t i) {
      local[i] = place_.fetch(group[i], copies_);
      paths[i] = group[i].path;
    });
    const auto to = fmt::format("{}/{}", in, name);
    merger_.merge(local, to, columns_);
    std::int64_t rows = 0;
    for (const std::string& file : local) {
      rows += check_.rows(file);
    }
    check_.expect_rows(to, rows);  // what is in it will be removed
    remove_tree(copies_);
    publication->stage({{to, partition, 0, 0}});
    journal_.write(partition.empty() ? name : fmt::format("{}/{}", partition, name), paths);
    fault_point("compact.before_publish");
    publication->publish();
    fault_point("compact.after_publish");
    place_.remove(paths);
    fault_point("compact.after_remove");
    journal_.remove();
  }

 private:
  /// Of the first one's batch, and not taken.
  [[nodiscard]] std::string new_name(const PlacedFile& first, std::set<std::string>& names) const {
    const auto batch = job_.names.batch_of(first.path).value_or(0);
    for (int part = 0;; ++part) {
      auto name = job_.names.of_batch(std::max<std::int64_t>(batch, 0), part);
      if (names.insert(name).second) {
        return name;
      }
    }
  }

  const OutputJob job_;
  OutputPlace& place_;
  Journal journal_;
  std::string copies_;
  Schema columns_;
  sql::FileMerger merger_;
  sql::FileCheck check_;
  std::int64_t publications_ = 0;
};

void check_can(const OutputJob& job) {
  const auto refuse = [&](std::string_view why) {
    throw Error(Blame::user,
                fmt::format("files of sink {} can't be put together: {}", job.names.sink(), why));
  };
  if (job.is_complete()) {
    refuse("mode complete replaces them anyway");
  }
  if (job.options.format == FileKind::avro) {
    refuse("not those of Avro");
  }
  if (job.options.format == FileKind::csv && job.options.header) {
    refuse("each begins with a header; write them with `roll_interval` instead");
  }
}

}  // namespace

Compacted compact(sql::Database& database, const OutputJob& job, OutputPlace& place,
                  const sql::FileWriterOptions& files, const CompactOptions& options,
                  const std::function<void(const std::string&)>& say) {
  check_can(job);
  Compacted result;
  std::map<std::string, Files> partitions;
  for (auto& file : place.files_behind(job, -1)) {
    partitions[partition_of(file.path)].push_back(std::move(file));
  }
  Compaction compaction(database, job, place, files);
  for (const auto& [partition, of_partition] : partitions) {
    std::set<std::string> names;
    for (const PlacedFile& file : of_partition) {
      names.insert(name_of_file(file.path));
    }
    for (const Files& group : groups_of(of_partition, options.target_bytes)) {
      if (options.stop.stop_requested()) {
        return result;
      }
      std::int64_t bytes = 0;
      for (const PlacedFile& file : group) {
        bytes += file.bytes;
      }
      if (!options.dry_run) {
        compaction.put_together(group, names);
      }
      result.files += static_cast<std::int64_t>(group.size());
      result.into += 1;
      result.bytes += bytes;
      say(fmt::format("{}: {}, {}", partition.empty() ? place.path() : partition,
                      human_count(static_cast<std::int64_t>(group.size()), "file"),
                      human_bytes(bytes)));
    }
  }
  return result;
}

void end_compaction(OutputPlace& place, const OutputJob& job) {
  if (job.start.folder.empty()) {
    return;
  }
  const Journal journal(job.start.folder);
  const auto entry = journal.read();
  if (!entry) {
    return;
  }
  const auto files = place.files_behind(job, -1);
  if (std::ranges::any_of(files, [&](const auto& file) { return file.path == entry->file; })) {
    place.remove(entry->holds);
  }
  journal.remove();
}

}  // namespace millrace
