// Connections that several readers share.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <utility>
#include <vector>

#include "connectors/mysql/connection.h"

namespace millrace::mysql {

/// At most so many connections at once, kept for the next one who needs one. Thread-safe.
class Pool {
 public:
  /// Makes a connection; called by the thread that needs it.
  using Make = std::function<std::unique_ptr<Connection>()>;
  Pool(Make make, int max) : make_(std::move(make)), free_(max) {}
  Pool(const ConnectionOptions& options, int max, const std::stop_token& stop)
      : Pool([=] { return std::make_unique<Connection>(options, stop); }, max) {}

  /// A connection for one user, until it goes. One that was not given back is closed: there may be
  /// rows on their way.
  class Lease {
   public:
    explicit Lease(Pool& pool) : pool_(&pool), connection_(pool.take()) {}
    ~Lease() { pool_->release(std::move(connection_), clean_); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    Connection& operator*() const noexcept { return *connection_; }
    Connection* operator->() const noexcept { return connection_.get(); }
    /// All that was asked for was read.
    void give_back() noexcept { clean_ = true; }

   private:
    Pool* pool_;
    std::unique_ptr<Connection> connection_;
    bool clean_ = false;
  };

  /// Those that nobody uses, for who needs connections of his own: they are the pool's no more.
  [[nodiscard]] std::vector<std::unique_ptr<Connection>> take_idle() {
    const std::lock_guard guard(lock_);
    return std::exchange(idle_, {});
  }

 private:
  std::unique_ptr<Connection> take() {
    {
      std::unique_lock guard(lock_);
      changed_.wait(guard, [&] { return free_ > 0; });
      free_--;
      if (!idle_.empty()) {
        auto connection = std::move(idle_.back());
        idle_.pop_back();
        return connection;
      }
    }
    try {
      return make_();
    } catch (...) {
      release(nullptr, false);
      throw;
    }
  }
  void release(std::unique_ptr<Connection> connection, bool clean) noexcept {
    {
      const std::lock_guard guard(lock_);
      free_++;
      if (clean && connection != nullptr) {
        idle_.push_back(std::move(connection));
      }
    }
    changed_.notify_one();
  }

  Make make_;
  std::mutex lock_;
  std::condition_variable changed_;
  int free_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace millrace::mysql
