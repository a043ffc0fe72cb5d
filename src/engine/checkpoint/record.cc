#include "engine/checkpoint/record.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/crc32c.h"

namespace millrace {
namespace {

constexpr std::string_view kMagic = "mrec";
constexpr std::size_t kHeaderBytes = 24;
constexpr std::size_t kCrcAt = 20;
constexpr std::size_t kReadBytes = 1U << 20U;

template <class T>
T load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

}  // namespace

void append_record(std::string& to, Record::Kind kind, std::int64_t batch,
                   std::string_view payload) {
  std::array<char, kHeaderBytes> header{};
  std::memcpy(header.data(), kMagic.data(), kMagic.size());
  header[4] = static_cast<char>(kind);
  std::memcpy(&header[8], &batch, sizeof(batch));
  const auto length = static_cast<std::uint32_t>(payload.size());
  std::memcpy(&header[16], &length, sizeof(length));
  const auto crc = crc32c(payload, crc32c({header.data(), kCrcAt}));
  std::memcpy(&header[kCrcAt], &crc, sizeof(crc));
  to.append(header.data(), header.size());
  to.append(payload);
}

RecordReader::RecordReader(const std::string& path, std::int64_t from)
    : path_(path), offset_(from), next_offset_(from) {
  file_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file_.is_open()) {
    throw_file_error("open", path, errno);
  }
  if (from > 0 && ::lseek(file_.get(), from, SEEK_SET) < 0) {
    throw_file_error("read", path, errno);
  }
}

/// Makes at least `bytes` unread bytes available; false if the file ends before.
bool RecordReader::fill(std::size_t bytes) {
  if (buffer_.size() - used_ >= bytes) {
    return true;
  }
  buffer_.erase(0, used_);
  used_ = 0;
  while (buffer_.size() < bytes) {
    const auto have = buffer_.size();
    // Step by step: `bytes` may be a damaged length, far beyond the end of the file.
    buffer_.resize(have + kReadBytes);
    const auto got = ::read(file_.get(), buffer_.data() + have, kReadBytes);
    if (got < 0) {
      throw_file_error("read", path_, errno);
    }
    buffer_.resize(have + static_cast<std::size_t>(got));
    if (got == 0) {
      return false;
    }
  }
  return true;
}

RecordReader::Result RecordReader::parse(Record& into) {
  if (!fill(kHeaderBytes)) {
    return buffer_.size() == used_ ? Result::end : Result::damaged;
  }
  const char* header = buffer_.data() + used_;
  const auto length = load<std::uint32_t>(header + 16);
  if (std::memcmp(header, kMagic.data(), kMagic.size()) != 0 || length > kLongestRecord ||
      !fill(kHeaderBytes + length)) {
    return Result::damaged;
  }
  header = buffer_.data() + used_;
  const std::string_view payload(header + kHeaderBytes, length);
  if (crc32c(payload, crc32c({header, kCrcAt})) != load<std::uint32_t>(header + kCrcAt)) {
    return Result::damaged;
  }
  into.kind = static_cast<Record::Kind>(header[4]);
  into.batch = load<std::int64_t>(header + 8);
  into.payload = payload;
  used_ += kHeaderBytes + length;
  next_offset_ = offset_ + static_cast<std::int64_t>(kHeaderBytes + length);
  return Result::record;
}

RecordReader::Result RecordReader::next(Record& into) {
  offset_ = next_offset_;
  return parse(into);
}

bool RecordReader::skip_to_record(Record& into) {
  while (fill(kHeaderBytes)) {
    if (parse(into) == Result::record) {
      return true;
    }
    const auto at = buffer_.find(kMagic, used_ + 1);
    // A magic may be cut by the end of what was read so far.
    used_ = at == std::string::npos ? buffer_.size() - (kMagic.size() - 1) : at;
  }
  return false;
}

}  // namespace millrace
