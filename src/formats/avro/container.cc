#include "formats/avro/container.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "formats/avro/wire.h"

namespace millrace::avro {

namespace {

constexpr std::string_view kMagic{"Obj\x01", 4};
constexpr std::size_t kReadBytes = 128U << 10U;
constexpr std::size_t kEmptyRecordsMax = 1'000'000;

[[noreturn]] void refuse(const std::string& text) {
  throw Error(Blame::user, "avro file: " + text);
}

}  // namespace

ContainerReader::ContainerReader(ReadBytes read, const ContainerLimits& limits)
    : read_(std::move(read)), limits_(limits) {
  read_header();
}

void ContainerReader::read_header() {
  std::string_view bytes;
  if (!take(kMagic.size(), bytes) || bytes != kMagic) {
    refuse("it does not begin as a container file of Avro does; is it another format?");
  }
  read_metadata();
  if (!metadata_.contains("avro.schema")) {
    refuse("its header has no schema");
  }
  if (const auto found = metadata_.find("avro.codec"); found != metadata_.end()) {
    const auto codec = codec_named(found->second);
    if (!codec) {
      refuse(
          fmt::format("codec `{}` is not known; write the file with deflate, snappy or zstandard",
                      excerpt(found->second, 80)));
    }
    codec_ = *codec;
  }
  if (!take(marker_.size(), bytes)) {
    refuse("it ends within its header");
  }
  std::ranges::copy(bytes, marker_.begin());
}

void ContainerReader::read_metadata() {
  constexpr std::string_view kDamaged = "its header is damaged";
  std::size_t total = 0;
  std::int64_t count = 0;
  while (take_long(count) && count != 0) {
    std::int64_t size = 0;
    if (count == std::numeric_limits<std::int64_t>::min() || (count < 0 && !take_long(size))) {
      refuse(std::string(kDamaged));
    }
    for (std::int64_t i = count < 0 ? -count : count; i > 0; i--) {
      std::array<std::string, 2> entry;
      for (std::string& text : entry) {
        std::int64_t length = 0;
        std::string_view bytes;
        if (!take_long(length) || length < 0 || total >= limits_.header_bytes ||
            static_cast<std::size_t>(length) > limits_.header_bytes - total ||
            !take(static_cast<std::size_t>(length), bytes)) {
          refuse(std::string(kDamaged));
        }
        total += bytes.size() + 1;
        text = bytes;
      }
      if (total >= limits_.header_bytes) {
        refuse(fmt::format("its header is of more than {} bytes", limits_.header_bytes));
      }
      metadata_[std::move(entry[0])] = std::move(entry[1]);
    }
  }
  if (count != 0) {
    refuse(std::string(kDamaged));
  }
}

ContainerReader::Found ContainerReader::next() {
  while (!take_damaged(kReadBytes).empty()) {
  }
  offset_ = passed_ + static_cast<std::int64_t>(used_);
  if (!fill(1)) {
    return Found::end;
  }
  std::int64_t size = 0;
  std::size_t head = 0;
  if (!peek_head(size, head)) {
    return damaged("a block whose numbers are none", 0);
  }
  if (std::cmp_greater(size, limits_.block_bytes)) {
    return damaged(
        fmt::format("a block of {} bytes, and {} are the limit", size, limits_.block_bytes), 0);
  }
  // All that belongs to the block has to be in the buffer at once: views into it move.
  const std::size_t whole = head + static_cast<std::size_t>(size) + marker_.size();
  if (!fill(whole)) {
    return damaged("the file ends within a block", 0);
  }
  const auto block = std::string_view(buffer_).substr(used_, whole);
  if (!block.ends_with(std::string_view(marker_.data(), marker_.size()))) {
    return damaged("a block without the file's sync marker behind it", 0);
  }
  if (!decompress(codec_, block.substr(head, static_cast<std::size_t>(size)), limits_.block_bytes,
                  block_)) {
    return damaged(fmt::format("a block that {} can't expand to at most {} bytes", word(codec_),
                               limits_.block_bytes),
                   whole);
  }
  // Only records without any bytes can be more than the bytes.
  if (std::cmp_greater(records_, std::max(block_.size(), kEmptyRecordsMax))) {
    return damaged(fmt::format("a block of {} records in {} bytes", records_, block_.size()),
                   whole);
  }
  used_ += whole;
  return Found::block;
}

/// Of the block that begins here: `records_`, its size, and how many bytes say so.
bool ContainerReader::peek_head(std::int64_t& size, std::size_t& bytes) {
  fill(2 * kLongBytesMax);  // there may be less at the end
  const char* const begin = buffer_.data() + used_;
  const char* const end = buffer_.data() + buffer_.size();
  const char* at = read_long(begin, end, records_);
  at = at == nullptr ? nullptr : read_long(at, end, size);
  if (at == nullptr || records_ < 0 || size < 0) {
    return false;
  }
  bytes = static_cast<std::size_t>(at - begin);
  return true;
}

ContainerReader::Found ContainerReader::damaged(std::string reason, std::size_t whole) {
  damage_ = std::move(reason);
  damaged_ = whole;
  lost_ = whole == 0;
  records_ = 0;
  block_.clear();
  return Found::damaged;
}

std::string_view ContainerReader::take_damaged(std::size_t bytes_max) {
  std::size_t count = std::min(damaged_, bytes_max);
  if (lost_) {
    const std::string_view marker(marker_.data(), marker_.size());
    const bool goes_on = fill(bytes_max + marker.size());
    const auto seen = std::string_view(buffer_).substr(used_, bytes_max + marker.size());
    count = seen.find(marker);
    if (count == 0) {
      used_ += marker.size();
    } else if (count == std::string_view::npos) {
      // A marker may begin before the end of what is seen.
      count = goes_on ? seen.size() - (marker.size() - 1) : seen.size();
    }
    count = std::min(count, bytes_max);
    lost_ = count > 0;
  } else {
    damaged_ -= count;
  }
  const auto taken = std::string_view(buffer_).substr(used_, count);
  used_ += count;
  return taken;
}

/// Makes so many unread bytes be in the buffer, which grows as they come; false: the file has
/// ended.
bool ContainerReader::fill(std::size_t bytes) {
  if (buffer_.size() - used_ >= bytes) {
    return true;
  }
  passed_ += static_cast<std::int64_t>(used_);
  buffer_.erase(0, used_);
  used_ = 0;
  while (buffer_.size() < bytes) {
    const std::size_t before = buffer_.size();
    buffer_.resize(before + kReadBytes);
    const std::size_t read = read_(buffer_.data() + before, kReadBytes);
    buffer_.resize(before + read);
    if (read == 0) {
      return false;
    }
  }
  return true;
}

bool ContainerReader::take(std::size_t bytes, std::string_view& to) {
  if (!fill(bytes)) {
    return false;
  }
  to = std::string_view(buffer_).substr(used_, bytes);
  used_ += bytes;
  return true;
}

bool ContainerReader::take_long(std::int64_t& to) {
  fill(kLongBytesMax);  // there may be less at the end
  const char* const begin = buffer_.data() + used_;
  const char* const end = read_long(begin, buffer_.data() + buffer_.size(), to);
  used_ += end == nullptr ? 0 : static_cast<std::size_t>(end - begin);
  return end != nullptr;
}

std::string container_header(std::string_view schema, const ContainerOptions& options) {
  std::string header(kMagic);
  auto metadata = options.metadata;
  metadata["avro.schema"] = schema;
  metadata["avro.codec"] = word(options.codec);
  write_long(static_cast<std::int64_t>(metadata.size()), header);
  for (const auto& [name, value] : metadata) {
    write_sized(name, header);
    write_sized(value, header);
  }
  write_long(0, header);
  header.append(options.marker.data(), options.marker.size());
  return header;
}

void BlockWriter::add(std::string_view record) {
  block_ += record;
  records_++;
  if (block_.size() >= block_bytes_) {
    finish();
  }
}

void BlockWriter::finish() {
  if (records_ == 0) {
    return;
  }
  compress(codec_, block_, compressed_);
  block_.clear();
  write_long(records_, block_);
  write_sized(compressed_, block_);
  block_.append(marker_.data(), marker_.size());
  write_(block_);
  block_.clear();
  records_ = 0;
}

}  // namespace millrace::avro
