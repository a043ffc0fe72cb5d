#include "connectors/nexmark/nexmark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "base/strings.h"
#include "connectors/nexmark/events.h"
#include "sql/database.h"
#include "support/rows.h"

namespace millrace {
namespace {

using nexmark::Auction;
using nexmark::Bid;
using nexmark::Person;
using nexmark::Sequence;
using nexmark::Table;
using ::testing::ElementsAre;
using ::testing::IsSubsetOf;
using Entries = std::vector<std::pair<std::string, std::string>>;

const std::vector<std::string> kTables{"person", "auction", "bid"};

Node mapping(const Entries& entries) {
  auto node = support::mapping({});
  for (const auto& [key, value] : entries) {
    node.entries.push_back(support::mapping({{key, value}}).entries.front());
  }
  return node;
}

std::unique_ptr<Source> make(const Entries& entries, Diagnostics& diagnostics) {
  const auto options = mapping(entries);
  const auto connection = mapping({});
  ConnectorRequest request;
  request.name = "house";
  request.connection = &connection;
  request.options = &options;
  return nexmark_connector()->make_source(request, diagnostics);
}

std::unique_ptr<Source> source(const std::string& table, Entries entries = {}) {
  entries.emplace_back("table", table);
  Diagnostics diagnostics;
  auto made = make(entries, diagnostics);
  EXPECT_EQ(diagnostics.text(), "");
  made->open(std::nullopt);
  return made;
}

/// All rows of a source, batch by batch.
std::vector<std::string> rows_of(Source& source) {
  sql::Database database({.threads = 1});
  support::Rows rows(database);
  std::vector<std::string> all;
  while (const auto slice = source.plan(0)) {
    const auto more = rows.of(source, slice->offsets);
    EXPECT_EQ(slice->rows.value_or(static_cast<std::int64_t>(more.size())),
              static_cast<std::int64_t>(more.size()));
    all.insert(all.end(), more.begin(), more.end());
    source.advance(slice->offsets);
  }
  EXPECT_TRUE(source.finished());
  return all;
}

std::vector<std::string> rows_of(const std::string& table, const Entries& entries) {
  return rows_of(*source(table, entries));
}

/// Calls `each` with the events of one table that have numbers less than `events`.
template <class Event, class Each>
void for_each(std::int64_t events, Each each) {
  const Sequence sequence({});
  Event made;
  for (std::int64_t event = 0; event < events; event++) {
    if (Sequence::table_of(event) == Event::kTable) {
      sequence.make(event, made);
      each(event, std::as_const(made));
    }
  }
}

/// Counts how often something was so.
class Share {
 public:
  void count(bool is_so) {
    total_++;
    so_ += is_so ? 1 : 0;
  }
  [[nodiscard]] double value() const { return so_ / total_; }

 private:
  double total_ = 0;
  double so_ = 0;
};

TEST(Nexmark, OfFiftyEventsOneIsAPersonAndThreeAreAuctions) {
  std::map<std::string, std::size_t> whole;
  std::map<std::string, std::size_t> part;
  for (const auto& table : kTables) {
    whole[table] = rows_of(table, {{"events", "1000"}}).size();
    part[table] = rows_of(table, {{"events", "103"}}).size();
  }
  EXPECT_EQ(whole,
            (std::map<std::string, std::size_t>{{"person", 20}, {"auction", 60}, {"bid", 920}}));
  EXPECT_EQ(part, (std::map<std::string, std::size_t>{{"person", 3}, {"auction", 8}, {"bid", 92}}));
}

// The columns' names and types are those of the benchmark's queries.
TEST(Nexmark, HasThePublishedColumns) {
  EXPECT_EQ(source("person")->schema().text(),
            "id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, "
            "state VARCHAR, dateTime TIMESTAMP, extra VARCHAR");
  EXPECT_EQ(source("auction")->schema().text(),
            "id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, "
            "dateTime TIMESTAMP, expires TIMESTAMP, seller BIGINT, category BIGINT, extra VARCHAR");
  EXPECT_EQ(source("bid")->schema().text(),
            "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, "
            "dateTime TIMESTAMP, extra VARCHAR");
}

TEST(Nexmark, AnEventDependsOnItsNumberAlone) {
  for (const auto& table : kTables) {
    for (const std::string group : {"1", "300"}) {
      const Entries options{{"events", "3000"}, {"out_of_order", group}};
      auto in_cuts = options;
      in_cuts.emplace_back("max_events_per_trigger", "7");
      const auto rows = rows_of(table, options);
      EXPECT_EQ(rows_of(table, in_cuts), rows);
      auto fewer = options;
      fewer[0].second = "1000";
      const auto begin = rows_of(table, fewer);
      EXPECT_TRUE(std::equal(begin.begin(), begin.end(), rows.begin()));
      auto other = options;
      other.emplace_back("seed", "43");
      EXPECT_NE(rows_of(table, other), rows);
    }
  }
}

// A version that made other events would give a restarted pipeline the rest of another sequence.
TEST(Nexmark, EventsStayAsTheyAre) {
  const auto last = [](const std::string& table) {
    const auto row = rows_of(table, {{"events", "2000"}}).back();
    return row.substr(0, row.rfind('|'));
  };
  EXPECT_EQ(last("person"),
            "1039|Saul Abrams|qdxyzq@sfqv.com|9354 2240 2546 2672|Los Angeles|OR|"
            "2024-01-01 00:00:00.195");
  EXPECT_EQ(last("auction"),
            "1119|i ythwl|vf rwalu pngnbwdycidlqfizbjfbmiyphbwhuiaydend gsbssmbhkmbbzhyxjst fgme "
            "kgqduntkeshxurrn auxlieljwf|3716036|4581840|2024-01-01 00:00:00.195|"
            "2024-01-01 00:00:00.298|1000|13");
  EXPECT_EQ(last("bid"),
            "1100|1028|31270|channel-4389|https://www.nexmark.com/btr_/ojb/_lw/item.htm?query=1&"
            "channel_id=1534590976|2024-01-01 00:00:00.199");
}

TEST(Nexmark, TimeAdvancesWithTheEvents) {
  const auto rows =
      rows_of("person",
              {{"events", "151"}, {"events_per_second", "100"}, {"start", "2020-02-29 23:59:59"}});
  std::vector<std::string> times;
  times.reserve(rows.size());
  for (const auto& row : rows) {
    times.emplace_back(split(row, '|')[6]);
  }
  EXPECT_THAT(times, ElementsAre("2020-02-29 23:59:59", "2020-02-29 23:59:59.5",
                                 "2020-03-01 00:00:00", "2020-03-01 00:00:00.5"));
  // Whole milliseconds, as published: ten events share one by default.
  Sequence sequence({});
  Bid bid;
  sequence.make(19, bid);
  EXPECT_EQ(bid.time, 1000);
}

TEST(Nexmark, RefersToWhatIsThere) {
  std::set<std::int64_t> persons;
  std::set<std::int64_t> auctions;
  const Sequence sequence({});
  Person person;
  Auction auction;
  Bid bid;
  for (std::int64_t event = 0; event < 100'000; event++) {
    switch (Sequence::table_of(event)) {
      case Table::person:
        sequence.make(event, person);
        EXPECT_EQ(person.id, 1000 + static_cast<std::int64_t>(persons.size()));
        persons.insert(person.id);
        break;
      case Table::auction:
        sequence.make(event, auction);
        EXPECT_EQ(auction.id, 1000 + static_cast<std::int64_t>(auctions.size()));
        ASSERT_TRUE(persons.contains(auction.seller)) << event;
        auctions.insert(auction.id);
        break;
      case Table::bid:
        sequence.make(event, bid);
        ASSERT_TRUE(auctions.contains(bid.auction)) << event;
        ASSERT_TRUE(persons.contains(bid.bidder)) << event;
        break;
    }
  }
}

TEST(Nexmark, HotOnesAreAsHotAsPublished) {
  Share auctions;
  Share bidders;
  Share recent;
  for_each<Bid>(200'000, [&](std::int64_t event, const Bid& bid) {
    const auto last_auction = 1000 + event / 50 * 3 + 2;
    const auto last_person = 1000 + event / 50;
    auctions.count(bid.auction % 100 == 0);
    bidders.count(bid.bidder % 100 == 1);
    recent.count(bid.auction >= last_auction - 100 && bid.bidder > last_person - 1000);
  });
  Share sellers;
  for_each<Auction>(200'000, [&](std::int64_t, const Auction& auction) {
    sellers.count(auction.seller % 100 == 0);
  });
  // A hundredth of the others is drawn by chance.
  EXPECT_NEAR(auctions.value(), 1.0 / 2 + 1.0 / 200, .01);
  EXPECT_NEAR(bidders.value(), 3.0 / 4 + 1.0 / 400, .01);
  EXPECT_NEAR(sellers.value(), 3.0 / 4 + 1.0 / 400, .01);
  EXPECT_EQ(recent.value(), 1);
}

TEST(Nexmark, PricesAreEvenOnALogarithmicScale) {
  std::array<Share, 6> decades;
  for_each<Bid>(200'000, [&](std::int64_t, const Bid& bid) {
    EXPECT_GE(bid.price, 100);
    EXPECT_LE(bid.price, 100'000'000);
    for (std::size_t i = 0; i < decades.size(); i++) {
      decades[i].count(std::floor(std::log10(static_cast<double>(bid.price))) ==
                       static_cast<double>(i) + 2);
    }
  });
  for (const auto& decade : decades) {
    EXPECT_NEAR(decade.value(), 1.0 / 6, .01);
  }
}

TEST(Nexmark, AuctionsAreAsPublished) {
  std::set<std::int64_t> categories;
  double open_us = 0;
  double count = 0;
  for_each<Auction>(200'000, [&](std::int64_t, const Auction& auction) {
    categories.insert(auction.category);
    EXPECT_GT(auction.reserve, auction.initial_bid);
    EXPECT_GT(auction.expires, auction.time);
    EXPECT_EQ(trim(auction.description), auction.description);
    EXPECT_LT(auction.item_name.size(), 20U);
    EXPECT_LT(auction.description.size(), 100U);
    open_us += static_cast<double>(auction.expires - auction.time);
    count++;
  });
  EXPECT_THAT(categories, ElementsAre(10, 11, 12, 13, 14));
  // 100 auctions later come 1,666 events later, a tenth of a millisecond each.
  EXPECT_NEAR(open_us / count, 166'600, 3'000);
}

TEST(Nexmark, HalfOfTheBidsComeFromFourChannels) {
  const std::set<std::string_view> hot{"Google", "Facebook", "Baidu", "Apple"};
  Share hot_ones;
  Share with_id;
  std::map<std::string_view, std::string_view> urls;
  for_each<Bid>(100'000, [&](std::int64_t, const Bid& bid) {
    EXPECT_TRUE(bid.url.starts_with("https://www.nexmark.com/")) << bid.url;
    EXPECT_EQ(split(bid.url, '/').size(), 7U) << bid.url;  // queries cut three folders out of it
    EXPECT_EQ(urls.try_emplace(bid.channel, bid.url).first->second, bid.url);
    const bool is_hot = hot.contains(bid.channel);
    hot_ones.count(is_hot);
    EXPECT_TRUE(is_hot || bid.channel.starts_with("channel-")) << bid.channel;
    if (!is_hot) {
      with_id.count(bid.url.find("&channel_id=") != std::string_view::npos);
    }
  });
  EXPECT_NEAR(hot_ones.value(), .5, .01);
  EXPECT_NEAR(with_id.value(), .9, .01);
}

// The numbers and texts that count are those that the published sizes count.
TEST(Nexmark, EventsHaveThePublishedSizes) {
  double size = 0;
  for_each<Person>(500'000, [&](std::int64_t, const Person& person) {
    EXPECT_EQ(person.credit_card.view().size(), 19U);
    EXPECT_THAT(std::vector{person.state}, IsSubsetOf({"AZ", "CA", "ID", "OR", "WA", "WY"}));
    size += 8 + static_cast<double>(person.name.view().size() + person.email.view().size() +
                                    person.credit_card.view().size() + person.city.size() +
                                    person.state.size() + person.extra.size());
  });
  EXPECT_NEAR(size / 10'000, 200, 2);
  size = 0;
  for_each<Auction>(500'000, [&](std::int64_t, const Auction& auction) {
    size += 48 + static_cast<double>(auction.item_name.size() + auction.description.size() +
                                     auction.extra.size());
  });
  EXPECT_NEAR(size / 30'000, 500, 2);
  size = 0;
  for_each<Bid>(500'000, [&](std::int64_t, const Bid& bid) {
    size += 32 + static_cast<double>(bid.extra.size());
  });
  EXPECT_NEAR(size / 460'000, 100, 1);
}

TEST(Nexmark, TablesStayInStep) {
  const Entries options{{"events", "1010"}, {"max_events_per_trigger", "20"}};
  auto persons = source("person", options);
  auto auctions = source("auction", options);
  auto bids = source("bid", options);
  int batches = 0;
  bids->stop_at_present();
  while (const auto slice = bids->plan(batches)) {
    batches++;
    for (auto* each : {persons.get(), auctions.get(), bids.get()}) {
      const auto same = each->plan(0);  // also where the table has no row
      ASSERT_TRUE(same);
      EXPECT_EQ(same->offsets, slice->offsets);
      EXPECT_EQ(each->plan(batches)->offsets, slice->offsets);  // plan() does not move
      EXPECT_FALSE(each->finished());
      each->advance(slice->offsets);
    }
  }
  EXPECT_EQ(batches, 51);
  EXPECT_TRUE(persons->finished() && auctions->finished() && bids->finished());
  EXPECT_FALSE(persons->plan(0) || auctions->plan(0));
}

TEST(Nexmark, GoesOnFromAPosition) {
  const Entries options{{"events", "500"}, {"max_events_per_trigger", "200"}};
  auto whole = rows_of("bid", options);
  auto first = source("bid", options);
  first->advance(first->plan(0)->offsets);
  auto second = source("bid", options);
  second->open(first->position());
  EXPECT_EQ(second->plan(0)->offsets, (Json{{"from", 200}, {"to", 400}}));
  const auto rest = rows_of(*second);
  whole.erase(whole.begin(), whole.begin() + 4 * 46);
  EXPECT_EQ(rest, whole);
  // Fewer events than were given already: nothing is left. More: the sequence goes on.
  auto fewer = source("bid", {{"events", "100"}});
  fewer->open(first->position());
  EXPECT_TRUE(fewer->finished());
  EXPECT_FALSE(fewer->plan(0));
}

TEST(Nexmark, ShufflesWithinGroups) {
  for (const std::int64_t size : {2, 50, 953, 1000}) {
    const Sequence sequence({.out_of_order = size});
    for (const std::int64_t group : {0, 7}) {
      std::set<std::int64_t> events;
      for (std::int64_t place = group * size; place < (group + 1) * size; place++) {
        events.insert(sequence.event_at(place));
      }
      EXPECT_EQ(static_cast<std::int64_t>(events.size()), size);
      EXPECT_EQ(*events.begin(), group * size);
      EXPECT_EQ(*events.rbegin(), (group + 1) * size - 1);
    }
  }
  for (const auto& table : kTables) {
    auto shuffled = rows_of(table, {{"events", "3000"}, {"out_of_order", "1000"}});
    auto in_order = rows_of(table, {{"events", "3000"}});
    EXPECT_NE(shuffled, in_order);
    std::ranges::sort(shuffled);
    std::ranges::sort(in_order);
    EXPECT_EQ(shuffled, in_order);
  }
}

TEST(Nexmark, PartsOfASliceGiveItsRows) {
  for (const auto& table : kTables) {
    auto events = source(table, {{"events", "1000"}});
    const auto offsets = events->plan(0)->offsets;
    sql::Database database({.threads = 1});
    support::Rows rows(database);
    EXPECT_EQ(rows.of_parts(*events, offsets, 300), rows.of(*events, offsets)) << table;
    EXPECT_TRUE(rows.of_parts(*events, offsets, 1000).empty()) << "one part is no part";
  }
}

TEST(Nexmark, MayHaveNoEvents) {
  EXPECT_TRUE(source("bid", {{"events", "0"}})->finished());
  EXPECT_THAT(rows_of("bid", {{"events", "4"}}), ElementsAre());
}

TEST(Nexmark, SaysWhatIsWrongWithOptions) {
  const auto mistakes = [](const Entries& entries) {
    Diagnostics diagnostics;
    EXPECT_EQ(make(entries, diagnostics), nullptr);
    std::string all;
    for (const auto& each : diagnostics.all()) {
      all += each.message + "\n";
    }
    return all;
  };
  EXPECT_EQ(mistakes({}), "source house needs the option `table`\n");
  EXPECT_EQ(mistakes({{"table", "seller"}, {"events", "-1"}}),
            "`table` of source house must be `person`, `auction` or `bid`, not `seller`\n"
            "`events` of source house must be at least 0, not `-1`\n");
  EXPECT_EQ(mistakes({{"table", "bid"}, {"out_of_order", "0"}, {"rows", "5"}}),
            "source house has no option `rows`\n"
            "`out_of_order` of source house must be at least 1, not `0`\n");
  for (const std::string time : {"soon", "2024-13-01", "2023-02-29", "2024-01-01 24:00:00",
                                 "2024-01-01 00", "2024-01-01 00:00:00 UTC", "24-01-01"}) {
    EXPECT_EQ(mistakes({{"table", "bid"}, {"start", time}}),
              "`start` of source house must be a time, not `" + time + "`\n");
  }
  EXPECT_TRUE(source("bid", {{"start", "2024-01-01"}}));
  EXPECT_TRUE(source("bid", {{"start", "1969-12-31T23:59:59"}}));
  EXPECT_EQ(rows_of("bid", {{"events", "10"}, {"start", "2024-01-01 02:00:00+02:00"}}),
            rows_of("bid", {{"events", "10"}, {"start", "2024-01-01"}}));
}

}  // namespace
}  // namespace millrace
