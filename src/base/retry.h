// Tries again what can't be done yet, because a system outside is not there.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/trouble.h"

namespace millrace {

/// Calls something until it does not fail with Retry::yes. Says what is wrong once, and waits
/// between two tries, longer each time. What is called must be repeatable.
class Retrier {
 public:
  struct Options {
    std::chrono::milliseconds first_pause{200};
    std::chrono::milliseconds longest_pause{10'000};
    std::optional<std::chrono::milliseconds> patience;  ///< then it gives up; none: it never does
  };
  Retrier(std::stop_token stop, Log log, Options options)
      : stop_(std::move(stop)), log_(std::move(log)), options_(options) {}

  /// How often it has tried again since this was asked last. Thread-safe.
  [[nodiscard]] std::int64_t take_retries() const noexcept { return retries_.exchange(0); }
  /// Who is told of each failure that is tried again; not while a call is under way.
  void tell(TellTrouble tell) { tell_ = std::move(tell); }
  /// Gives what `call` gives. Throws what it throws otherwise, and Stopped.
  template <class Call>
  std::invoke_result_t<Call> operator()(const Call& call) const {
    for (Attempts attempts(*this);;) {
      try {
        return call();
      } catch (const Error& error) {
        if (!is_worth_waiting(error, attempts)) {
          throw;
        }
      }
      pause(attempts);
    }
  }

 private:
  struct Attempts {
    explicit Attempts(const Retrier& of) : of(of) {}
    ~Attempts() {
      if (failed > 0) {
        of.tell_("");
      }
    }
    Attempts(const Attempts&) = delete;
    Attempts& operator=(const Attempts&) = delete;

    const Retrier& of;
    int failed = 0;
    std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();
  };
  bool is_worth_waiting(const Error& error, Attempts& attempts) const;
  void pause(const Attempts& attempts) const;

  std::stop_token stop_;
  Log log_;
  Options options_;
  TellTrouble tell_ = [](const std::string&) {};
  mutable std::atomic<std::int64_t> retries_{0};
};

}  // namespace millrace
