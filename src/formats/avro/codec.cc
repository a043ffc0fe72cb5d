#include "formats/avro/codec.h"

#include <bzlib.h>
#include <lzma.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>

#include "base/error.h"

namespace millrace::avro {

namespace {

constexpr std::array kCodecs{Codec::null,      Codec::deflate, Codec::snappy,
                             Codec::zstandard, Codec::bzip2,   Codec::xz};
constexpr int kRawDeflate = -15;  // no header, a window of 32 KiB
constexpr std::size_t kFirstBytes = 64 * 1024;
constexpr std::size_t kCrcBytes = 4;
constexpr std::uint64_t kXzMemory = 256ULL << 20U;
constexpr std::size_t kSnappyRatioMax = 32;  // 3 bytes can stand for 64

enum class Progress : std::uint8_t { more, done, damaged };

/// Room that grows with what is really there, never with what a header claims.
bool make_room(std::string& to, std::size_t used, std::size_t limit) {
  if (used == limit) {
    return false;
  }
  to.resize(std::min(limit, std::max(kFirstBytes, used * 2)));
  return true;
}

struct Inflate {
  z_stream stream{};
  bool open = inflateInit2(&stream, kRawDeflate) == Z_OK;
  Inflate() = default;
  Inflate(const Inflate&) = delete;
  Inflate& operator=(const Inflate&) = delete;
  ~Inflate() { inflateEnd(&stream); }

  void input(std::string_view from) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
    stream.avail_in = static_cast<uInt>(from.size());
  }
  Progress step(char* to, std::size_t room, std::size_t& made) {
    stream.next_out = reinterpret_cast<Bytef*>(to);
    stream.avail_out = static_cast<uInt>(room);
    const int code = inflate(&stream, Z_NO_FLUSH);
    made = room - stream.avail_out;
    return code == Z_STREAM_END ? Progress::done
           : code == Z_OK       ? Progress::more
                                : Progress::damaged;
  }
};

struct Unbzip {
  bz_stream stream{};
  bool open = BZ2_bzDecompressInit(&stream, 0, 0) == BZ_OK;
  Unbzip() = default;
  Unbzip(const Unbzip&) = delete;
  Unbzip& operator=(const Unbzip&) = delete;
  ~Unbzip() { BZ2_bzDecompressEnd(&stream); }

  void input(std::string_view from) {
    stream.next_in = const_cast<char*>(from.data());
    stream.avail_in = static_cast<unsigned>(from.size());
  }
  Progress step(char* to, std::size_t room, std::size_t& made) {
    stream.next_out = to;
    stream.avail_out = static_cast<unsigned>(room);
    const int code = BZ2_bzDecompress(&stream);
    made = room - stream.avail_out;
    return code == BZ_STREAM_END ? Progress::done
           : code == BZ_OK       ? Progress::more
                                 : Progress::damaged;
  }
};

struct Unxz {
  lzma_stream stream = LZMA_STREAM_INIT;
  bool open = lzma_stream_decoder(&stream, kXzMemory, 0) == LZMA_OK;
  Unxz() = default;
  Unxz(const Unxz&) = delete;
  Unxz& operator=(const Unxz&) = delete;
  ~Unxz() { lzma_end(&stream); }

  void input(std::string_view from) {
    stream.next_in = reinterpret_cast<const std::uint8_t*>(from.data());
    stream.avail_in = from.size();
  }
  Progress step(char* to, std::size_t room, std::size_t& made) {
    stream.next_out = reinterpret_cast<std::uint8_t*>(to);
    stream.avail_out = room;
    const lzma_ret code = lzma_code(&stream, LZMA_RUN);
    made = room - stream.avail_out;
    return code == LZMA_STREAM_END ? Progress::done
           : code == LZMA_OK       ? Progress::more
                                   : Progress::damaged;
  }
};

struct Unzstd {
  struct Free {
    void operator()(ZSTD_DStream* stream) const noexcept { ZSTD_freeDStream(stream); }
  };
  std::unique_ptr<ZSTD_DStream, Free> stream{ZSTD_createDStream()};
  ZSTD_inBuffer from{};
  bool open = stream != nullptr;

  void input(std::string_view bytes) { from = {bytes.data(), bytes.size(), 0}; }
  Progress step(char* to, std::size_t room, std::size_t& made) {
    ZSTD_outBuffer out{to, room, 0};
    const std::size_t code = ZSTD_decompressStream(stream.get(), &out, &from);
    made = out.pos;
    if (ZSTD_isError(code) != 0) {
      return Progress::damaged;
    }
    // Several frames may follow each other.
    return code == 0 && from.pos == from.size ? Progress::done : Progress::more;
  }
};

/// Bytes behind the end are left alone: some writers leave parts of a checksum there.
template <class Stream>
bool expand(std::string_view from, std::size_t limit, std::string& to) {
  Stream stream;
  if (!stream.open || from.size() > std::numeric_limits<std::uint32_t>::max()) {
    return false;
  }
  stream.input(from);
  std::size_t used = 0;
  to.clear();
  for (;;) {
    if (used == to.size() && !make_room(to, used, limit)) {
      return false;
    }
    std::size_t made = 0;
    const Progress progress = stream.step(to.data() + used, to.size() - used, made);
    used += made;
    if (progress == Progress::done) {
      to.resize(used);
      return true;
    }
    // With room left and nothing made, the bytes have ended too early.
    if (progress == Progress::damaged || (made == 0 && used < to.size())) {
      return false;
    }
  }
}

std::array<char, kCrcBytes> crc_of(std::string_view bytes) {
  const uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  std::array<char, kCrcBytes> result{};
  for (std::size_t i = 0; i < kCrcBytes; i++) {
    result[i] = static_cast<char>(crc >> (24 - 8 * i));
  }
  return result;
}

bool expand_snappy(std::string_view from, std::size_t limit, std::string& to) {
  if (from.size() < kCrcBytes) {
    return false;
  }
  const std::string_view crc = from.substr(from.size() - kCrcBytes);
  from.remove_suffix(kCrcBytes);
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(from.data(), from.size(), &size) || size > limit ||
      size / kSnappyRatioMax > from.size()) {
    return false;
  }
  to.resize(size);
  if (!snappy::RawUncompress(from.data(), from.size(), to.data())) {
    return false;
  }
  const auto expected = crc_of(to);
  return crc == std::string_view(expected.data(), expected.size());
}

void check(bool done, Codec codec) {
  if (!done) {
    throw Error(Blame::internal, "avro: codec " + std::string(word(codec)) + " failed to compress");
  }
}

void deflate_all(std::string_view from, std::string& to) {
  z_stream stream{};
  check(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kRawDeflate, 8,
                     Z_DEFAULT_STRATEGY) == Z_OK,
        Codec::deflate);
  to.resize(deflateBound(&stream, from.size()));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
  stream.avail_in = static_cast<uInt>(from.size());
  stream.next_out = reinterpret_cast<Bytef*>(to.data());
  stream.avail_out = static_cast<uInt>(to.size());
  const int code = deflate(&stream, Z_FINISH);
  to.resize(stream.total_out);
  deflateEnd(&stream);
  check(code == Z_STREAM_END, Codec::deflate);
}

void compress_snappy(std::string_view from, std::string& to) {
  snappy::Compress(from.data(), from.size(), &to);
  const auto crc = crc_of(from);
  to.append(crc.data(), crc.size());
}

void compress_zstandard(std::string_view from, std::string& to) {
  to.resize(ZSTD_compressBound(from.size()));
  const std::size_t size =
      ZSTD_compress(to.data(), to.size(), from.data(), from.size(), ZSTD_CLEVEL_DEFAULT);
  check(ZSTD_isError(size) == 0, Codec::zstandard);
  to.resize(size);
}

void compress_bzip2(std::string_view from, std::string& to) {
  constexpr int kBlock100k = 9;
  to.resize(from.size() + from.size() / 100 + 600);  // what its manual asks for
  auto size = static_cast<unsigned>(to.size());
  check(BZ2_bzBuffToBuffCompress(to.data(), &size, const_cast<char*>(from.data()),
                                 static_cast<unsigned>(from.size()), kBlock100k, 0, 0) == BZ_OK,
        Codec::bzip2);
  to.resize(size);
}

void compress_xz(std::string_view from, std::string& to) {
  to.resize(lzma_stream_buffer_bound(from.size()));
  std::size_t size = 0;
  check(lzma_easy_buffer_encode(LZMA_PRESET_DEFAULT, LZMA_CHECK_CRC64, nullptr,
                                reinterpret_cast<const std::uint8_t*>(from.data()), from.size(),
                                reinterpret_cast<std::uint8_t*>(to.data()), &size,
                                to.size()) == LZMA_OK,
        Codec::xz);
  to.resize(size);
}

}  // namespace

std::optional<Codec> codec_named(std::string_view name) noexcept {
  const auto* const found =
      std::ranges::find_if(kCodecs, [&](Codec codec) { return word(codec) == name; });
  return found == kCodecs.end() ? std::nullopt : std::optional(*found);
}

std::string_view word(Codec codec) noexcept {
  constexpr std::array<std::string_view, 6> kWords{"null",      "deflate", "snappy",
                                                   "zstandard", "bzip2",   "xz"};
  return kWords[static_cast<std::size_t>(codec)];
}

bool decompress(Codec codec, std::string_view from, std::size_t limit, std::string& to) {
  switch (codec) {
    case Codec::null:
      to = from;
      return to.size() <= limit;
    case Codec::deflate:
      return expand<Inflate>(from, limit, to);
    case Codec::snappy:
      return expand_snappy(from, limit, to);
    case Codec::zstandard:
      return expand<Unzstd>(from, limit, to);
    case Codec::bzip2:
      return expand<Unbzip>(from, limit, to);
    case Codec::xz:
      return expand<Unxz>(from, limit, to);
  }
  return false;
}

void compress(Codec codec, std::string_view from, std::string& to) {
  switch (codec) {
    case Codec::null:
      to = from;
      break;
    case Codec::deflate:
      deflate_all(from, to);
      break;
    case Codec::snappy:
      compress_snappy(from, to);
      break;
    case Codec::zstandard:
      compress_zstandard(from, to);
      break;
    case Codec::bzip2:
      compress_bzip2(from, to);
      break;
    case Codec::xz:
      compress_xz(from, to);
      break;
  }
}

}  // namespace millrace::avro
