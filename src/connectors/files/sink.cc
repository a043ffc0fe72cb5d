#include "connectors/files/sink.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/files.h"
#include "base/strings.h"
#include "connectors/files/compaction.h"
#include "connectors/files/int96_output.h"
#include "connectors/files/sink_batch.h"

namespace millrace {

FilesSink::FilesSink(sql::Database* database, std::string name, std::unique_ptr<OutputPlace> place,
                     FilesSinkOptions options)
    : database_(database),
      options_(std::move(options)),
      names_(std::move(name), options_),
      place_(std::move(place)) {}

FilesSink::~FilesSink() = default;

SinkTraits FilesSink::traits() const {
  const bool in_parts = options_.overwrites_parts();
  return {.append = !in_parts,
          .complete = !options_.roll_interval,
          .replaced_by = in_parts ? options_.partition_by : std::vector<std::string>(),
          .preferred_for_tables = OutputMode::complete,
          .guarantee = fmt::format("exactly once: {}{}", place_->guarantee(options_),
                                   options_.roll_interval
                                       ? "; rows wait in the checkpoint until their file is large "
                                         "or old enough"
                                       : "")};
}

void FilesSink::open(const SinkStart& start) {
  start_ = start;
  if (options_.format == FileKind::avro) {
    avro_ =
        std::make_unique<AvroOutput>(names_.sink(), place_->path(), options_,
                                     columns_of_files(start.schema, options_), start.checkpoint);
  }
  if (options_.timestamps == ParquetTimestamps::int96) {
    make_int96_ = int96_files(options_, columns_of_files(start.schema, options_));
  }
  place_->open(job());
  if (job().replaces_folder()) {
    place_->check_replaceable(job());
  } else if (job().replaces_parts()) {
    check_parts();
  } else {
    remove_leftovers();
  }
  is_whole_ = !start.last_committed;
  end_compaction(*place_, job());
  open_rolling();
}

void FilesSink::open_rolling() {
  rolling_.reset();
  const bool rolls = options_.roll_interval.has_value();
  if (start_.folder.empty() || (!rolls && !RollingState::has_rows(start_.folder))) {
    return;
  }
  rolling_ = std::make_unique<RollingFiles>(*database_, job(), *place_,
                                            writer_options(job(), true, make_int96_));
  rolling_->open();
  if (!rolls) {  // any more
    rolling_->finish();
    rolling_.reset();
    remove_tree(start_.folder);
  }
}

std::unique_ptr<SinkBatch> FilesSink::begin(std::int64_t batch, MalformedReceiver& refused) {
  if (rolling_) {
    return rolling_->begin(batch);
  }
  return std::make_unique<FilesBatch>(*database_, job(), *place_, batch,
                                      avro_ == nullptr ? make_int96_ : avro_->files(refused),
                                      std::exchange(is_whole_, false) && job().replaces_parts());
}

void FilesSink::next_batch_is_whole() { is_whole_ = true; }

void FilesSink::committed(std::int64_t batch) {
  if (rolling_) {
    rolling_->committed(batch);
  }
}

void FilesSink::close() {
  if (rolling_) {
    rolling_->close();
  }
}

Compacted FilesSink::compact(const CompactOptions& options,
                             const std::function<void(const std::string&)>& say) {
  if (rolling_ && !options.dry_run) {
    rolling_->finish();
  }
  return millrace::compact(*database_, job(), *place_,
                           writer_options(job(), place_->syncs(), make_int96_), options, say);
}

/// Every partition is one file, of a name that does not change. Others would be doubled.
void FilesSink::check_parts() const {
  if (!start_.last_committed) {
    return;  // the first batch removes them
  }
  const auto name = names_.of_part(0);
  for (const auto& placed : place_->files_behind(job(), -1)) {
    const auto& file = placed.path;
    if (name_of_file(file) != name) {
      throw Error(Blame::user,
                  fmt::format("`{}/{}` was written with other options, and would have the rows of "
                              "its partition twice with `partition_overwrite_mode: dynamic`; give "
                              "the sink another folder and let its state be made anew (--rebuild), "
                              "or take the option back",
                              place_->path(), file));
    }
  }
}

/// Files of the batch that was running when the process died: it runs again and writes them anew.
void FilesSink::remove_leftovers() {
  const std::int64_t last = start_.last_committed.value_or(-1);
  std::vector<std::string> leftovers;
  for (const auto& placed : place_->files_behind(job(), last)) {
    const auto& file = placed.path;
    const std::int64_t batch = *names_.batch_of(file);
    if (batch > last + 1) {
      throw Error(
          Blame::user,
          fmt::format("`{}/{}` is of batch {}, but the checkpoint ends {}: the checkpoint "
                      "was removed or is an older one, and going on would write rows twice; "
                      "bring the checkpoint back, or start over with an empty folder",
                      place_->path(), file, batch,
                      last < 0 ? std::string("before the first batch")
                               : fmt::format("with batch {}", last)));
    }
    if (batch > last) {
      leftovers.push_back(file);
    }
  }
  place_->remove(leftovers);
}

std::optional<ReadableFiles> FilesSink::files(std::int64_t last_batch) const {
  ReadableFiles readable;
  switch (options_.format) {
    case FileKind::parquet:
      readable.function = "read_parquet";
      readable.arguments = "union_by_name = true";
      break;
    case FileKind::csv:
      readable.function = "read_csv";
      readable.arguments = fmt::format("header = {}", options_.header);
      break;
    case FileKind::json:
      readable.function = "read_json";
      readable.arguments = "format = 'newline_delimited'";
      break;
    case FileKind::avro:
      return std::nullopt;  // DuckDB does not read it
  }
  for (PlacedFile& file : place_->visible(job(), *database_, last_batch)) {
    readable.files.push_back(
        {std::move(file.path), file.bytes, file.modified_ns, std::move(file.etag)});
  }
  return readable;
}

std::string FilesSink::query() const {
  const auto readable = files(-1);
  if (!readable) {
    return {};
  }
  if (readable->files.empty()) {
    std::string columns;
    for (const Column& column : start_.schema.columns) {
      columns += fmt::format("{}CAST(NULL AS {}) AS {}", columns.empty() ? "" : ", ", column.type,
                             sql::quote_name(column.name));
    }
    return columns.empty() ? "" : fmt::format("SELECT {} WHERE false", columns);
  }
  std::vector<std::string> names;
  names.reserve(readable->files.size());
  for (const FileScan::File& file : readable->files) {
    names.push_back(sql::quote_text(file.path));
  }
  return fmt::format("SELECT * FROM {}([{}], hive_partitioning = {}, {})", readable->function,
                     join(names, ", "), !options_.partition_by.empty(), readable->arguments);
}

}  // namespace millrace
