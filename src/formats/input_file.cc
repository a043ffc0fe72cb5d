#include "formats/input_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "core/planned_files.h"

namespace millrace::formats {

namespace {

UniqueFd open_descriptor(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) {
    throw_file_error("read", path, errno);
  }
  return fd;
}

Error damaged(const std::string& path, std::string_view why) {
  return {Blame::external, fmt::format("cannot read `{}`: {}", path, why)};
}

class Gunzip {
 public:
  Gunzip(std::string path, ReadBytes file)
      : path_(std::move(path)), file_(std::move(file)), packed_(kBufferBytes, '\0') {
    constexpr int kGzipOnly = 16;
    if (::inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) {
      throw damaged(path_, "there is no memory to unpack it");
    }
  }
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;
  ~Gunzip() { ::inflateEnd(&stream_); }

  std::size_t read(char* to, std::size_t bytes) {
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = static_cast<unsigned>(std::min(bytes, kReadMax));
    const auto wanted = stream_.avail_out;
    while (stream_.avail_out == wanted && !at_end_) {
      if (stream_.avail_in == 0 && !fill()) {
        break;
      }
      if (!in_member_ && !begin_member()) {
        break;
      }
      unpack();
    }
    return wanted - stream_.avail_out;
  }

 private:
  static constexpr std::size_t kBufferBytes = 128 * 1024;
  static constexpr std::size_t kReadMax = std::size_t{1} << 30;

  /// False: that was all.
  bool fill() {
    const auto got = file_(packed_.data(), packed_.size());
    if (got == 0) {
      at_end_ = true;
      if (in_member_) {
        throw damaged(path_, "it ends too early");
      }
      return false;
    }
    stream_.next_in = reinterpret_cast<Bytef*>(packed_.data());
    stream_.avail_in = static_cast<unsigned>(got);
    return true;
  }
  /// What follows the last member and is none is left out, as gzip does.
  bool begin_member() {
    constexpr Bytef kMagic = 0x1F;
    if (members_ > 0 && *stream_.next_in != kMagic) {
      at_end_ = true;
      return false;
    }
    ::inflateReset(&stream_);
    in_member_ = true;
    ++members_;
    return true;
  }
  void unpack() {
    const int code = ::inflate(&stream_, Z_NO_FLUSH);
    if (code == Z_STREAM_END) {
      in_member_ = false;
    } else if (code == Z_DATA_ERROR && stream_.total_out == 0 && members_ == 1) {
      throw damaged(path_, "it is not packed by gzip");
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      throw damaged(path_, stream_.msg == nullptr ? "it is damaged" : stream_.msg);
    }
  }

  std::string path_;
  ReadBytes file_;
  std::string packed_;
  z_stream stream_{};
  int members_ = 0;
  bool in_member_ = false;
  bool at_end_ = false;
};

class Unzstd {
 public:
  Unzstd(std::string path, ReadBytes file)
      : path_(std::move(path)),
        file_(std::move(file)),
        context_(ZSTD_createDCtx(), ZSTD_freeDCtx),
        packed_(ZSTD_DStreamInSize(), '\0') {}

  std::size_t read(char* to, std::size_t bytes) {
    ZSTD_outBuffer out{to, bytes, 0};
    while (out.pos == 0) {
      if (in_.pos == in_.size && !at_end_) {
        in_ = {packed_.data(), file_(packed_.data(), packed_.size()), 0};
        at_end_ = in_.size == 0;
      }
      if (at_end_ && !in_frame_) {
        break;
      }
      const auto left = ZSTD_decompressStream(context_.get(), &out, &in_);
      if (ZSTD_isError(left) != 0) {
        throw damaged(path_, ZSTD_getErrorName(left));
      }
      in_frame_ = left != 0;
      if (at_end_ && in_frame_ && out.pos == 0) {
        throw damaged(path_, "it ends too early");
      }
    }
    return out.pos;
  }

 private:
  std::string path_;
  ReadBytes file_;
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context_;
  std::string packed_;
  ZSTD_inBuffer in_{};
  bool at_end_ = false;    // of the packed bytes
  bool in_frame_ = false;  // more of it has to come
};

template <class Unpacker>
ReadBytes unpacked_by(const std::string& path, ReadBytes file) {
  return [unpacker = std::make_shared<Unpacker>(path, std::move(file))](
             char* to, std::size_t bytes) { return unpacker->read(to, bytes); };
}

ReadBytes open_local(const std::string& path) {
  return
      [fd = std::make_shared<UniqueFd>(open_descriptor(path)), path](char* to, std::size_t bytes) {
        while (true) {
          const auto count = ::read(fd->get(), to, bytes);
          if (count >= 0) {
            return static_cast<std::size_t>(count);
          }
          if (errno != EINTR) {
            throw_file_error("read", path, errno);
          }
        }
      };
}

}  // namespace

ReadBytes open_file(const FileScan& scan, const FileScan::File& file) {
  return scan.store == nullptr ? open_local(file.path)
                               : stream_of(scan.store, object_of(scan, file));
}

ReadBytes open_unpacked(const FileScan& scan, const FileScan::File& file) {
  const auto name = to_lower(file.path);
  auto bytes = open_file(scan, file);
  if (name.ends_with(".gz")) {
    return unpacked_by<Gunzip>(file.path, std::move(bytes));
  }
  return name.ends_with(".zst") ? unpacked_by<Unzstd>(file.path, std::move(bytes)) : bytes;
}

}  // namespace millrace::formats
