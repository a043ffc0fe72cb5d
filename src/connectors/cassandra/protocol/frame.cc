#include "connectors/cassandra/protocol/frame.h"

#include <fmt/format.h>
#include <lz4.h>

#include <algorithm>
#include <utility>

#include "connectors/cassandra/protocol/checksums.h"
#include "connectors/cassandra/protocol/wire.h"

namespace millrace::cassandra {

namespace {

constexpr std::size_t kEnvelopeHeader = 9;
constexpr std::size_t kHeaderCrc = 3;
constexpr std::size_t kPayloadCrc = 4;
constexpr std::size_t kLz4RatioMax = 255;
constexpr std::uint8_t kIsAnswer = 0x80;

// Flags of an envelope.
constexpr std::uint8_t kCompressed = 0x01;
constexpr std::uint8_t kTracing = 0x02;
constexpr std::uint8_t kCustomPayload = 0x04;
constexpr std::uint8_t kWarnings = 0x08;

void put_little_endian(std::uint64_t value, std::size_t bytes, std::string& to) {
  for (std::size_t i = 0; i < bytes; ++i) {
    to += static_cast<char>((value >> (8 * i)) & 0xFF);
  }
}

std::uint64_t little_endian(std::string_view bytes) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

/// Appends what LZ4 makes of bytes; false: nothing shorter.
bool compress(std::string_view bytes, std::string& to) {
  const auto before = to.size();
  to.resize(before + static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(bytes.size()))));
  const int size =
      LZ4_compress_default(bytes.data(), to.data() + before, static_cast<int>(bytes.size()),
                           static_cast<int>(to.size() - before));
  const bool shorter = size > 0 && std::cmp_less(size, bytes.size());
  to.resize(before + (shorter ? static_cast<std::size_t>(size) : 0));
  return shorter;
}

void decompress(std::string_view bytes, std::size_t plain_size, std::string& to) {
  if (plain_size / kLz4RatioMax > bytes.size()) {  // before memory is taken for it
    throw BadFrame("LZ4 that can't be as long as it says");
  }
  const auto before = to.size();
  to.resize(before + plain_size);
  const int size =
      LZ4_decompress_safe(bytes.data(), to.data() + before, static_cast<int>(bytes.size()),
                          static_cast<int>(plain_size));
  if (std::cmp_not_equal(size, plain_size)) {
    throw BadFrame("LZ4 that does not decompress");
  }
}

/// The body of an envelope without what its flags put before it.
std::string plain_body(std::uint8_t flags, std::string body) {
  if ((flags & kCompressed) != 0) {
    WireReader reader(body);
    const auto size = reader.number<std::uint32_t>();
    if (size > kEnvelopeBytesMax) {
      throw BadFrame(fmt::format("a body of {} bytes", size));
    }
    std::string plain;
    if (size > 0) {
      decompress(reader.rest(), size, plain);
    }
    body = std::move(plain);
  }
  if ((flags & (kTracing | kWarnings | kCustomPayload)) == 0) {
    return body;
  }
  WireReader reader(body);
  if ((flags & kTracing) != 0) {
    (void)reader.take(16);
  }
  if ((flags & kWarnings) != 0) {
    for (auto count = reader.short_number(); count > 0; --count) {
      (void)reader.string();
    }
  }
  if ((flags & kCustomPayload) != 0) {
    for (auto count = reader.short_number(); count > 0; --count) {
      (void)reader.string();
      (void)reader.bytes();
    }
  }
  return std::string(reader.rest());
}

/// Drops what was read, when that is worth moving the rest.
void forget_read(std::string& bytes, std::size_t& begin) {
  if (begin >= bytes.size() - begin) {
    bytes.erase(0, begin);
    begin = 0;
  }
}

}  // namespace

void FrameWriter::add(std::int16_t stream, Opcode opcode, std::string_view body) {
  const bool may_compress = framing_.lz4 && !framing_.segments && body.size() > 64;
  scratch_.clear();
  if (may_compress) {
    put(static_cast<std::uint32_t>(body.size()), scratch_);
    if (compress(body, scratch_)) {
      body = scratch_;
    } else {
      scratch_.clear();
    }
  }
  envelopes_ += static_cast<char>(framing_.version);
  envelopes_ += static_cast<char>(scratch_.empty() ? 0 : kCompressed);
  put(stream, envelopes_);
  envelopes_ += static_cast<char>(opcode);
  put(static_cast<std::uint32_t>(body.size()), envelopes_);
  envelopes_ += body;
}

/// Segments hold as many whole envelopes as there is room for; a larger one has several to itself.
std::string FrameWriter::take() {
  if (!framing_.segments) {
    return std::exchange(envelopes_, {});
  }
  std::string bytes;
  bytes.reserve(envelopes_.size() + 64);
  std::string_view rest = envelopes_;
  while (!rest.empty()) {
    std::size_t whole = 0;
    while (whole < rest.size()) {
      const auto size = kEnvelopeHeader + load_big_endian<std::uint32_t>(rest.data() + whole + 5);
      if (whole + size > kSegmentBytesMax) {
        break;
      }
      whole += size;
    }
    if (whole > 0) {
      add_segment(rest.substr(0, whole), true, bytes);
      rest.remove_prefix(whole);
      continue;
    }
    std::size_t left = kEnvelopeHeader + load_big_endian<std::uint32_t>(rest.data() + 5);
    while (left > 0) {
      const auto size = std::min(left, kSegmentBytesMax);
      add_segment(rest.substr(0, size), false, bytes);
      rest.remove_prefix(size);
      left -= size;
    }
  }
  envelopes_.clear();
  return bytes;
}

void FrameWriter::add_segment(std::string_view payload, bool is_whole, std::string& to) {
  const std::uint64_t size = payload.size();
  const std::uint64_t whole = is_whole ? 1 : 0;
  if (!framing_.lz4) {
    const std::uint64_t header = size | whole << 17;
    put_little_endian(header, 3, to);
    put_little_endian(crc24(header, 3), kHeaderCrc, to);
  } else {
    scratch_.clear();
    const bool compressed = compress(payload, scratch_);
    if (compressed) {
      payload = scratch_;
    }
    const std::uint64_t header = payload.size() | (compressed ? size : 0) << 17 | whole << 34;
    put_little_endian(header, 5, to);
    put_little_endian(crc24(header, 5), kHeaderCrc, to);
  }
  to += payload;
  put_little_endian(payload_crc32(payload), kPayloadCrc, to);
}

std::optional<Envelope> FrameReader::next() {
  if (!framing_.segments) {
    return cut_envelope(incoming_, begin_);
  }
  for (;;) {
    if (auto envelope = cut_envelope(envelopes_, envelopes_begin_)) {
      return envelope;
    }
    if (!open_segment()) {
      return std::nullopt;
    }
  }
}

/// False: it is not all there yet.
bool FrameReader::open_segment() {
  const std::size_t header_size = framing_.lz4 ? 5 : 3;
  const std::string_view rest = std::string_view(incoming_).substr(begin_);
  if (rest.size() < header_size + kHeaderCrc) {
    return false;
  }
  const auto header = little_endian(rest.substr(0, header_size));
  if (crc24(header, header_size) != little_endian(rest.substr(header_size, kHeaderCrc))) {
    throw BadFrame("the checksum of a segment's header is wrong");
  }
  const std::size_t size = header & kSegmentBytesMax;
  const std::size_t plain_size = framing_.lz4 ? (header >> 17) & kSegmentBytesMax : 0;
  const auto payload_begin = header_size + kHeaderCrc;
  if (rest.size() < payload_begin + size + kPayloadCrc) {
    return false;
  }
  const auto payload = rest.substr(payload_begin, size);
  if (payload_crc32(payload) != little_endian(rest.substr(payload_begin + size, kPayloadCrc))) {
    throw BadFrame("the checksum of a segment is wrong");
  }
  forget_read(envelopes_, envelopes_begin_);
  if (plain_size > 0) {
    decompress(payload, plain_size, envelopes_);
  } else {
    envelopes_ += payload;
  }
  begin_ += payload_begin + size + kPayloadCrc;
  forget_read(incoming_, begin_);
  return true;
}

std::optional<Envelope> FrameReader::cut_envelope(std::string& from, std::size_t& begin) {
  const std::string_view rest = std::string_view(from).substr(begin);
  if (rest.size() < kEnvelopeHeader) {
    return std::nullopt;
  }
  const auto size = load_big_endian<std::uint32_t>(rest.data() + 5);
  const auto first = static_cast<std::uint8_t>(rest[0]);
  if ((first & kIsAnswer) == 0 || size > kEnvelopeBytesMax) {
    throw BadFrame((first & kIsAnswer) == 0 ? "no answer of the native protocol"
                                            : fmt::format("an answer of {} bytes", size));
  }
  if (rest.size() - kEnvelopeHeader < size) {
    return std::nullopt;
  }
  Envelope envelope{.version = first & ~kIsAnswer,
                    .stream = load_big_endian<std::int16_t>(rest.data() + 2),
                    .opcode = static_cast<Opcode>(rest[4]),
                    .body = std::string(rest.substr(kEnvelopeHeader, size))};
  envelope.body = plain_body(static_cast<std::uint8_t>(rest[1]), std::move(envelope.body));
  begin += kEnvelopeHeader + size;
  forget_read(from, begin);
  return envelope;
}

}  // namespace millrace::cassandra
