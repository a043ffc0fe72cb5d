#include "sql/file_writer.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/call_on_threads.h"
#include "base/files.h"
#include "base/strings.h"
#include "sql/internal/database.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/error.h"
#include "sql/internal/file_output.h"
#include "sql/internal/file_partition.h"
#include "sql/internal/types.h"

namespace millrace::sql {

namespace {

using Rows = FileOutput::Rows;

// Rows wait in memory until they make a whole row group. With many partitions or wide rows that is
// much, so the largest ones are written early once all together hold this. The same again may wait
// for a row group that several threads, or parts of a batch, fill together.
constexpr std::size_t kBufferBytes = std::size_t{32} << 20;
// Each partition's rows wait in a buffer of their own, whose least size is a quarter of a megabyte.
// Rows of partitions beyond these wait together and are sorted out when they are written.
constexpr std::size_t kOwnBuffers = 64;

/// A partition that is being written costs a file descriptor; with more, the one that was used
/// longest ago is closed and gets another part later.
std::size_t open_file_limit() {
  constexpr std::size_t kLeast = 64;
  constexpr std::size_t kMost = 2000;
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0
             ? std::clamp<std::size_t>(limit.rlim_cur / 2, kLeast, kMost)
             : kLeast;
}

}  // namespace

struct FileWriter::Impl {
  /// A file that is being written.
  struct Part {
    std::unique_ptr<FileOutput::File> file;
    std::string folder;
    int users = 0;      // threads that are putting rows into it
    bool full = false;  // the last user closes it
  };
  /// A folder and the file that is being written into it.
  struct Partition {
    std::string folder;
    std::shared_ptr<Part> part;  // nullptr: none is open
    std::uint64_t last_use = 0;
    int parts = 0;
    Rows rest;  // too few for a row group of their own
    std::size_t rest_bytes = 0;
  };
  class Writer;
  class Noter;

  Impl(Database& database, const Schema& schema, FileWriterOptions options, PathOf path_of);

  Partition& partition(const std::string& folder);
  /// Writes rows into a partition's file, which is opened if need be.
  void put(Partition& to, Rows rows);
  /// Keeps rows for a row group that several threads fill together.
  void leave(Partition& to, Rows rows);
  std::vector<WrittenFile> finish(bool at_least_one);

  duckdb::Connection connection;
  std::size_t threads = 1;
  FileWriterOptions options;
  PathOf path_of;
  std::vector<std::size_t> data_columns;
  std::vector<std::size_t> partition_columns;
  std::unique_ptr<FileOutput> output;
  std::atomic<std::size_t> buffered = 0;
  std::atomic<std::int64_t> left_out = 0;  // rows
  std::set<std::string> noted;             // partitions; changes only before there are writers
  std::mutex noting;

 private:
  void open(Partition& what);
  /// Writes the footer and syncs, which takes long: call it without the lock where others wait.
  [[nodiscard]] WrittenFile close(Part& what) const;
  void close_unlocked(Part& what, std::unique_lock<std::mutex>& guard);
  void close_idle_files();
  Rows take_rest(Partition& from);
  void finish_partition(Partition& what);

  std::mutex lock_;  // of all that follows, and the partitions
  std::map<std::string, Partition> partitions_;
  std::size_t open_files_ = 0;
  std::size_t open_file_limit_ = open_file_limit();
  std::uint64_t uses_ = 0;
  std::vector<WrittenFile> written_;
  std::size_t rest_bytes_ = 0;  // of all partitions
};

FileWriter::Impl::Impl(Database& database, const Schema& schema, FileWriterOptions wanted,
                       PathOf paths)
    : connection(*database.impl().duck), options(std::move(wanted)), path_of(std::move(paths)) {
  threads = static_cast<std::size_t>(database.threads());
  const auto types = types_of(schema);
  duckdb::vector<std::string> data_names;
  duckdb::vector<duckdb::LogicalType> data_types;
  for (const std::string& name : options.partition_by) {
    const int column = schema.find(name);
    if (column < 0) {
      throw Error(Blame::user, fmt::format("`partition_by` names `{}`, which is no column", name));
    }
    partition_columns.push_back(static_cast<std::size_t>(column));
    if (types[static_cast<std::size_t>(column)].IsNested()) {
      throw Error(Blame::user,
                  fmt::format("`partition_by` names `{}`, whose type {} cannot be a "
                              "folder's name",
                              name, schema.columns[static_cast<std::size_t>(column)].type));
    }
  }
  for (std::size_t i = 0; i < schema.size(); ++i) {
    if (std::find(partition_columns.begin(), partition_columns.end(), i) ==
        partition_columns.end()) {
      data_columns.push_back(i);
      data_names.push_back(schema.columns[i].name);
      data_types.push_back(types[i]);
    }
  }
  if (data_columns.empty()) {
    throw Error(Blame::user, "`partition_by` names every column: none is left for the files");
  }
  as_run_error([&] {
    connection.BeginTransaction();
    output = FileOutput::make(*connection.context, data_names, data_types, options);
    connection.Commit();
  });
}

FileWriter::Impl::Partition& FileWriter::Impl::partition(const std::string& folder) {
  const std::lock_guard guard(lock_);
  Partition& found = partitions_[folder];
  found.folder = folder;
  return found;
}

void FileWriter::Impl::open(Partition& what) {
  if (open_files_ >= open_file_limit_) {
    close_idle_files();
  }
  what.part = std::make_shared<Part>();
  what.part->folder = what.folder;
  what.part->file = output->create(path_of(what.folder, what.parts));
  ++what.parts;
  ++open_files_;
}

WrittenFile FileWriter::Impl::close(Part& what) const {
  const auto file = std::move(what.file);
  const auto rows = file->finish();
  if (options.sync) {
    fsync_file(file->path());
  }
  struct stat now{};
  if (::stat(file->path().c_str(), &now) != 0) {
    throw_file_error("write", file->path(), errno);
  }
  return {file->path(), what.folder, rows, now.st_size};
}

void FileWriter::Impl::close_unlocked(Part& what, std::unique_lock<std::mutex>& guard) {
  guard.unlock();
  auto written = close(what);
  guard.lock();
  --open_files_;
  written_.push_back(std::move(written));
}

void FileWriter::Impl::close_idle_files() {
  Partition* oldest = nullptr;
  for (auto& [folder, each] : partitions_) {
    if (each.part != nullptr && each.part->users == 0 &&
        (oldest == nullptr || each.last_use < oldest->last_use)) {
      oldest = &each;
    }
  }
  if (oldest != nullptr) {
    const auto part = std::move(oldest->part);
    written_.push_back(close(*part));  // with the lock: the caller is about to open a file
    --open_files_;
  }
}

void FileWriter::Impl::put(Partition& to, Rows rows) {
  std::unique_lock guard(lock_);
  if (to.part != nullptr && options.max_file_bytes > 0) {
    struct stat now{};
    if (::stat(to.part->file->path().c_str(), &now) == 0 && now.st_size >= options.max_file_bytes) {
      const auto full = std::move(to.part);
      full->full = true;
      if (full->users == 0) {
        close_unlocked(*full, guard);
      }
    }
  }
  if (to.part == nullptr) {
    open(to);
  }
  const auto part = to.part;
  ++part->users;
  to.last_use = ++uses_;
  guard.unlock();
  part->file->put(std::move(rows));
  guard.lock();
  --part->users;
  if (part->full && part->users == 0) {
    close_unlocked(*part, guard);
  }
}

void FileWriter::Impl::leave(Partition& to, Rows rows) {
  std::unique_lock guard(lock_);
  if (to.rest != nullptr &&
      std::cmp_greater(to.rest->Count() + rows->Count(), options.row_group_rows)) {
    guard.unlock();
    put(to, std::move(rows));
    return;
  }
  const auto bytes = rows->AllocationSize();
  if (to.rest == nullptr) {
    to.rest = std::move(rows);
  } else {
    to.rest->Combine(*rows);
  }
  to.rest_bytes += bytes;
  rest_bytes_ += bytes;
  while (rest_bytes_ > kBufferBytes) {
    auto& largest = std::ranges::max_element(partitions_, {}, [](const auto& each) {
                      return each.second.rest_bytes;
                    })->second;
    auto rest = take_rest(largest);
    guard.unlock();
    put(largest, std::move(rest));
    guard.lock();
  }
}

Rows FileWriter::Impl::take_rest(Partition& from) {
  rest_bytes_ -= std::exchange(from.rest_bytes, 0);
  return std::move(from.rest);
}

void FileWriter::Impl::finish_partition(Partition& what) {
  if (what.rest != nullptr) {
    put(what, [&] {
      const std::lock_guard guard(lock_);
      return take_rest(what);
    }());
  }
  std::unique_lock guard(lock_);
  if (const auto part = std::move(what.part)) {
    close_unlocked(*part, guard);
  }
}

std::vector<WrittenFile> FileWriter::Impl::finish(bool at_least_one) {
  if (at_least_one && partitions_.empty() && partition_columns.empty()) {
    Partition& empty = partition("");
    const std::lock_guard guard(lock_);
    open(empty);
  }
  std::vector<Partition*> all;
  all.reserve(partitions_.size());
  for (auto& [folder, each] : partitions_) {
    all.push_back(&each);
  }
  as_run_error([&] {
    call_on_threads(all.size(), threads, [&](std::size_t i) { finish_partition(*all[i]); });
  });
  std::sort(written_.begin(), written_.end(), [](const WrittenFile& a, const WrittenFile& b) {
    return std::tie(a.partition, a.path) < std::tie(b.partition, b.path);
  });
  return std::move(written_);
}

/// One thread's rows on their way.
class FileWriter::Impl::Writer final : public SinkWriter {
 public:
  explicit Writer(Impl& impl) : impl_(impl), converter_(*impl.output) {
    partitioner_ = std::make_unique<Partitioner>(impl.partition_columns, impl.options.partition_by);
  }
  ~Writer() override { impl_.buffered -= held_; }

  void write(const Chunk& chunk) override {
    FileOutput::guard("", [&] { write_chunk(*static_cast<duckdb::DataChunk*>(chunk.native)); });
  }
  void finish() override {
    for (Slot& slot : slots_) {
      if (slot.rows != nullptr && slot.rows->Count() > 0) {
        release(slot);
        impl_.leave(*slot.partition, std::move(slot.rows));
      }
    }
    flush_mixed();
  }

 private:
  struct Slot {
    Partition* partition = nullptr;
    Rows rows;
    duckdb::ColumnDataAppendState append;
    std::size_t bytes = 0;
  };

  void write_chunk(duckdb::DataChunk& chunk);
  void write_partitioned(duckdb::DataChunk& chunk, duckdb::DataChunk& rows);
  void append(Slot& slot, duckdb::DataChunk& rows);
  void make_room();
  void flush(Slot& slot);
  void flush_mixed();
  void release(Slot& slot) {
    slot.append.current_chunk_state.handles.clear();  // pins of a buffer that others take over
    impl_.buffered -= slot.bytes;
    held_ -= slot.bytes;
    slot.bytes = 0;
  }

  Impl& impl_;
  FileOutput::Converter converter_;
  std::unique_ptr<Partitioner> partitioner_;
  std::vector<Partition*> partitions_;
  std::vector<Slot> slots_;                          // of the first partitions
  Slot mixed_;                                       // of all others
  std::vector<std::size_t> mixed_partitions_;        // of each row in it
  std::vector<std::vector<duckdb::sel_t>> rows_of_;  // of a chunk, for each slot, and mixed
  std::vector<std::size_t> touched_;
  std::size_t held_ = 0;
};

void FileWriter::Impl::Writer::flush(Slot& slot) {
  release(slot);
  impl_.put(*slot.partition, std::move(slot.rows));
}

void FileWriter::Impl::Writer::append(Slot& slot, duckdb::DataChunk& rows) {
  if (slot.rows == nullptr) {
    slot.rows = duckdb::make_uniq<duckdb::ColumnDataCollection>(*impl_.connection.context,
                                                                impl_.output->row_types());
    slot.rows->InitializeAppend(slot.append);
  }
  slot.rows->Append(slot.append, rows);
  const std::size_t bytes = slot.rows->AllocationSize();
  impl_.buffered += bytes - slot.bytes;
  held_ += bytes - slot.bytes;
  slot.bytes = bytes;
  if (&slot != &mixed_ &&
      std::cmp_greater_equal(slot.rows->Count(), impl_.options.row_group_rows)) {
    flush(slot);
  }
}

/// Writes the largest buffers of this thread while all threads together hold too much.
void FileWriter::Impl::Writer::make_room() {
  while (impl_.buffered > kBufferBytes && held_ > 0) {
    const auto largest =
        std::max_element(slots_.begin(), slots_.end(),
                         [](const Slot& a, const Slot& b) { return a.bytes < b.bytes; });
    if (largest == slots_.end() || mixed_.bytes > largest->bytes) {
      flush_mixed();
    } else {
      flush(*largest);
    }
  }
}

/// Sorts the rows that wait together by partition, and writes them.
void FileWriter::Impl::Writer::flush_mixed() {
  if (mixed_.rows == nullptr) {
    return;
  }
  release(mixed_);
  const Rows all = std::move(mixed_.rows);
  struct Place {
    std::size_t partition;
    duckdb::idx_t chunk;
    duckdb::sel_t row;
  };
  std::vector<Place> places;
  places.reserve(mixed_partitions_.size());
  std::vector<std::unique_ptr<duckdb::DataChunk>> chunks;
  for (duckdb::idx_t c = 0; c < all->ChunkCount(); ++c) {
    chunks.push_back(std::make_unique<duckdb::DataChunk>());
    all->InitializeScanChunk(*chunks[c]);
    all->FetchChunk(c, *chunks[c]);
    for (duckdb::sel_t row = 0; row < chunks[c]->size(); ++row) {
      places.push_back({mixed_partitions_[places.size()], c, row});
    }
  }
  mixed_partitions_.clear();
  std::stable_sort(places.begin(), places.end(),
                   [](const Place& a, const Place& b) { return a.partition < b.partition; });
  for (auto place = places.begin(); place != places.end();) {
    const std::size_t partition = place->partition;
    auto rows = duckdb::make_uniq<duckdb::ColumnDataCollection>(*impl_.connection.context,
                                                                impl_.output->row_types());
    while (place != places.end() && place->partition == partition) {
      const duckdb::idx_t c = place->chunk;
      std::vector<duckdb::sel_t> list;
      for (; place != places.end() && place->partition == partition && place->chunk == c; ++place) {
        list.push_back(place->row);
      }
      const duckdb::SelectionVector chosen(list.data());
      duckdb::DataChunk slice;
      slice.InitializeEmpty(chunks[c]->GetTypes());
      slice.Slice(*chunks[c], chosen, list.size());
      rows->Append(slice);
    }
    impl_.put(*partitions_[partition], std::move(rows));
  }
}

void FileWriter::Impl::Writer::write_chunk(duckdb::DataChunk& chunk) {
  duckdb::DataChunk data;
  duckdb::vector<duckdb::LogicalType> types;
  for (const std::size_t column : impl_.data_columns) {
    types.push_back(chunk.data[column].GetType());
  }
  data.InitializeEmpty(types);
  for (std::size_t i = 0; i < types.size(); ++i) {
    data.data[i].Reference(chunk.data[impl_.data_columns[i]]);
  }
  data.SetCardinality(chunk.size());
  duckdb::DataChunk& rows = converter_.convert(data);
  if (!impl_.partition_columns.empty()) {
    write_partitioned(chunk, rows);
  } else {
    if (slots_.empty()) {
      slots_.resize(1);
      slots_[0].partition = &impl_.partition("");
    }
    append(slots_[0], rows);
  }
  make_room();
}

void FileWriter::Impl::Writer::write_partitioned(duckdb::DataChunk& chunk,
                                                 duckdb::DataChunk& rows) {
  const auto& partition_of = partitioner_->split(chunk);
  while (partitions_.size() < partitioner_->count()) {
    const std::string& folder = partitioner_->folder(partitions_.size());
    const bool wanted = !impl_.options.only_noted || impl_.noted.contains(folder);
    partitions_.push_back(wanted ? &impl_.partition(folder) : nullptr);
    if (slots_.size() < kOwnBuffers) {
      slots_.emplace_back();
      slots_.back().partition = partitions_.back();
    }
  }
  rows_of_.resize(kOwnBuffers + 1);
  touched_.clear();
  std::int64_t left_out = 0;
  for (std::size_t row = 0; row < partition_of.size(); ++row) {
    if (partitions_[partition_of[row]] == nullptr) {
      ++left_out;
      continue;
    }
    const std::size_t slot = std::min(partition_of[row], kOwnBuffers);
    if (rows_of_[slot].empty()) {
      touched_.push_back(slot);
    }
    rows_of_[slot].push_back(static_cast<duckdb::sel_t>(row));
  }
  impl_.left_out += left_out;
  for (const std::size_t slot : touched_) {
    auto& list = rows_of_[slot];
    const duckdb::SelectionVector chosen(list.data());
    duckdb::DataChunk slice;
    slice.InitializeEmpty(rows.GetTypes());
    slice.Slice(rows, chosen, list.size());
    if (slot == kOwnBuffers) {
      for (const duckdb::sel_t row : list) {
        mixed_partitions_.push_back(partition_of[row]);
      }
    }
    append(slot == kOwnBuffers ? mixed_ : slots_[slot], slice);
    list.clear();
  }
}

/// Notes the partitions of one thread's rows.
class FileWriter::Impl::Noter final : public SinkWriter {
 public:
  explicit Noter(Impl& impl)
      : impl_(impl), partitioner_(impl.partition_columns, impl.options.partition_by) {}

  void write(const Chunk& chunk) override {
    FileOutput::guard("",
                      [&] { partitioner_.split(*static_cast<duckdb::DataChunk*>(chunk.native)); });
  }
  void finish() override {
    const std::lock_guard guard(impl_.noting);
    for (std::size_t i = 0; i < partitioner_.count(); ++i) {
      impl_.noted.insert(partitioner_.folder(i));
    }
  }

 private:
  Impl& impl_;
  Partitioner partitioner_;
};

FileWriter::FileWriter(Database& database, const Schema& schema, const FileWriterOptions& options,
                       PathOf path_of)
    : impl_(std::make_unique<Impl>(database, schema, options, std::move(path_of))) {}
FileWriter::~FileWriter() = default;

std::unique_ptr<SinkWriter> FileWriter::writer() { return std::make_unique<Impl::Writer>(*impl_); }
std::unique_ptr<SinkWriter> FileWriter::noter() { return std::make_unique<Impl::Noter>(*impl_); }
std::int64_t FileWriter::left_out() const noexcept { return impl_->left_out; }
std::vector<WrittenFile> FileWriter::finish(bool at_least_one) {
  return impl_->finish(at_least_one);
}

}  // namespace millrace::sql
