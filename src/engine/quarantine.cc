#include "engine/quarantine.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"

namespace millrace {
namespace {

/// Lines are gathered up to this size before they are written.
constexpr std::size_t kBufferBytes = 256 * 1024;
constexpr std::string_view kAside = ".tmp";

/// RFC 4648, section 4.
std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; k++) {
      group = group << 8U | (k < have ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; k++) {
      out += k <= have ? kDigits[group >> (18 - 6 * k) & 63U] : '=';
    }
  }
  return out;
}

void add_bytes(Json& line, const std::string& name, const std::string& bytes) {
  if (!find_invalid_utf8(bytes)) {
    line[name] = bytes;
  } else {
    line[name + "_base64"] = base64(bytes);
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
    add_bytes(line, "key", row.message->key);
  }
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

void CountedMalformed::add(const MalformedRow& row) {
  constexpr std::int64_t kShown = 5;
  constexpr std::size_t kShownBytes = 200;
  if (++count_ <= kShown) {
    Log().warn("source {}: {}:{} is malformed: {}{}{}: {}{}", source_, row.origin, row.line,
               row.column, row.column.empty() ? "" : ": ", row.reason,
               row.raw.substr(0, kShownBytes), row.raw.size() > kShownBytes ? " ..." : "");
  }
  if (to_ != nullptr) {
    to_->add(row);
  }
}

/// The rows of one source in one batch. The file is made with the first of them.
class QuarantineBatch::File final : public MalformedReceiver {
 public:
  File(const std::string& folder, std::int64_t batch, bool sync)
      : folder_(folder),
        path_(fmt::format("{}/{:012}.jsonl", folder, batch)),
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
    } else if (!remove_file(path_)) {  // of an attempt by a pipeline that took rows for malformed
      return;
    }
    if (sync_) {
      fsync_folder(folder_);
    }
    fault_point("batch.after_quarantine");
  }

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
        remove_file(fmt::format("{}/{}", folder, name));
      }
    }
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

void QuarantineBatch::publish() {
  for (const auto& [source, file] : files_) {
    file->publish();
  }
}

}  // namespace millrace
