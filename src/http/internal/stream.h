// A client of an event stream, between who sends and the connection.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "http/message.h"

namespace millrace::http {

class Connection;

/// What is to be sent, up to a bound. Thread-safe.
class StreamQueue {
 public:
  StreamQueue(std::weak_ptr<Connection> connection, std::size_t bytes_max)
      : connection_(std::move(connection)), bytes_max_(bytes_max) {}

  // For who sends, as in EventStream.
  bool send(std::string_view bytes);
  [[nodiscard]] bool is_open() const noexcept;
  void close();

  // For the connection:
  /// Moves what is to be sent into `into`, which is empty.
  void take(std::string& into);
  /// The connection is gone, or going: nothing more is taken.
  void end();
  [[nodiscard]] bool was_cut_off() const noexcept;

 private:
  void wake();

  mutable std::mutex mutex_;
  std::weak_ptr<Connection> connection_;
  std::size_t bytes_max_;
  std::string bytes_;
  bool open_ = true;
  bool cut_off_ = false;
  bool woken_ = false;  ///< the connection will come and take
};

/// What who sends holds: when it goes, the stream is closed.
class StreamHandle final : public EventStream {
 public:
  explicit StreamHandle(std::shared_ptr<StreamQueue> queue) : queue_(std::move(queue)) {}
  ~StreamHandle() override { queue_->close(); }
  StreamHandle(const StreamHandle&) = delete;
  StreamHandle& operator=(const StreamHandle&) = delete;

  bool send(std::string_view bytes) override { return queue_->send(bytes); }
  [[nodiscard]] bool is_open() const noexcept override { return queue_->is_open(); }
  void close() override { queue_->close(); }

 private:
  std::shared_ptr<StreamQueue> queue_;
};

}  // namespace millrace::http
