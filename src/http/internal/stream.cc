#include "http/internal/stream.h"

#include <utility>

#include "http/internal/connection.h"

namespace millrace::http {

bool StreamQueue::send(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (!open_) {
    return false;
  }
  if (bytes.size() > bytes_max_ - bytes_.size()) {
    // What it has missed it would miss for good: it has to come again, and say where it was.
    open_ = false;
    cut_off_ = true;
    bytes_.clear();
  } else {
    bytes_ += bytes;
  }
  wake();
  return open_;
}

bool StreamQueue::is_open() const noexcept {
  const std::lock_guard lock(mutex_);
  return open_;
}

void StreamQueue::close() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(open_, false)) {
    wake();
  }
}

void StreamQueue::wake() {
  if (std::exchange(woken_, true)) {
    return;
  }
  if (const auto connection = connection_.lock()) {
    connection->wake_stream();
  }
}

void StreamQueue::take(std::string& into) {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  std::swap(into, bytes_);
}

void StreamQueue::end() {
  const std::lock_guard lock(mutex_);
  open_ = false;
  bytes_ = {};
}

bool StreamQueue::was_cut_off() const noexcept {
  const std::lock_guard lock(mutex_);
  return cut_off_;
}

}  // namespace millrace::http
