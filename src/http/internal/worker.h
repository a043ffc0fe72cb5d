// A thread of the server, with the connections it looks after.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "http/internal/asio.h"
#include "http/internal/connection.h"
#include "http/internal/core.h"
#include "http/internal/gate.h"

namespace millrace::http {

class Worker {
 public:
  explicit Worker(std::shared_ptr<Core> core);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // From any thread:
  void start();
  void drain();
  /// Closes everything and ends the thread.
  void stop();
  [[nodiscard]] asio::io_context& io() noexcept { return io_; }
  [[nodiscard]] const std::shared_ptr<Gate>& gate() const noexcept { return gate_; }
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  [[nodiscard]] std::int64_t load() const noexcept { return load_.load(); }

  // From its thread:
  /// Takes over a connection that was counted. `tls`: nullptr for none.
  void adopt(Tcp::socket socket, const std::shared_ptr<TlsContext>& tls);
  void remove(Connection& connection);
  [[nodiscard]] Counters& counters() noexcept { return counters_; }
  /// The value of Date, made once a second.
  [[nodiscard]] std::string_view date();

 private:
  void run();
  void tick();
  void close_all();

  std::shared_ptr<Core> core_;
  asio::io_context io_{1};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> guard_;
  asio::steady_timer timer_{io_};
  std::shared_ptr<Gate> gate_;
  Counters counters_;
  std::vector<std::shared_ptr<Connection>> connections_;
  Count load_{0};
  std::string date_;
  std::time_t date_at_ = 0;
  bool stopping_ = false;
  bool ticking_ = false;
  std::thread thread_;
};

}  // namespace millrace::http
