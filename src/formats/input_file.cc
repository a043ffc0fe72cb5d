#include "formats/input_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"

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
  explicit Gunzip(std::string path) : path_(std::move(path)) {
    UniqueFd fd = open_descriptor(path_);
    file_ = ::gzdopen(fd.get(), "rb");
    if (file_ == nullptr) {
      throw damaged(path_, "there is no memory to unpack it");
    }
    (void)fd.release();
    ::gzbuffer(file_, kBufferBytes);
  }
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;
  ~Gunzip() { ::gzclose_r(file_); }

  std::size_t read(char* to, std::size_t bytes) {
    const int got = ::gzread(file_, to, static_cast<unsigned>(bytes));
    int code = Z_OK;
    const char* const why = ::gzerror(file_, &code);
    if (code == Z_BUF_ERROR) {
      throw damaged(path_, "it ends too early");
    }
    if (got < 0) {
      throw damaged(path_, why);
    }
    if (got > 0 && ::gzdirect(file_) != 0) {
      throw damaged(path_, "it is not packed by gzip");
    }
    return static_cast<std::size_t>(got);
  }

 private:
  static constexpr unsigned kBufferBytes = 128 * 1024;

  std::string path_;
  gzFile file_ = nullptr;
};

class Unzstd {
 public:
  explicit Unzstd(std::string path)
      : path_(std::move(path)),
        file_(open_file(path_)),
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

template <class File>
ReadBytes unpacked_by(const std::string& path) {
  return [file = std::make_shared<File>(path)](char* to, std::size_t bytes) {
    return file->read(to, bytes);
  };
}

}  // namespace

ReadBytes open_file(const std::string& path) {
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

ReadBytes open_unpacked(const std::string& path) {
  const auto name = to_lower(path);
  if (name.ends_with(".gz")) {
    return unpacked_by<Gunzip>(path);
  }
  return name.ends_with(".zst") ? unpacked_by<Unzstd>(path) : open_file(path);
}

}  // namespace millrace::formats
