#include "http/gzip.h"

#include <zlib.h>

#include <limits>
#include <utility>

namespace millrace::http {
namespace {

constexpr std::size_t kFormsMax = 4096;
constexpr std::size_t kFormBytes = 128;  // about what an entry takes beside its text
/// Half the time of the usual 6, for some per cent more bytes.
constexpr int kLevel = 4;

struct Deflater {
  z_stream stream{};
  bool ready =
      deflateInit2(&stream, kLevel, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;

  Deflater() = default;
  ~Deflater() {
    if (ready) {
      deflateEnd(&stream);
    }
  }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;
};

std::size_t size_of(const CompressedBodies::Body& compressed) {
  return kFormBytes + (compressed == nullptr ? 0 : compressed->size());
}

}  // namespace

std::shared_ptr<const std::string> compress_gzip(const std::string& plain) {
  const std::size_t room = plain.size() - (plain.size() / 20);
  Deflater deflater;
  if (!deflater.ready || std::cmp_greater(plain.size(), std::numeric_limits<uInt>::max())) {
    return nullptr;
  }
  std::string compressed(room, '\0');
  z_stream& stream = deflater.stream;
  // zlib does not write to its input.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(compressed.data());
  stream.avail_out = static_cast<uInt>(room);
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
    return nullptr;
  }
  compressed.resize(stream.total_out);
  compressed.shrink_to_fit();
  return std::make_shared<const std::string>(std::move(compressed));
}

CompressedBodies::Body CompressedBodies::of(const Body& body) {
  const bool is_kept = body.use_count() > 1;
  Body compressed;
  if (is_kept && find(body, compressed)) {
    return compressed;
  }
  compressed = compress_gzip(*body);
  if (is_kept) {
    keep(body, compressed);
  }
  return compressed;
}

std::size_t CompressedBodies::kept() const {
  const std::lock_guard lock(mutex_);
  return forms_.size();
}

bool CompressedBodies::find(const Body& body, Body& into) {
  const std::lock_guard lock(mutex_);
  const auto found = forms_.find(body.get());
  // Another body may have lived at the same place.
  if (found == forms_.end() || found->second.of.expired() || found->second.of.owner_before(body) ||
      body.owner_before(found->second.of)) {
    return false;
  }
  into = found->second.compressed;
  return true;
}

void CompressedBodies::keep(const Body& body, const Body& compressed) {
  const std::lock_guard lock(mutex_);
  if (size_of(compressed) > bytes_max_ / 4) {
    return;
  }
  const auto [form, is_new] = forms_.try_emplace(body.get());
  if (!is_new) {
    bytes_ -= size_of(form->second.compressed);
  }
  form->second = {body, compressed};
  bytes_ += size_of(compressed);
  make_room();
}

void CompressedBodies::make_room() {
  if (bytes_ <= bytes_max_ && forms_.size() <= kFormsMax) {
    return;
  }
  const auto drop = [&](const auto& entry) {
    bytes_ -= size_of(entry.second.compressed);
    return true;
  };
  std::erase_if(forms_,
                [&](const auto& entry) { return entry.second.of.expired() && drop(entry); });
  // All of them live: half are dropped, whichever, so that this is rare.
  const bool is_full = bytes_ > bytes_max_ / 2 || forms_.size() > kFormsMax / 2;
  bool every_second = false;
  std::erase_if(forms_, [&](const auto& entry) {
    every_second = !every_second;
    return is_full && every_second && drop(entry);
  });
}

}  // namespace millrace::http
