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
  if (lost_ && !find_marker()) {
    return Found::end;
  }
  lost_ = false;
  offset_ = passed_ + static_cast<std::int64_t>(used_);
  if (!fill(1)) {
    return Found::end;
  }
  std::int64_t size = 0;
  if (!take_long(records_) || records_ < 0 || !take_long(size) || size < 0) {
    return damaged("a block whose numbers are none", false);
  }
  if (std::cmp_greater(size, limits_.block_bytes)) {
    return damaged(
        fmt::format("a block of {} bytes, and {} are the limit", size, limits_.block_bytes), false);
  }
  // All that belongs to the block has to be in the buffer at once: views into it move.
  if (!fill(static_cast<std::size_t>(size) + marker_.size())) {
    return damaged("the file ends within a block", false);
  }
  std::string_view bytes;
  std::string_view marker;
  take(static_cast<std::size_t>(size), bytes);
  take(marker_.size(), marker);
  if (marker != std::string_view(marker_.data(), marker_.size())) {
    used_ -= bytes.size() + marker.size();  // the next marker may be in there
    return damaged("a block without the file's sync marker behind it", false);
  }
  if (!decompress(codec_, bytes, limits_.block_bytes, block_)) {
    return damaged(fmt::format("a block that {} can't expand to at most {} bytes", word(codec_),
                               limits_.block_bytes),
                   true);
  }
  // Only records without any bytes can be more than the bytes.
  if (std::cmp_greater(records_, std::max(block_.size(), kEmptyRecordsMax))) {
    return damaged(fmt::format("a block of {} records in {} bytes", records_, block_.size()), true);
  }
  return Found::block;
}

ContainerReader::Found ContainerReader::damaged(std::string reason, bool at_marker) {
  damage_ = std::move(reason);
  lost_ = !at_marker;
  records_ = 0;
  block_.clear();
  return Found::damaged;
}

bool ContainerReader::find_marker() {
  const std::string_view marker(marker_.data(), marker_.size());
  while (fill(marker.size())) {
    const std::size_t found = std::string_view(buffer_).substr(used_).find(marker);
    if (found != std::string_view::npos) {
      used_ += found + marker.size();
      return true;
    }
    used_ = buffer_.size() - (marker.size() - 1);
  }
  return false;
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

ContainerWriter::ContainerWriter(WriteBytes write, std::string_view schema,
                                 ContainerOptions options)
    : write_(std::move(write)), options_(std::move(options)) {
  std::string header(kMagic);
  auto metadata = options_.metadata;
  metadata["avro.schema"] = schema;
  metadata["avro.codec"] = word(options_.codec);
  write_long(static_cast<std::int64_t>(metadata.size()), header);
  for (const auto& [name, value] : metadata) {
    write_sized(name, header);
    write_sized(value, header);
  }
  write_long(0, header);
  header.append(options_.marker.data(), options_.marker.size());
  write_(header);
}

void ContainerWriter::add(std::string_view record) {
  block_ += record;
  records_++;
  if (block_.size() >= options_.block_bytes) {
    finish();
  }
}

void ContainerWriter::finish() {
  if (records_ == 0) {
    return;
  }
  compress(options_.codec, block_, compressed_);
  std::string head;
  write_long(records_, head);
  write_long(static_cast<std::int64_t>(compressed_.size()), head);
  write_(head);
  write_(compressed_);
  write_({options_.marker.data(), options_.marker.size()});
  block_.clear();
  records_ = 0;
}

}  // namespace millrace::avro
