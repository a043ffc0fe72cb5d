#include "serve/answer_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/strings.h"

namespace millrace::serve {
namespace {

__extension__ using Product = unsigned __int128;

constexpr std::int64_t kEntryBytes = 256;  // of lists, maps and heads

/// Two 64-bit words, mixed (the product's halves, as wyhash and its kin do).
std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const auto product = static_cast<Product>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

std::uint64_t hash_of(std::string_view bytes, std::uint64_t seed) noexcept {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;
  std::uint64_t hash = seed ^ (bytes.size() * kOdd);
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t size = std::min(bytes.size(), sizeof(word));
    std::memcpy(&word, bytes.data(), size);
    hash = mix(hash ^ word, kOdd ^ (seed + word));
    bytes.remove_prefix(size);
  }
  return mix(hash, kOdd);
}

}  // namespace

std::shared_ptr<const Answer> AnswerCache::find(const std::string& key, const Stamps& stamps) {
  const std::lock_guard guard(lock_);
  const auto found = places_.find(key);
  if (found == places_.end() || found->second->stamps != stamps) {
    return nullptr;
  }
  kept_.splice(kept_.begin(), kept_, found->second);
  return kept_.front().answer;
}

void AnswerCache::keep(const std::string& key, Stamps stamps,
                       std::shared_ptr<const Answer> answer) {
  const auto bytes = kEntryBytes + static_cast<std::int64_t>(key.size() + answer->body->size());
  const std::lock_guard guard(lock_);
  if (const auto old = places_.find(key); old != places_.end()) {
    drop(old->second);
  }
  if (bytes > bytes_max_) {
    return;
  }
  kept_.push_front({key, std::move(stamps), std::move(answer), bytes});
  places_.emplace(kept_.front().key, kept_.begin());
  bytes_ += bytes;
  while (bytes_ > bytes_max_) {
    drop(std::prev(kept_.end()));
  }
}

void AnswerCache::drop(Place place) {
  bytes_ -= place->bytes;
  places_.erase(place->key);
  kept_.erase(place);
}

std::int64_t AnswerCache::bytes() const {
  const std::lock_guard guard(lock_);
  return bytes_;
}

std::int64_t AnswerCache::answers() const {
  const std::lock_guard guard(lock_);
  return static_cast<std::int64_t>(kept_.size());
}

void AnswerCache::clear() {
  const std::lock_guard guard(lock_);
  places_.clear();
  kept_.clear();
  bytes_ = 0;
}

bool Flights::board(const std::string& key, Land land) {
  const std::lock_guard guard(lock_);
  const auto [place, is_first] = waiting_.try_emplace(key);
  place->second.push_back(std::move(land));
  return is_first;
}

void Flights::land(const std::string& key, const Outcome& outcome) {
  std::vector<Land> all;
  {
    const std::lock_guard guard(lock_);
    if (const auto found = waiting_.find(key); found != waiting_.end()) {
      all = std::move(found->second);
      waiting_.erase(found);
    }
  }
  for (Land& each : all) {
    each(outcome);
  }
}

std::string etag_of(std::string_view body) {
  return fmt::format(R"("{:016x}{:016x}")", hash_of(body, 1), hash_of(body, 2));
}

bool matches(std::string_view if_none_match, std::string_view etag) {
  if (etag.empty()) {
    return false;
  }
  for (auto each : split(if_none_match, ',')) {
    each = trim(each);
    if (each.starts_with("W/")) {
      each.remove_prefix(2);
    }
    if (each == "*" || each == etag) {
      return true;
    }
  }
  return false;
}

}  // namespace millrace::serve
