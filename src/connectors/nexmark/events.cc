#include "connectors/nexmark/events.h"

#include <cmath>

namespace millrace::nexmark {
namespace {

// Constants are the published defaults of nexmark-flink, by their names there; Beam's are the
// same, where it has them.
constexpr std::int64_t kPersonProportion = 1;    // personProportion
constexpr std::int64_t kAuctionProportion = 3;   // auctionProportion
constexpr std::int64_t kProportions = 50;        // totalProportion, with bidProportion = 46
constexpr std::int64_t kFirstPersonId = 1000;    // FIRST_PERSON_ID
constexpr std::int64_t kFirstAuctionId = 1000;   // FIRST_AUCTION_ID
constexpr std::int64_t kFirstCategoryId = 10;    // FIRST_CATEGORY_ID
constexpr std::uint64_t kCategories = 5;         // NUM_CATEGORIES
constexpr std::uint64_t kHotAuctionRatio = 2;    // hotAuctionRatio: all but one in so many bids
constexpr std::uint64_t kHotBiddersRatio = 4;    // hotBiddersRatio
constexpr std::uint64_t kHotSellersRatio = 4;    // hotSellersRatio
constexpr std::uint64_t kHotChannelsRatio = 2;   // HOT_CHANNELS_RATIO
constexpr std::int64_t kHotEvery = 100;          // HOT_AUCTION_RATIO, HOT_BIDDER_RATIO, ...
constexpr std::int64_t kInFlightAuctions = 100;  // numInFlightAuctions
constexpr std::int64_t kActivePeople = 1000;     // numActivePeople
constexpr std::size_t kPersonBytes = 200;        // avgPersonByteSize
constexpr std::size_t kAuctionBytes = 500;       // avgAuctionByteSize
constexpr std::size_t kBidBytes = 100;           // avgBidByteSize
constexpr std::size_t kNumberBytes = 8;          // what a number or a time counts in these sizes
// Published: the factor that shuffles a group of events (nextAdjustedEventNumber). It gives each
// event once unless the size of the group is a multiple of it; then the next prime does.
constexpr std::int64_t kStride = 953;
constexpr std::int64_t kOtherStride = 967;

/// Published: round(100 * 10^(6u)), u even in [0, 1): from 100 to 100,000,000. Here it is looked
/// up, straight between points 1.4 % apart, which is faster and the same on every machine.
class Prices {
 public:
  Prices() {
    double price = 100;
    for (auto& point : points_) {
      point = std::llround(price * kUnit);
      price *= kGrowth;
    }
  }
  std::int64_t draw(Random& random) const {
    const auto drawn = random.next() >> 32U;
    const auto step = drawn >> 22U;  // 10 bits for the step, 16 for the way along it
    const auto along = static_cast<std::int64_t>((drawn >> 6U) & 0xFFFFU);
    const auto low = points_[step];
    const auto price = low + (((points_[step + 1] - low) * along) >> 16U);
    return (price + kUnit / 2) / kUnit;
  }

 private:
  static constexpr std::int64_t kUnit = 256;
  static constexpr std::size_t kSteps = 1024;
  static constexpr double kGrowth = 1.0135831333340657;  // 10^(6 / kSteps)

  std::array<std::int64_t, kSteps + 1> points_{};
};

const Prices& prices() {
  static const Prices kPrices;
  return kPrices;
}

// Ids without kFirst...Id. Published are also ids of up to 10 persons and auctions that are yet to
// come (PERSON_ID_LEAD, AUCTION_ID_LEAD); here whatever is referred to has a smaller event number.

std::int64_t last_person(std::int64_t event) { return event / kProportions; }

/// -1 for the very first event, a person.
std::int64_t last_auction(std::int64_t event) {
  const auto auctions = event % kProportions - kPersonProportion;
  return event / kProportions * kAuctionProportion +
         std::clamp<std::int64_t>(auctions, -1, kAuctionProportion - 1);
}

// Both the hot one and another are drawn each time, and one of them taken: a branch that goes
// either way by chance takes longer than a draw.

std::int64_t any_person(std::int64_t event, Random& random) {
  const auto persons = last_person(event) + 1;
  const auto active = std::min(persons, kActivePeople);
  return persons - active +
         static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(active)));
}

std::int64_t seller_of(std::int64_t event, Random& random) {
  if (random.below(kHotSellersRatio) > 0) {
    return last_person(event) / kHotEvery * kHotEvery;
  }
  return any_person(event, random);
}

/// The hot bidder is the one after the hot seller; until that person is there, the hot bidder
/// before stays.
std::int64_t bidder_of(std::int64_t event, Random& random) {
  if (random.below(kHotBiddersRatio) > 0) {
    const auto last = last_person(event);
    return last == 0 ? 0 : (last - 1) / kHotEvery * kHotEvery + 1;
  }
  return any_person(event, random);
}

std::int64_t auction_of(std::int64_t event, Random& random) {
  const auto last = last_auction(event);
  if (random.below(kHotAuctionRatio) > 0) {
    return last / kHotEvery * kHotEvery;
  }
  const auto first = std::max<std::int64_t>(0, last - kInFlightAuctions);
  const auto others = static_cast<std::uint64_t>(last - first) + 1;
  return first + static_cast<std::int64_t>(random.below(others));
}

std::uint64_t channel_of(Random& random) {
  if (random.below(kHotChannelsRatio) > 0) {
    return random.below(Words::kHotChannels);
  }
  return Words::kHotChannels + random.below(Words::kOtherChannels);
}

/// Four digits.
void add_digits(std::uint64_t number, ShortText<20>& to) {
  std::array<char, 4> digits{};
  for (auto at = digits.size(); at-- > 0; number /= 10) {
    digits[at] = static_cast<char>('0' + number % 10);
  }
  to.add({digits.data(), digits.size()});
}

template <std::size_t N>
std::string_view pick(const std::array<std::string_view, N>& from, Random& random) {
  return from[random.below(N)];
}

}  // namespace

Sequence::Sequence(const Options& options)
    : options_(options),
      stride_(options.out_of_order % kStride == 0 ? kOtherStride : kStride),
      words_(Words::get()) {}

std::int64_t Sequence::event_at(std::int64_t place) const {
  if (options_.out_of_order == 1) {
    return place;
  }
  const auto in_group = place % options_.out_of_order;
  return place - in_group + in_group * stride_ % options_.out_of_order;
}

Table Sequence::table_of(std::int64_t event) {
  const auto in_round = event % kProportions;
  if (in_round < kPersonProportion) {
    return Table::person;
  }
  return in_round < kPersonProportion + kAuctionProportion ? Table::auction : Table::bid;
}

std::int64_t Sequence::count_before(Table table, std::int64_t event) {
  const auto rounds = event / kProportions;
  const auto in_round = event % kProportions;
  const auto persons = rounds * kPersonProportion + std::min(in_round, kPersonProportion);
  const auto auctions =
      rounds * kAuctionProportion +
      std::clamp<std::int64_t>(in_round - kPersonProportion, 0, kAuctionProportion);
  switch (table) {
    case Table::person:
      return persons;
    case Table::auction:
      return auctions;
    case Table::bid:
      break;
  }
  return event - persons - auctions;
}

/// Of whole milliseconds, as published.
std::int64_t Sequence::time_of(std::int64_t event) const {
  return options_.start_us + event * 1000 / options_.events_per_second * 1000;
}

std::string_view Sequence::extra(Random& random, std::size_t size_now,
                                 std::size_t size_on_average) const {
  if (size_now >= size_on_average) {
    return {};
  }
  const auto missing = size_on_average - size_now;
  const auto fifth = (missing + 2) / 5;
  return words_.letters(random, missing - fifth + (fifth == 0 ? 0 : random.below(2 * fifth)));
}

void Sequence::make(std::int64_t event, Person& into) const {
  auto random = random_of(event);
  into.id = kFirstPersonId + last_person(event);
  into.name.clear();
  into.name.add(pick(kFirstNames, random));
  into.name.add(" ");
  into.name.add(pick(kLastNames, random));
  into.email.clear();
  into.email.add(words_.letters(random, 3 + random.below(4)));  // published: 3 to 6, and 3 or 4
  into.email.add("@");
  into.email.add(words_.letters(random, 3 + random.below(2)));
  into.email.add(".com");
  into.credit_card.clear();
  for (int group = 0; group < 4; group++) {
    into.credit_card.add(group == 0 ? "" : " ");
    add_digits(random.below(10'000), into.credit_card);
  }
  into.city = pick(kCities, random);
  into.state = pick(kStates, random);
  into.time = time_of(event);
  const auto size = kNumberBytes + into.name.view().size() + into.email.view().size() +
                    into.credit_card.view().size() + into.city.size() + into.state.size();
  into.extra = extra(random, size, kPersonBytes);
}

void Sequence::make(std::int64_t event, Auction& into) const {
  auto random = random_of(event);
  into.id = kFirstAuctionId + last_auction(event);
  into.seller = kFirstPersonId + seller_of(event, random);
  into.category = kFirstCategoryId + static_cast<std::int64_t>(random.below(kCategories));
  into.initial_bid = prices().draw(random);
  into.reserve = into.initial_bid + prices().draw(random);
  into.item_name = words_.phrase(random, 20);     // as published
  into.description = words_.phrase(random, 100);  // as published
  into.time = time_of(event);
  // Published: open on average until as many more auctions have begun as are to be in flight.
  const auto ahead = kInFlightAuctions * kProportions / kAuctionProportion;
  const auto horizon_ms = (time_of(event + ahead) - into.time) / 1000;
  const auto open_ms = 1 + random.below(std::max<std::uint64_t>(1, 2 * horizon_ms));
  into.expires = into.time + static_cast<std::int64_t>(open_ms) * 1000;
  const auto size = 6 * kNumberBytes + into.item_name.size() + into.description.size();
  into.extra = extra(random, size, kAuctionBytes);
}

void Sequence::make(std::int64_t event, Bid& into) const {
  auto random = random_of(event);
  into.auction = kFirstAuctionId + auction_of(event, random);
  into.bidder = kFirstPersonId + bidder_of(event, random);
  into.price = prices().draw(random);
  const auto& channel = words_.channel(channel_of(random));
  into.channel = channel.name;
  into.url = channel.url;
  into.time = time_of(event);
  into.extra =
      extra(random, 4 * kNumberBytes, kBidBytes);  // channel and url do not count: published
}

}  // namespace millrace::nexmark
