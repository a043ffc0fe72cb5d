#include "connectors/files/rolling_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <limits>
#include <set>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "connectors/files/sink_batch.h"

namespace millrace {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kDefaultMaxBytes = 128 << 20;
// So many pieces are put into the base, which is written anew, unless they are little next to it.
constexpr std::size_t kPiecesMax = 64;
constexpr std::size_t kLittlePiecesMax = 1024;
// All files that are open together: with more, the largest is finished early, and with twice as
// much no batch begins before that is done.
constexpr std::int64_t kWaitingBytesMax = std::int64_t{4} << 30;

std::int64_t micros(std::chrono::milliseconds time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

std::int64_t now_us() { return SystemClock().now_us(); }

std::int64_t size_of(const std::string& path) {
  struct stat now{};
  if (::stat(path.c_str(), &now) != 0) {
    throw_file_error("read", path, errno);
  }
  return now.st_size;
}

/// Gives a file another name, or, on another file system, copies it.
void link_or_copy(const std::string& from, const std::string& to, bool sync) {
  remove_file(to);
  if (::link(from.c_str(), to.c_str()) == 0) {
    return;
  }
  if (errno != EXDEV && errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP) {
    throw_file_error("write", to, errno);
  }
  std::error_code error;
  if (!fs::copy_file(from, to, error)) {
    throw_file_error("write", to, error.value());
  }
  if (sync) {
    fsync_file(to);
  }
}

/// Since when a file is open, or will be.
std::int64_t opened_us(const RollingPartition& partition) {
  return partition.base.empty() ? partition.pieces.front().since_us : partition.opened_us;
}

/// Pieces are files of the same format, that merging takes.
sql::FileWriterOptions for_pieces(sql::FileWriterOptions options, std::int64_t max_bytes) {
  options.header = false;
  options.sync = true;
  options.max_file_bytes = max_bytes;
  return options;
}

}  // namespace

/// The pieces of a batch, from its rows to where they wait.
class RollingFiles::Batch final : public SinkBatch {
 public:
  Batch(RollingFiles& rolling, std::int64_t batch) : rolling_(rolling), batch_(batch) {
    writer_ = std::make_unique<sql::FileWriter>(
        rolling.database_, rolling.job_.start.schema, rolling.piece_options_,
        [this](const std::string& partition, int part) {
          const auto folder = rolling_.state_.staging_folder(batch_);
          const auto in = partition.empty() ? folder : fmt::format("{}/{}", folder, partition);
          make_folders(in, false);
          return fmt::format("{}/{}", in, part);
        });
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;
  ~Batch() override {
    if (!published_) {
      try {
        rolling_.state_.drop_batch(batch_);
      } catch (const std::exception& error) {  // load() removes it next time
        Log().with("sink", rolling_.job_.names.sink()).warn("{}", error.what());
      }
    }
  }

  std::unique_ptr<SinkWriter> writer() override { return writer_->writer(); }
  void stage() override {
    const auto files = writer_->finish(false);
    writer_.reset();
    const auto staged = rolling_.state_.staging_folder(batch_);
    const auto kept = rolling_.state_.batch_folder(batch_);
    const auto now = now_us();
    for (const sql::WrittenFile& file : files) {
      stats_.rows += file.rows;
      stats_.bytes += file.bytes;
      if (rolling_.job_.options.read_back) {
        sql::FileCheck(rolling_.database_, rolling_.piece_options_)
            .expect_rows(file.path, file.rows);
      }
      const int part = std::stoi(name_of_file(file.path));
      pieces_.emplace_back(
          file.partition,
          Piece{{batch_, part}, kept + file.path.substr(staged.size()), file.bytes, now});
    }
    std::ranges::sort(pieces_, {}, [](const auto& each) { return each.second.id; });
    if (!pieces_.empty()) {
      rolling_.state_.keep_batch(batch_);
    }
    fault_point("rolling.after_stage");
  }
  void publish() override {
    const std::lock_guard guard(rolling_.lock_);
    rolling_.staged_[batch_] = pieces_;
    published_ = true;
  }
  [[nodiscard]] SinkStats stats() const override { return stats_; }

 private:
  RollingFiles& rolling_;
  std::int64_t batch_;
  std::unique_ptr<sql::FileWriter> writer_;
  std::vector<std::pair<std::string, Piece>> pieces_;
  SinkStats stats_;
  bool published_ = false;
};

RollingFiles::RollingFiles(sql::Database& database, const OutputJob& job, OutputPlace& place,
                           const sql::FileWriterOptions& options)
    : database_(database),
      job_(job),
      place_(place),
      columns_(columns_of_files(job.start.schema, job.options)),
      max_bytes_(job.options.max_file_size ? job.options.max_file_size->count : kDefaultMaxBytes),
      roll_interval_(job.options.roll_interval.value_or(std::chrono::milliseconds(0))),
      merger_(database, for_pieces(options, 0)),
      state_(job.start.folder) {
  piece_options_ = for_pieces(options, max_bytes_);
  if (options.format == sql::FileWriterOptions::Format::csv && options.header) {
    finisher_ = std::make_unique<sql::FileMerger>(database, options);
  }
  if (job.options.read_back) {
    check_ = std::make_unique<sql::FileCheck>(database, for_pieces(options, 0));
  }
}

RollingFiles::~RollingFiles() {
  worker_.request_stop();
  changed_.notify_all();
}

void RollingFiles::open() {
  state_.load(job_.start.last_committed);
  const auto format =
      fmt::format("{} {}", enum_word(job_.options.format), job_.options.compression);
  const auto kind = fmt::format("{}: {}", format, columns_.text());
  if (!state_.kind().empty() && !state_.kind().starts_with(format + ": ")) {
    throw Error(
        Blame::user,
        fmt::format("sink {}: committed rows wait in `{}` to be published, as `{}`, and now "
                    "it is to write `{}`; run it once as it was, and let it end in order "
                    "(Ctrl-C), which publishes them",
                    job_.names.sink(), job_.start.folder,
                    state_.kind().substr(0, state_.kind().find(':')), format));
  }
  waiting_bytes_ = 0;
  for (const auto& [name, partition] : state_.partitions()) {
    waiting_bytes_ += partition.bytes();
  }
  const bool other_columns = !state_.kind().empty() && state_.kind() != kind;
  while (other_columns && work_once(Until::all_finished)) {  // a file has columns for all its rows
  }
  if (state_.kind() != kind) {  // before there is anything of this kind
    state_.set_kind(kind);
    state_.save();
  }
  worker_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

std::unique_ptr<SinkBatch> RollingFiles::begin(std::int64_t batch) {
  wait_for_room();
  return std::make_unique<Batch>(*this, batch);
}

void RollingFiles::committed(std::int64_t batch) {
  const std::lock_guard guard(lock_);
  const auto found = staged_.find(batch);
  if (found == staged_.end()) {
    return;
  }
  for (auto& [partition, piece] : found->second) {
    waiting_bytes_ += piece.bytes;
    state_.add(partition, std::move(piece));
  }
  staged_.erase(found);
  changed_.notify_all();
}

void RollingFiles::end(Until until) {
  if (!worker_.joinable()) {
    return;  // it was not opened
  }
  worker_.request_stop();
  changed_.notify_all();
  worker_.join();
  while (work_once(until)) {
  }
}

/// Throws what the thread failed with, if it did.
void RollingFiles::wait_for_room() {
  std::unique_lock guard(lock_);
  changed_.wait(guard, [this] { return failure_ || waiting_bytes_ < 2 * kWaitingBytesMax; });
  if (failure_) {
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
}

void RollingFiles::wait_for_work(const std::stop_token& stop, std::chrono::microseconds pause) {
  std::unique_lock guard(lock_);
  std::int64_t next = kNever;
  for (const auto& [name, partition] : state_.partitions()) {
    next = std::min(next, due_us(partition));
  }
  const auto now = now_us();
  if (pause.count() > 0) {
    changed_.wait_for(guard, stop, pause, [] { return false; });
  } else if (next == kNever) {
    changed_.wait(guard, stop, [&, had = waiting_bytes_] { return waiting_bytes_ != had; });
  } else if (next > now) {
    changed_.wait_for(guard, stop, std::chrono::microseconds(next - now),
                      [&, had = waiting_bytes_] { return waiting_bytes_ != had; });
  }
}

/// The thread.
void RollingFiles::work(const std::stop_token& stop) {
  constexpr auto kLongestPause = std::chrono::microseconds(10'000'000);
  std::chrono::microseconds pause{0};
  while (!stop.stop_requested()) {
    try {
      while (work_once(Until::all_due, stop)) {
      }
      pause = std::chrono::microseconds(0);
    } catch (const Error& error) {
      pause = std::min(std::max(pause * 2, std::chrono::microseconds(200'000)), kLongestPause);
      Log()
          .with("sink", job_.names.sink())
          .warn("{}; committed rows stay in the checkpoint, and are published later", error.what());
      const std::lock_guard guard(lock_);
      if (error.retry() == Retry::no || waiting_bytes_ >= 2 * kWaitingBytesMax) {
        failure_ = std::current_exception();
        changed_.notify_all();
      }
    } catch (const std::exception&) {
      const std::lock_guard guard(lock_);
      failure_ = std::current_exception();
      changed_.notify_all();
      return;
    }
    wait_for_work(stop, pause);
  }
}

/// When a partition has to be looked at; kNever: not before there is more.
std::int64_t RollingFiles::due_us(const RollingPartition& partition) const {
  if (partition.is_empty()) {
    return kNever;
  }
  if (task_of(partition, 0, Until::all_due).work != Work::nothing) {
    return 0;  // whatever the time
  }
  auto due = opened_us(partition) + micros(roll_interval_);
  if (job_.options.visible_within && !partition.pieces.empty()) {
    due = std::min(due, partition.pieces.front().since_us + micros(*job_.options.visible_within));
  }
  return due;
}

RollingFiles::Task RollingFiles::task_of(const RollingPartition& partition, std::int64_t now_us,
                                         Until until) const {
  Task task;
  if (partition.is_empty()) {
    return task;
  }
  std::int64_t bytes = partition.base_bytes;
  for (; task.pieces < partition.pieces.size() && bytes < max_bytes_; ++task.pieces) {
    bytes += partition.pieces[task.pieces].bytes;
  }
  const auto& options = job_.options;
  const bool is_old = now_us >= opened_us(partition) + micros(roll_interval_);
  const bool is_seen = partition.is_published && partition.pieces.empty();
  task.by_size = bytes >= max_bytes_;
  if (task.by_size || is_old || until == Until::all_finished ||
      (until == Until::all_published && !options.visible_within)) {
    task.work = Work::finish;
  } else if (options.visible_within && !is_seen &&
             (until == Until::all_published || !partition.is_published ||
              now_us >= partition.pieces.front().since_us + micros(*options.visible_within))) {
    task.work = Work::publish;
  } else if (task.pieces >= kLittlePiecesMax ||
             (task.pieces >= kPiecesMax && bytes / 5 * 4 >= partition.base_bytes)) {
    task.work = options.visible_within ? Work::publish : Work::merge;
  }
  return task;
}

std::vector<RollingFiles::Due> RollingFiles::all_due(Until until) const {
  const auto now = now_us();
  const auto& all = state_.partitions();
  const auto largest =
      std::ranges::max_element(all, {}, [](const auto& each) { return each.second.bytes(); });
  std::vector<Due> due;
  for (auto each = all.begin(); each != all.end(); ++each) {
    auto task = task_of(each->second, now, until);
    if (each == largest && waiting_bytes_ >= kWaitingBytesMax) {
      task.work = Work::finish;
    }
    if (task.work != Work::nothing) {
      due.push_back({each->first, each->second, task});
    }
  }
  return due;
}

/// Does what is due now. True: there may be more, since large pieces make several files.
bool RollingFiles::work_once(Until until, const std::stop_token& stop) {
  std::unique_lock guard(lock_);
  // A file that was finished in a round that failed later must be so on the disk before the next
  // one of its partition is published: after a crash both would have the same rows.
  save();
  std::vector<std::string> needless;  // bases
  bool did = false;
  for (const Due& due : all_due(until)) {
    if (stop.stop_requested()) {
      break;
    }
    guard.unlock();
    auto after = done(due, needless);
    guard.lock();
    auto& current = state_.partitions()[due.name];
    waiting_bytes_ -= current.bytes();
    std::erase_if(current.pieces, [&](const Piece& piece) { return piece.id <= after.through; });
    after.pieces = std::move(current.pieces);
    current = std::move(after);
    waiting_bytes_ += current.bytes();
    did = true;
    unsaved_ = true;
  }
  if (did) {
    save();
    std::ranges::for_each(needless, remove_file);
    changed_.notify_all();  // there is room
  }
  return did;
}

void RollingFiles::save() {
  if (!unsaved_) {
    return;
  }
  fault_point("rolling.before_save");
  state_.save();
  unsaved_ = false;
  fault_point("rolling.after_save");
}

/// The partition after a task, without the pieces that came meanwhile. What is on the disk as it
/// was before is `needless` once that is saved.
RollingPartition RollingFiles::done(const Due& due, std::vector<std::string>& needless) {
  const auto& [name, partition, task] = due;
  RollingPartition after = partition;
  after.pieces.clear();
  if (partition.base.empty()) {
    const Piece& first = partition.pieces.front();
    after.name = job_.names.of_batch(first.id.batch, first.id.part);
    after.opened_us = first.since_us;
  }
  if (task.pieces > 0) {
    {
      const std::lock_guard guard(lock_);
      after.base = state_.new_base();
    }
    merge(due, after.base);
    if (!partition.base.empty()) {
      needless.push_back(partition.base);
    }
    after.base_bytes = size_of(after.base);
    after.through = partition.pieces[task.pieces - 1].id;
    after.is_published = false;
  }
  // Many small pieces take more bytes than their rows in one file.
  const bool too_small = task.by_size && after.base_bytes < max_bytes_ / 4 * 3;
  const bool finish = task.work == Work::finish && !too_small;
  if (!after.is_published && (finish || job_.options.visible_within)) {
    publish(name, after.name, after.base);
    after.is_published = true;
  }
  if (finish) {
    Log()
        .with("sink", job_.names.sink())
        .info("{}{}{} is finished: {}", name, name.empty() ? "" : "/", after.name,
              human_bytes(after.base_bytes));
    needless.push_back(std::move(after.base));
    after.base.clear();
    after.base_bytes = 0;
    after.is_published = true;
  }
  return after;
}

/// Makes a base of the one before and of pieces.
void RollingFiles::merge(const Due& due, const std::string& base) const {
  std::vector<std::string> files;
  files.reserve(due.task.pieces + 1);
  if (!due.partition.base.empty()) {
    files.push_back(due.partition.base);
  }
  for (std::size_t i = 0; i < due.task.pieces; ++i) {
    files.push_back(due.partition.pieces[i].path);
  }
  if (files.size() == 1) {
    link_or_copy(files[0], base, true);
  } else {
    merger_.merge(files, base, columns_);
  }
  if (check_) {
    std::int64_t rows = 0;
    for (const std::string& file : files) {
      rows += check_->rows(file);
    }
    check_->expect_rows(base, rows);
  }
  fault_point("rolling.after_merge");
}

void RollingFiles::publish(const std::string& partition, const std::string& name,
                           const std::string& file) {
  const auto publication = place_.begin(job_, publications_++);
  const auto in = partition.empty() ? publication->folder()
                                    : fmt::format("{}/{}", publication->folder(), partition);
  make_folders(in, false);
  const auto to = fmt::format("{}/{}", in, name);
  if (finisher_) {
    finisher_->merge({file}, to, columns_);
  } else {
    link_or_copy(file, to, place_.syncs());
  }
  publication->stage({{to, partition, 0, size_of(to)}});
  publication->publish();
  fault_point("rolling.after_publish");
}

}  // namespace millrace
