#include "connectors/mysql/binlog_compression.h"

#include <zlib.h>
#include <zstd.h>

#include <string_view>
#include <utility>

#include "base/error.h"
#include "connectors/mysql/binlog_events.h"

namespace millrace::mysql {

namespace {

using Bytes = std::span<const unsigned char>;

/// As much as a server takes for an event (max_allowed_packet).
constexpr std::uint64_t kMaxEventBytes = std::uint64_t{1} << 30U;
/// Windows of more than 128 MB are not the server's.
constexpr int kMaxWindowLog = 27;

[[noreturn]] void throw_damaged() {
  throw Error(Blame::external, "the server sent a compressed event of the binlog that is damaged",
              Retry::yes);
}

enum PayloadField : std::uint8_t { kEnd = 0, kSize = 1, kMethod = 2, kPlainSize = 3 };
constexpr std::uint64_t kZstd = 0;
constexpr std::uint64_t kPlain = 255;

}  // namespace

std::vector<unsigned char> inflate_event(Bytes bytes) {
  ByteReader reader(bytes);
  const auto how = reader.number(1);
  const bool is_zlib = (how >> 4U & 7U) == 0;
  const auto length_bytes = how & 7U;
  if ((how & 0x80U) == 0 || !is_zlib || length_bytes == 0 || length_bytes > 4) {
    throw_damaged();
  }
  std::uint64_t length = 0;
  for (const auto byte : reader.take(length_bytes)) {
    length = length << 8U | byte;
  }
  // zlib makes no more of a byte.
  constexpr std::uint64_t kMostOfAByte = 1032;
  const auto packed = reader.take(reader.left());
  if (length > kMaxEventBytes || length > (packed.size() + 1) * kMostOfAByte) {
    throw_damaged();
  }
  std::vector<unsigned char> plain(length);
  auto written = static_cast<uLongf>(length);
  if (::uncompress(plain.data(), &written, packed.data(), packed.size()) != Z_OK ||
      written != length) {
    throw_damaged();
  }
  return plain;
}

/// The bytes of the payload, piece by piece.
class PayloadReader::Stream {
 public:
  explicit Stream(ByteReader& body) {
    std::uint64_t size = 0;
    std::uint64_t method = kPlain;
    for (auto field = body.length(); field != kEnd; field = body.length()) {
      ByteReader value(body.take(body.length()));
      if (field == kSize) {
        size = value.length();
      } else if (field == kMethod) {
        method = value.length();
      }
    }
    if (method != kZstd && method != kPlain) {
      throw_damaged();
    }
    packed_ = body.take(size);
    if (method == kZstd) {
      context_.reset(ZSTD_createDCtx());
      if (context_ == nullptr || ZSTD_isError(ZSTD_DCtx_setParameter(
                                     context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog)) != 0) {
        throw std::bad_alloc();
      }
    }
  }

  /// Appends some; false: there are no more.
  bool read(std::vector<unsigned char>& to) {
    if (context_ == nullptr) {
      to.insert(to.end(), packed_.begin(), packed_.end());
      return !std::exchange(packed_, {}).empty();
    }
    const auto before = to.size();
    to.resize(before + ZSTD_DStreamOutSize());
    ZSTD_inBuffer in{packed_.data(), packed_.size(), 0};
    ZSTD_outBuffer out{to.data() + before, to.size() - before, 0};
    const auto result = ZSTD_decompressStream(context_.get(), &out, &in);
    packed_ = packed_.subspan(in.pos);
    to.resize(before + out.pos);
    if (ZSTD_isError(result) != 0) {
      throw_damaged();
    }
    return out.pos > 0 || in.pos > 0;
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
  };
  Bytes packed_;
  std::unique_ptr<ZSTD_DCtx, Free> context_;
};

PayloadReader::PayloadReader(ByteReader body) : stream_(std::make_unique<Stream>(body)) {}
PayloadReader::~PayloadReader() = default;

bool PayloadReader::fill(std::size_t bytes) {
  while (ready_.size() - used_ < bytes) {
    if (used_ > 0) {
      ready_.erase(ready_.begin(), ready_.begin() + static_cast<std::ptrdiff_t>(used_));
      used_ = 0;
    }
    if (!stream_->read(ready_)) {
      return false;
    }
  }
  return true;
}

std::optional<PayloadReader::Inner> PayloadReader::next() {
  if (!fill(kEventHeaderBytes)) {
    if (ready_.size() > used_) {
      throw_damaged();
    }
    return std::nullopt;
  }
  ByteReader header(Bytes(ready_).subspan(used_, kEventHeaderBytes));
  Inner inner{.time_s = 0, .body = ByteReader({})};
  inner.time_s = static_cast<std::int64_t>(header.number(4));
  inner.type = static_cast<unsigned>(header.number(1));
  header.take(4);
  const auto size = header.number(4);
  if (size < kEventHeaderBytes || size > kMaxEventBytes || !fill(size)) {
    throw_damaged();
  }
  inner.body =
      ByteReader(Bytes(ready_).subspan(used_ + kEventHeaderBytes, size - kEventHeaderBytes));
  used_ += size;
  return inner;
}

}  // namespace millrace::mysql
