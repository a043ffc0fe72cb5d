// Answers that were made, and may be given again while what they were made of is the same.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "serve/answer.h"

namespace millrace::serve {

/// What the tables that an answer read were at: one number each.
using Stamps = std::vector<std::int64_t>;

/// Thread-safe. Bounded by the bytes of bodies and keys; those not used for longest go first.
class AnswerCache {
 public:
  explicit AnswerCache(std::int64_t bytes_max) : bytes_max_(bytes_max) {}

  /// nullptr: there is none, or of something older or newer.
  [[nodiscard]] std::shared_ptr<const Answer> find(const std::string& key, const Stamps& stamps);
  void keep(const std::string& key, Stamps stamps, std::shared_ptr<const Answer> answer);
  [[nodiscard]] std::int64_t bytes() const;
  [[nodiscard]] std::int64_t answers() const;
  void clear();

 private:
  struct Kept {
    std::string key;
    Stamps stamps;
    std::shared_ptr<const Answer> answer;
    std::int64_t bytes = 0;
  };
  using Place = std::list<Kept>::iterator;
  void drop(Place place);

  std::int64_t bytes_max_;
  mutable std::mutex lock_;
  std::list<Kept> kept_;  // the last used first
  std::unordered_map<std::string_view, Place> places_;
  std::int64_t bytes_ = 0;
};

/// Requests for the same answer at the same time: one makes it, the others wait for it.
/// Thread-safe.
class Flights {
 public:
  using Land = std::move_only_function<void(const Outcome& outcome)>;

  /// True: nobody makes it yet, and the caller has to, and to call land() in the end.
  [[nodiscard]] bool board(const std::string& key, Land land);
  /// Gives it to all who wait.
  void land(const std::string& key, const Outcome& outcome);

 private:
  std::mutex lock_;
  std::unordered_map<std::string, std::vector<Land>> waiting_;
};

/// A strong validator of a body (RFC 9110, section 8.8.3), with its quotes.
[[nodiscard]] std::string etag_of(std::string_view body);
/// Whether an If-None-Match has it; compares weakly, as section 13.1.2 says.
[[nodiscard]] bool matches(std::string_view if_none_match, std::string_view etag);

}  // namespace millrace::serve
