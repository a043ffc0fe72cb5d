// The requests of a connection that are under way, and their answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "http/internal/answer.h"
#include "http/internal/core.h"

namespace millrace::http {

struct Exchange {
  AnswerForm form;
  bool is_safe = false;  ///< it changes nothing, and may run beside others
  bool is_answered = false;
  int status = 0;
  std::string head;
  std::shared_ptr<const std::string> body;
  std::function<void(std::shared_ptr<EventStream>)> events;
  Steady::time_point began;  ///< its head was read
  std::string origin;
  // For the access log alone:
  std::string method;
  std::string target;
  std::string user;
};

/// A queue of exchanges that keeps their memory; each is known by its number.
class Exchanges {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] std::uint64_t next_number() const noexcept { return first_number_ + count_; }
  [[nodiscard]] Exchange& operator[](std::size_t i) noexcept {
    return ring_[(first_ + i) % ring_.size()];
  }
  [[nodiscard]] Exchange& back() noexcept { return (*this)[count_ - 1]; }
  /// nullptr: it is not there any more.
  [[nodiscard]] Exchange* find(std::uint64_t number) noexcept {
    return number >= first_number_ && number - first_number_ < count_
               ? &(*this)[static_cast<std::size_t>(number - first_number_)]
               : nullptr;
  }
  Exchange& push() {
    if (count_ == ring_.size()) {
      grow();
    }
    ++count_;
    return back();
  }
  void pop() {
    Exchange& gone = ring_[first_];
    gone.head.clear();
    gone.body.reset();
    gone.events = nullptr;
    gone.origin.clear();
    gone.method.clear();
    gone.target.clear();
    gone.user.clear();
    gone.is_answered = false;
    first_ = (first_ + 1) % ring_.size();
    --count_;
    ++first_number_;
  }

 private:
  void grow() {
    std::vector<Exchange> larger(ring_.empty() ? 1 : 2 * ring_.size());
    for (std::size_t i = 0; i < count_; ++i) {
      larger[i] = std::move((*this)[i]);
    }
    ring_ = std::move(larger);
    first_ = 0;
  }

  std::vector<Exchange> ring_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::uint64_t first_number_ = 0;
};

}  // namespace millrace::http
