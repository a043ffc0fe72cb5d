#include "core/object_store.h"

#include <algorithm>
#include <cstring>
#include <future>
#include <utility>

namespace millrace {

namespace {

// A request costs tens of milliseconds, and a connection gives some tens of MB/s.
constexpr std::int64_t kPieceBytes = 4 << 20;

class Stream {
 public:
  Stream(std::shared_ptr<const ObjectStore> store, Object object, std::int64_t from)
      : store_(std::move(store)), object_(std::move(object)), fetched_(from) {
    fetch_next();
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() {
    if (next_.valid()) {
      next_.wait();
    }
  }

  std::size_t read(char* to, std::size_t bytes) {
    if (at_ == piece_.size()) {
      if (!next_.valid()) {
        return 0;
      }
      piece_ = next_.get();
      at_ = 0;
      fetch_next();
    }
    const auto count = std::min(bytes, piece_.size() - at_);
    std::memcpy(to, piece_.data() + at_, count);
    at_ += count;
    return count;
  }

 private:
  void fetch_next() {
    const auto size = std::min(kPieceBytes, object_.size - fetched_);
    if (size <= 0) {
      return;
    }
    const auto fetch = [this, size, from = fetched_] {
      std::string piece(static_cast<std::size_t>(size), '\0');
      store_->read(object_, from, piece);
      return piece;
    };
    fetched_ += size;
    // What fits into one piece has nothing to be read ahead of.
    next_ =
        std::async(object_.size <= kPieceBytes ? std::launch::deferred : std::launch::async, fetch);
  }

  std::shared_ptr<const ObjectStore> store_;  // shared with the source, which may end earlier
  Object object_;
  std::string piece_;
  std::size_t at_ = 0;
  std::int64_t fetched_;
  std::future<std::string> next_;
};

}  // namespace

std::function<std::size_t(char* to, std::size_t bytes)> stream_of(
    std::shared_ptr<const ObjectStore> store, Object object, std::int64_t from) {
  // A std::function wants to be copied.
  return [stream = std::make_shared<Stream>(std::move(store), std::move(object), from)](
             char* to, std::size_t bytes) { return stream->read(to, bytes); };
}

}  // namespace millrace
