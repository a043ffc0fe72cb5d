#include "connectors/files/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <tuple>
#include <utility>

#include "base/files.h"
#include "base/strings.h"

namespace millrace {

namespace {

/// Limits of a slice of what was given before; a file is never cut.
constexpr std::size_t kHistoryFiles = 1000;
constexpr std::int64_t kHistoryBytes = 256LL << 20;

}  // namespace

FilesSource::FilesSource(sql::Database* database, std::string name,
                         std::unique_ptr<InputPlace> place, FilesSourceOptions options,
                         bool as_table)
    : name_(std::move(name)),
      options_(std::move(options)),
      as_table_(as_table),
      place_(std::move(place)),
      log_(Log().with("source", name_)),
      decoding_(make_file_decoding(database, name_, options_, log_)) {}

const Schema& FilesSource::schema() {
  return decoding_->schema([this] { return file_to_ask(); });
}

/// The first file there is.
FileScan FilesSource::file_to_ask() {
  place_->check();
  const auto found = place_->look(
      {.skip = [](const std::string&) { return false; }, .oldest_ns = 0, .whole = false});
  const auto first =
      std::find_if(found.begin(), found.end(), [](const auto& f) { return f.complete; });
  if (first == found.end()) {
    throw Error(
        Blame::user,
        fmt::format("source {} has no `schema`, and there is no file in `{}` to ask; give it "
                    "a `schema`",
                    name_, place_->base()));
  }
  return place_->scan({first->file});
}

void FilesSource::open(const std::optional<Json>& position) {
  place_->check();
  if (options_.clean_source == CleanSource::archive) {
    make_folders(options_.source_archive_dir);
  }
  if (!position) {
    return;
  }
  // A file that is cleaned away can't come again under its name, so it need not be remembered.
  const auto find = options_.clean_source == CleanSource::off ? nullptr : place_->finder();
  for (const auto& [path, mtime] : position->at("files").items()) {
    if (find == nullptr || find(path)) {
      given_.emplace(path, mtime.get<std::int64_t>());
    }
    newest_ = std::max(newest_, mtime.get<std::int64_t>());
  }
  forget_old();
}

std::string FilesSource::target() const { return place_->base(); }

void FilesSource::check_connection(const SourcePlace& /*place*/, Findings& /*findings*/) {
  place_->check();
  (void)schema();
}

Json FilesSource::position() const {
  Json files = Json::object();
  for (const auto& [path, mtime] : given_) {
    files[path] = mtime;
  }
  return {{"files", std::move(files)}};
}

void FilesSource::note_present(const std::vector<FoundFile>& found) {
  if (at_present_ && !present_) {
    present_.emplace();
    for (const auto& each : found) {
      present_->emplace(each.file.path, true);
    }
  }
}

/// Files that are complete and were not given yet, in order.
std::vector<FileScan::File> FilesSource::find_new() {
  const std::int64_t oldest =
      options_.max_file_age ? newest_ - std::chrono::nanoseconds(*options_.max_file_age).count()
                            : 0;
  const auto found = place_->look(
      {.skip = [this](const std::string& path) { return !as_table_ && given_.contains(path); },
       .oldest_ns = as_table_ ? 0 : oldest,
       .whole = as_table_ || (at_present_ && !present_)});
  note_present(found);
  std::vector<FileScan::File> files;
  some_incomplete_ = false;
  for (const auto& each : found) {
    if ((each.file.mtime_ns < oldest && !as_table_) ||
        (present_ && !present_->contains(each.file.path))) {
      continue;
    }
    some_incomplete_ |= !each.complete;
    if (each.complete) {
      files.push_back(each.file);
    }
  }
  return files;
}

std::optional<Slice> FilesSource::plan(std::int64_t /*now*/) {
  if (ended_) {
    return std::nullopt;
  }
  if (as_table_) {
    return slice_of(find_new());
  }
  auto files = next_files();
  if (files.empty() || std::chrono::steady_clock::now() - looked_ >= place_->looks_again_after() ||
      !std::ranges::all_of(files, [this](const auto& file) { return place_->is_as_found(file); })) {
    look();
    files = next_files();
  }
  if (files.empty() && at_present_ && some_incomplete_) {
    // The end is what is there now, and that may be a file that was written a moment ago.
    std::this_thread::sleep_for(options_.settle_time + std::chrono::milliseconds(10));
    look();
    files = next_files();
  }
  if (files.empty()) {
    ended_ = at_present_;
    if (ended_ && some_incomplete_) {
      log_.warn("some files in `{}` are still being written and are left for the next run",
                place_->base());
    }
    return std::nullopt;
  }
  return slice_of(files);
}

void FilesSource::look() {
  const auto files = find_new();
  waiting_.assign(files.begin(), files.end());
  looked_ = std::chrono::steady_clock::now();
}

/// As many of the files that wait as the limits let into a batch.
std::vector<FileScan::File> FilesSource::next_files() const {
  std::size_t count = 0;
  std::int64_t bytes = 0;
  while (count < waiting_.size()) {
    if (count > 0 && ((options_.max_files_per_trigger &&
                       std::cmp_greater_equal(count, *options_.max_files_per_trigger)) ||
                      (options_.max_bytes_per_trigger &&
                       bytes + waiting_[count].size > options_.max_bytes_per_trigger->count))) {
      break;
    }
    bytes += waiting_[count++].size;
  }
  return {waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count)};
}

Slice FilesSource::slice_of(const std::vector<FileScan::File>& files) const {
  Slice slice;
  Json list = Json::array();
  std::int64_t bytes = 0;
  for (const FileScan::File& file : files) {
    list.push_back({{"path", file.path}, {"size", file.size}, {"mtime_ns", file.mtime_ns}});
    if (!file.etag.empty()) {
      list.back()["etag"] = file.etag;
    }
    bytes += file.size;
  }
  slice.offsets = {{"files", std::move(list)}};
  slice.text = fmt::format("{}, {}", human_count(static_cast<std::int64_t>(files.size()), "file"),
                           human_bytes(bytes));
  slice.bytes = bytes;
  return slice;
}

void FilesSource::advance(const Json& offsets) {
  if (as_table_) {
    return;
  }
  for (const Json& file : offsets.at("files")) {
    const auto mtime = file.at("mtime_ns").get<std::int64_t>();
    const auto path = file.at("path").get<std::string>();
    given_[path] = mtime;
    newest_ = std::max(newest_, mtime);
    if (!waiting_.empty() && waiting_.front().path == path) {
      waiting_.pop_front();
    }
  }
  forget_old();
}

void FilesSource::forget_old() {
  if (options_.max_file_age) {
    const std::int64_t oldest = newest_ - std::chrono::nanoseconds(*options_.max_file_age).count();
    std::erase_if(given_, [oldest](const auto& file) { return file.second < oldest; });
  }
}

SliceInput FilesSource::read(const Json& offsets, MalformedReceiver& malformed) {
  std::vector<FileScan::File> files;
  files.reserve(offsets.at("files").size());
  for (const Json& file : offsets.at("files")) {
    files.push_back({.path = file.at("path").get<std::string>(),
                     .size = file.at("size").get<std::int64_t>(),
                     .mtime_ns = file.at("mtime_ns").get<std::int64_t>(),
                     .etag = file.value("etag", "")});
  }
  return decoding_->read(place_->scan(std::move(files)), malformed);
}

SliceInput FilesSource::read_again(const MalformedRows& rows, const std::string& folder,
                                   MalformedReceiver& malformed) {
  (void)schema();
  return decoding_->read_again(rows, folder, malformed);
}

std::optional<std::string> FilesSource::why_no_history() const {
  if (options_.clean_source != CleanSource::off) {
    return "`clean_source` takes files away once they were read";
  }
  if (options_.max_file_age) {
    return "`max_file_age` forgets which files were read";
  }
  return std::nullopt;
}

/// The files given so far, in order. Throws Error if one is not what it was.
std::vector<FileScan::File> FilesSource::find_given() const {
  std::vector<FileScan::File> files;
  const auto find = place_->finder();
  for (const auto& [path, mtime] : given_) {
    auto file = find(path);
    if (!file || file->mtime_ns != mtime) {
      throw Error(Blame::external,
                  fmt::format("source {}: `{}/{}` was read before and {}; put it back as it was",
                              name_, place_->base(), path, file ? "has changed since" : "is gone"));
    }
    files.push_back(std::move(*file));
  }
  std::ranges::sort(files, {}, [](const auto& f) { return std::tie(f.mtime_ns, f.path); });
  return files;
}

Slices FilesSource::history() {
  return [this, files = find_given(), next = std::size_t{0}]() mutable -> std::optional<Slice> {
    std::vector<FileScan::File> some;
    std::int64_t bytes = 0;
    while (next < files.size() && some.size() < kHistoryFiles &&
           (some.empty() || bytes + files[next].size <= kHistoryBytes)) {
      bytes += files[next].size;
      some.push_back(files[next++]);
    }
    return some.empty() ? std::nullopt : std::optional(slice_of(some));
  };
}

void FilesSource::committed(const Json& offsets) {
  if (options_.clean_source == CleanSource::off || as_table_) {
    return;
  }
  for (const Json& file : offsets.at("files")) {
    clean(file.at("path").get<std::string>());
  }
}

/// The rows are safe, so a file that can't be cleaned away is worth a warning, no more.
void FilesSource::clean(const std::string& relative) {
  try {
    if (options_.clean_source == CleanSource::remove) {
      place_->remove(relative);
    } else {
      place_->archive(relative, options_.source_archive_dir);
    }
    given_.erase(relative);
  } catch (const Error& error) {
    log_.warn("{}; the file was read and stays where it is", error.what());
  }
}

void FilesSource::wait(std::stop_token stop, std::chrono::steady_clock::time_point until) {
  const auto soon = some_incomplete_ ? std::min(options_.poll_interval, options_.settle_time)
                                     : options_.poll_interval;
  place_->wait(stop, std::min(until, std::chrono::steady_clock::now() +
                                         std::max(soon, std::chrono::milliseconds(10))));
}

}  // namespace millrace
