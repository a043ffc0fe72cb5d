#include "engine/quarantine.h"

#include <fmt/format.h>

#include <mutex>
#include <utility>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "core/source.h"
#include "engine/quarantine_files.h"

namespace millrace {
namespace {

/// Lines are gathered up to this size before they are written.
constexpr std::size_t kBufferBytes = 256 * 1024;
constexpr std::string_view kAside = ".tmp";

void add_bytes(Json& line, const std::string& name, const std::string& bytes) {
  if (!find_invalid_utf8(bytes)) {
    line[name] = bytes;
  } else {
    std::string text;
    encode_base64(bytes, text);
    line[name + "_base64"] = std::move(text);
  }
}

std::string line_of(const MalformedRow& row) {
  Json line = {
      {"origin", row.origin}, {"line", row.line}, {"column", row.column}, {"reason", row.reason}};
  if (row.part > 0) {
    line["part"] = row.part;
  }
  add_bytes(line, "raw", row.raw);
  if (row.message) {
    line["topic"] = row.message->topic;
    line["partition"] = row.message->partition;
    line["offset"] = row.message->offset;
    if (row.message->timestamp_ms >= 0) {
      line["timestamp_ms"] = row.message->timestamp_ms;
    }
    if (row.message->key) {
      add_bytes(line, "key", *row.message->key);
    }
    for (const auto& [name, value] : row.message->headers) {
      Json header = {{"name", name}};
      if (value) {
        add_bytes(header, "value", *value);
      }
      line["headers"].push_back(std::move(header));
    }
  }
  if (!row.header.empty()) {
    add_bytes(line, "header", row.header);
  }
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string path_of(const std::string& folder, std::int64_t batch) {
  return fmt::format("{}/{:012}.jsonl", folder, batch);
}

/// For what a source has to write down.
std::string scratch_of(const std::string& folder, std::int64_t batch) {
  return fmt::format("{}/.{:012}.again{}", folder, batch, kAside);
}

}  // namespace

void CountedMalformed::add(const MalformedRow& row) {
  note(row);
  if (to_ != nullptr) {
    to_->add(row);
  }
}

void CountedMalformed::note(const MalformedRow& row) {
  constexpr std::int64_t kShown = 5;
  constexpr std::size_t kShownBytes = 200;
  if (row.part > 1) {
    return;  // of a record that was counted with its first part
  }
  if (++count_ <= kShown) {
    log_.warn("{}: {}{}{} {}: {}{}{}: {}{}", of_, row.origin,
              row.line > 0 || row.message ? ":" : "",
              row.line > 0 || row.message ? std::to_string(row.line) : "", what_, row.column,
              row.column.empty() ? "" : ": ", row.reason, row.raw.substr(0, kShownBytes),
              row.raw.size() > kShownBytes ? " ..." : "");
  }
}

/// The rows of one source in one batch. The file is made with the first of them.
class QuarantineBatch::File final : public MalformedReceiver {
 public:
  File(const std::string& folder, std::int64_t batch, bool sync)
      : folder_(folder),
        path_(path_of(folder, batch)),
        aside_(fmt::format("{}/.{:012}.jsonl{}", folder, batch, kAside)),
        sync_(sync) {}
  /// A batch that was not published leaves no file.
  ~File() override {
    if (!begun_) {
      return;
    }
    try {
      file_ = AppendFile();
      remove_file(aside_);
    } catch (const std::exception& error) {  // the next start removes it
      Log().warn("{}", error.what());
    }
  }

  void add(const MalformedRow& row) override {
    const auto line = line_of(row);
    const std::lock_guard guard(lock_);
    if (!begun_) {
      begun_ = true;
      make_folders(folder_, sync_);
      remove_file(aside_);
      file_ = AppendFile(aside_);
    }
    buffer_ += line;
    if (buffer_.size() >= kBufferBytes) {
      flush();
    }
  }

  void publish() {
    if (begun_) {
      flush();
      if (sync_) {
        file_.sync();
      }
      file_ = AppendFile();
      fault_point("quarantine.after_sync");
      rename_file(aside_, path_);
      begun_ = false;
      published_ = true;
    } else if (!remove_file(path_)) {  // of an attempt by a pipeline that took rows for malformed
      return;
    }
    if (sync_) {
      fsync_folder(folder_);
    }
    fault_point("batch.after_quarantine");
  }

  /// Where its rows are since publish(); nullptr: there are none.
  [[nodiscard]] const std::string* published() const { return published_ ? &path_ : nullptr; }

 private:
  void flush() {
    file_.write(buffer_);
    buffer_.clear();
  }

  std::string folder_;
  std::string path_;
  std::string aside_;
  bool sync_;
  std::mutex lock_;
  bool begun_ = false;  ///< something may be there under the hidden name
  bool published_ = false;
  AppendFile file_;
  std::string buffer_;
};

Quarantine::Quarantine(std::string folder, bool sync) : folder_(std::move(folder)), sync_(sync) {}

void Quarantine::open() const {
  for (const auto& source : list_folder(folder_)) {
    const auto folder = folder_ + "/" + source;
    if (!is_folder(folder)) {
      continue;
    }
    for (const auto& name : list_folder(folder)) {
      if (name.starts_with('.') && name.ends_with(kAside)) {
        remove_tree(fmt::format("{}/{}", folder, name));
      }
    }
  }
}

void Quarantine::remove(const std::string& source, const std::vector<std::int64_t>& batches,
                        std::int64_t read_by) const {
  const auto folder = folder_ + "/" + source;
  for (const auto batch : batches) {
    remove_file(path_of(folder, batch));
  }
  remove_tree(scratch_of(folder, read_by));
  if (sync_ && is_folder(folder)) {
    fsync_folder(folder);
  }
}

std::unique_ptr<QuarantineBatch> Quarantine::begin(std::int64_t batch) const {
  return std::make_unique<QuarantineBatch>(folder_, batch, sync_);
}

QuarantineBatch::QuarantineBatch(std::string folder, std::int64_t batch, bool sync)
    : folder_(std::move(folder)), batch_(batch), sync_(sync) {}
QuarantineBatch::~QuarantineBatch() = default;

MalformedReceiver& QuarantineBatch::receiver(const std::string& source) {
  auto& file = files_[source];
  if (!file) {
    file = std::make_unique<File>(folder_ + "/" + source, batch_, sync_);
  }
  return *file;
}

MalformedRows QuarantineBatch::kept(const std::string& source,
                                    const std::vector<std::int64_t>& batches) const {
  return kept_rows(folder_, source, batches);
}

std::string QuarantineBatch::make_folder(const std::string& source) const {
  auto folder = scratch_of(folder_ + "/" + source, batch_);
  remove_tree(folder);
  make_folders(folder, false);
  return folder;
}

void QuarantineBatch::publish() {
  for (const auto& [source, file] : files_) {
    file->publish();
  }
}

std::vector<KeptFile> QuarantineBatch::published() const {
  std::vector<KeptFile> files;
  for (const auto& [source, file] : files_) {
    if (const auto* path = file->published()) {
      files.push_back({.of = source, .batch = batch_, .path = *path});
    }
  }
  return files;
}

}  // namespace millrace
