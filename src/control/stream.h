// The one event stream of the control API: who listens gets all events, and can come back.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "http/message.h"

namespace millrace::control {

/// Keeps the last events in a ring, so that a client that was away goes on where it was
/// (Last-Event-ID). Batches of one pipeline come at most so often: of those in between the last one
/// is sent, with `merged`, how many it stands for. Thread-safe.
class Stream {
 public:
  struct Options {
    std::chrono::milliseconds batch_interval{250};  ///< of one pipeline; 0: all are sent
    std::size_t events_max = 8192;                  ///< in the ring
    std::size_t bytes_max = 8U << 20U;
    std::size_t clients_max = 256;
  };
  /// `epoch`: of this process, so that ids of an earlier one are known as such.
  Stream(Options options, std::string epoch);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void send(std::string_view event, std::string_view json);
  /// `line`: a JSON object.
  void send_batch(const std::string& pipeline, std::string_view line);

  /// A client, from what follows `last_id` on; empty: from now on. What is not known any more is
  /// answered by an event `reset`.
  void add(std::shared_ptr<http::EventStream> client, std::string_view last_id);
  [[nodiscard]] std::size_t clients() const;
  [[nodiscard]] bool is_full() const { return clients() >= options_.clients_max; }

 private:
  using Steady = std::chrono::steady_clock;
  struct Event {
    std::int64_t number = 0;
    std::string frame;
  };
  /// The batches of a pipeline that come too fast.
  struct Merged {
    Steady::time_point due;  ///< when the next may be sent
    std::string line;        ///< that waits; empty: none
    std::int64_t count = 0;
  };
  void send_locked(std::string_view event, std::string_view json);
  void flush(const std::stop_token& stop);
  [[nodiscard]] std::string frame_of(std::int64_t number, std::string_view event,
                                     std::string_view json) const;

  Options options_;
  std::string epoch_;
  mutable std::mutex lock_;  // guards what follows
  std::condition_variable_any changed_;
  std::deque<Event> events_;
  std::size_t bytes_ = 0;
  std::int64_t last_ = 0;
  std::map<std::string, Merged> merged_;
  std::vector<std::shared_ptr<http::EventStream>> clients_;  // shared with the server
  std::jthread thread_;                                      // sends what was held back
};

}  // namespace millrace::control
