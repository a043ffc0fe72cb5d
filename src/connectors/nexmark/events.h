// The events of the Nexmark benchmark: persons who join an auction house, auctions, bids. The model
// is that of Apache Beam's and nexmark-flink's generators, with their defaults.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "connectors/nexmark/random.h"
#include "connectors/nexmark/words.h"

namespace millrace::nexmark {

enum class Table : std::uint8_t { person, auction, bid };

/// A short text in place: no allocation for each event.
template <std::size_t N>
class ShortText {
 public:
  void clear() { length_ = 0; }
  void add(std::string_view text) {
    std::copy(text.begin(), text.end(), bytes_.begin() + length_);
    length_ += static_cast<std::uint32_t>(text.size());
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.data(), length_}; }

 private:
  std::array<char, N> bytes_{};
  std::uint32_t length_ = 0;
};

// Times are microseconds since 1970, of whole milliseconds after the start. Views are into tables
// that live as long as the process.

struct Person {
  static constexpr Table kTable = Table::person;
  std::int64_t id = 0;
  ShortText<16> name;         ///< "Deiter Bartels" is the longest
  ShortText<16> email;        ///< at most 6 letters, @, 4 letters, .com
  ShortText<20> credit_card;  ///< "0123 4567 8901 2345"
  std::string_view city;
  std::string_view state;
  std::int64_t time = 0;
  std::string_view extra;
};

struct Auction {
  static constexpr Table kTable = Table::auction;
  std::int64_t id = 0;
  std::string_view item_name;
  std::string_view description;
  std::int64_t initial_bid = 0;
  std::int64_t reserve = 0;
  std::int64_t time = 0;
  std::int64_t expires = 0;
  std::int64_t seller = 0;
  std::int64_t category = 0;
  std::string_view extra;
};

struct Bid {
  static constexpr Table kTable = Table::bid;
  std::int64_t auction = 0;
  std::int64_t bidder = 0;
  std::int64_t price = 0;
  std::string_view channel;
  std::string_view url;
  std::int64_t time = 0;
  std::string_view extra;
};

/// Which events there are. An event has a number, which says everything about it but its place: in
/// what order events come is the matter of event_at().
class Sequence {
 public:
  struct Options {
    std::int64_t seed = 42;
    std::int64_t events_per_second = 10'000;  ///< published: 10,000
    std::int64_t start_us = 0;
    std::int64_t out_of_order = 1;  ///< published: 1, that is, in order
  };
  explicit Sequence(const Options& options);

  /// The number of the event that comes at a place. Each group of `out_of_order` places has the
  /// events of these numbers.
  [[nodiscard]] std::int64_t event_at(std::int64_t place) const;
  [[nodiscard]] static Table table_of(std::int64_t event);
  /// How many events of a table have numbers less than this.
  [[nodiscard]] static std::int64_t count_before(Table table, std::int64_t event);

  /// The event with a number, which must be of that table: always the same.
  void make(std::int64_t event, Person& into) const;
  void make(std::int64_t event, Auction& into) const;
  void make(std::int64_t event, Bid& into) const;

 private:
  [[nodiscard]] std::int64_t time_of(std::int64_t event) const;
  [[nodiscard]] Random random_of(std::int64_t event) const {
    return {static_cast<std::uint64_t>(options_.seed), static_cast<std::uint64_t>(event)};
  }
  /// As much text as brings an event to its published size, give or take a fifth.
  [[nodiscard]] std::string_view extra(Random& random, std::size_t size_now,
                                       std::size_t size_on_average) const;

  Options options_;
  std::int64_t stride_;  ///< of the shuffle
  const Words& words_;
};

}  // namespace millrace::nexmark
