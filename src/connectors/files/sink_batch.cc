#include "connectors/files/sink_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/files.h"
#include "base/strings.h"
#include "sql/file_check.h"
#include "sql/file_merger.h"

namespace millrace {

namespace {

/// Of the formats that sql/ writes; of others anything.
sql::FileWriterOptions::Format format_of_sql(FileKind kind) {
  using Format = sql::FileWriterOptions::Format;
  return kind == FileKind::csv    ? Format::csv
         : kind == FileKind::json ? Format::json
                                  : Format::parquet;
}

}  // namespace

Schema columns_of_files(Schema schema, const FilesSinkOptions& options) {
  for (const std::string& name : options.partition_by) {
    std::erase_if(schema.columns,
                  [&](const Column& column) { return equal_ignoring_case(column.name, name); });
  }
  return schema;
}

sql::FileWriterOptions writer_options(const OutputJob& job, bool syncs,
                                      sql::MakeRowFile make_file) {
  const FilesSinkOptions& given = job.options;
  sql::FileWriterOptions options;
  options.format = format_of_sql(given.format);
  options.make_file = std::move(make_file);
  options.makes_parquet = given.format == FileKind::parquet;
  options.compression = given.compression;
  options.row_group_rows = given.row_group_size;
  options.header = given.header;
  options.partition_by = given.partition_by;
  options.only_noted = job.replaces_parts();
  options.sync = syncs;
  const bool one_file = job.is_complete() && !job.replaces_folder();
  options.max_file_bytes = one_file || !given.max_file_size ? 0 : given.max_file_size->count;
  return options;
}

FilesBatch::FilesBatch(sql::Database& database, const OutputJob& job, OutputPlace& place,
                       std::int64_t batch, sql::MakeRowFile make_file, bool is_whole)
    : database_(database),
      job_(job),
      place_(place),
      is_whole_(is_whole),
      options_(writer_options(job, place.syncs(), std::move(make_file))),
      publication_(place.begin(job, batch)) {
  writer_ = std::make_unique<sql::FileWriter>(
      database, job.start.schema, options_,
      [this](const std::string& partition, int part) { return staged_file(partition, part); });
}

/// Names a file and makes its folder.
std::string FilesBatch::staged_file(const std::string& partition, int part) {
  const std::string& staging = publication_->folder();
  const std::string folder = partition.empty() ? staging : fmt::format("{}/{}", staging, partition);
  const std::lock_guard guard(made_folders_lock_);
  if (made_folders_.insert(folder).second) {
    make_folders(folder, false);
  }
  return fmt::format("{}/{}", folder, publication_->file_name(part));
}

void FilesBatch::stage() {
  auto files = writer_->finish(job_.is_complete());
  stats_.kept = writer_->left_out();
  writer_.reset();
  if (job_.replaces_parts()) {
    join_parts(files);
  }
  if (job_.options.read_back) {
    const sql::FileCheck check(database_, options_);
    for (const sql::WrittenFile& file : files) {
      check.expect_rows(file.path, file.rows);
    }
  }
  publication_->stage(files);
  for (const sql::WrittenFile& file : files) {
    stats_.rows += file.rows;
    stats_.bytes += file.bytes;
    ++stats_.files;
    if (is_whole_) {
      written_.insert(fmt::format("{}/{}", file.partition, name_of_file(file.path)));
    }
  }
}

/// A partition is replaced in one step only if it is one file. It was written as several if there
/// are more partitions than files can be open.
void FilesBatch::join_parts(std::vector<sql::WrittenFile>& files) const {
  std::vector<sql::WrittenFile> joined;
  joined.reserve(files.size());
  std::unique_ptr<sql::FileMerger> merger;
  for (auto first = files.begin(); first != files.end();) {
    const auto end = std::find_if(first, files.end(), [&](const sql::WrittenFile& file) {
      return file.partition != first->partition;
    });
    auto whole = *first;
    if (end - first > 1) {
      if (!sql::can_merge(options_)) {
        throw Error(Blame::user,
                    fmt::format("sink {}: so many partitions have changed that not all of their "
                                "files could be open at once, which {} files have to be for "
                                "`partition_overwrite_mode: dynamic`; allow more (ulimit -n)",
                                job_.names.sink(), enum_word(job_.options.format)));
      }
      if (merger == nullptr) {
        merger = std::make_unique<sql::FileMerger>(database_, options_);
      }
      std::vector<std::string> parts;
      whole.rows = 0;
      for (auto part = first; part != end; ++part) {
        parts.push_back(part->path);
        whole.rows += part->rows;
      }
      const auto together = first->path + ".joined";
      merger->merge(parts, together, columns_of_files(job_.start.schema, job_.options));
      std::ranges::for_each(parts, remove_file);
      rename_file(together, whole.path);
      whole.bytes = static_cast<std::int64_t>(std::filesystem::file_size(whole.path));
    }
    joined.push_back(std::move(whole));
    first = end;
  }
  files = std::move(joined);
}

void FilesBatch::publish() {
  publication_->publish();
  if (is_whole_) {
    std::vector<std::string> others;
    for (const auto& file : place_.files_behind(job_, -1)) {
      if (!written_.contains(file.path)) {
        others.push_back(file.path);
      }
    }
    place_.remove(others);
  }
}

}  // namespace millrace
