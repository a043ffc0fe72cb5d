#include "connectors/nexmark/nexmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/strings.h"
#include "connectors/nexmark/events.h"
#include "core/times.h"

namespace millrace {

template <>
struct EnumNames<nexmark::Table> {
  static constexpr EnumWord<nexmark::Table> kWords[] = {{nexmark::Table::person, "person"},
                                                        {nexmark::Table::auction, "auction"},
                                                        {nexmark::Table::bid, "bid"}};
};

namespace {

using nexmark::Sequence;
using nexmark::Table;

struct NexmarkOptions {
  Table table = Table::bid;
  std::int64_t events = 1'000'000;
  std::int64_t max_events_per_trigger = 100'000;
  std::string start = "2024-01-01 00:00:00";
  Sequence::Options sequence;

  static const OptionTable<NexmarkOptions>& table_of_options() {
    using O = NexmarkOptions;
    static const OptionTable<O> kTable{
        Option<O>{&O::table, "table",
                  "Which events this source gives: 1 in 50 is a person, 3 are auctions, 46 bids."}
            .required()
            .example("bid"),
        Option<O>{&O::events, "events", "How many events there are in all, of the three tables."}
            .at_least(0)
            .at_most(1e12),
        Option<O>{&O::max_events_per_trigger, "max_events_per_trigger",
                  "At most so many events in a batch, those of the other tables counted too: "
                  "sources with equal options stay in step."}
            .at_least(1),
        Option<O>{[](O& o) -> auto& { return o.sequence.events_per_second; }, "events_per_second",
                  "How many events there are in a second of their `dateTime`. They come as fast as "
                  "they are processed."}
            .at_least(1)
            .at_most(1e9),
        Option<O>{&O::start, "start", "The `dateTime` of the first event."},
        Option<O>{[](O& o) -> auto& { return o.sequence.out_of_order; }, "out_of_order",
                  "Events come shuffled within groups of so many; 1: in the order of `dateTime`."}
            .at_least(1)
            .at_most(100'000),
        Option<O>{[](O& o) -> auto& { return o.sequence.seed; }, "seed",
                  "Another seed gives other events; the same gives the same."},
    };
    return kTable;
  }
};

Schema schema_of(Table table) {
  const auto number = [](const char* name) { return Column{name, "BIGINT", Physical::i64}; };
  const auto text = [](const char* name) { return Column{name, "VARCHAR", Physical::string}; };
  const auto time = [](const char* name) { return Column{name, "TIMESTAMP", Physical::i64}; };
  switch (table) {
    case Table::person:
      return {{number("id"), text("name"), text("emailAddress"), text("creditCard"), text("city"),
               text("state"), time("dateTime"), text("extra")}};
    case Table::auction:
      return {{number("id"), text("itemName"), text("description"), number("initialBid"),
               number("reserve"), time("dateTime"), time("expires"), number("seller"),
               number("category"), text("extra")}};
    case Table::bid:
      break;
  }
  return {{number("auction"), number("bidder"), number("price"), text("channel"), text("url"),
           time("dateTime"), text("extra")}};
}

// put() writes an event as row `row` of a chunk with the columns of schema_of().

void put(const nexmark::Person& from, ChunkWriter& to, std::size_t row) {
  to.values<std::int64_t>(0)[row] = from.id;
  to.set_string(1, row, from.name.view());
  to.set_string(2, row, from.email.view());
  to.set_string(3, row, from.credit_card.view());
  to.set_string(4, row, from.city);
  to.set_string(5, row, from.state);
  to.values<std::int64_t>(6)[row] = from.time;
  to.set_string(7, row, from.extra);
}

void put(const nexmark::Auction& from, ChunkWriter& to, std::size_t row) {
  to.values<std::int64_t>(0)[row] = from.id;
  to.set_string(1, row, from.item_name);
  to.set_string(2, row, from.description);
  to.values<std::int64_t>(3)[row] = from.initial_bid;
  to.values<std::int64_t>(4)[row] = from.reserve;
  to.values<std::int64_t>(5)[row] = from.time;
  to.values<std::int64_t>(6)[row] = from.expires;
  to.values<std::int64_t>(7)[row] = from.seller;
  to.values<std::int64_t>(8)[row] = from.category;
  to.set_string(9, row, from.extra);
}

void put(const nexmark::Bid& from, ChunkWriter& to, std::size_t row) {
  to.values<std::int64_t>(0)[row] = from.auction;
  to.values<std::int64_t>(1)[row] = from.bidder;
  to.values<std::int64_t>(2)[row] = from.price;
  to.set_string(3, row, from.channel);
  to.set_string(4, row, from.url);
  to.values<std::int64_t>(5)[row] = from.time;
  to.set_string(6, row, from.extra);
}

/// The events of one table among those at the places [from, to).
template <class Event>
class EventReader final : public RowReader {
 public:
  EventReader(const Sequence& sequence, std::int64_t from, std::int64_t to)
      : sequence_(sequence), next_(from), to_(to) {}

  std::size_t read(ChunkWriter& into) override {
    std::size_t row = 0;
    for (; row < kChunkRows && next_ < to_; next_++) {
      const auto event = sequence_.event_at(next_);
      if (Sequence::table_of(event) == Event::kTable) {
        sequence_.make(event, made_);
        put(made_, into, row++);
      }
    }
    return row;
  }
  [[nodiscard]] std::vector<std::unique_ptr<RowReader>> split(std::int64_t rows) const override {
    return split_range(next_, to_, rows, [this](std::int64_t from, std::int64_t to) {
      return std::make_unique<EventReader>(sequence_, from, to);
    });
  }

 private:
  Sequence sequence_;
  std::int64_t next_;
  std::int64_t to_;
  Event made_;
};

class NexmarkSource final : public Source {
 public:
  explicit NexmarkSource(const NexmarkOptions& options)
      : options_(options), schema_(schema_of(options.table)) {}

  const Schema& schema() override { return schema_; }
  void open(const std::optional<Json>& position) override {
    if (position) {
      advance(*position);
    }
  }
  [[nodiscard]] Json position() const override { return {{"to", next_}}; }

  // Cuts depend on the options alone, not on the time nor on what the table has: the three tables'
  // sources take the same events in a batch, even where one of them has no row.
  std::optional<Slice> plan(std::int64_t /*now*/) override {
    if (finished()) {
      return std::nullopt;
    }
    const auto to = next_ + std::min(options_.max_events_per_trigger, options_.events - next_);
    Slice slice;
    slice.offsets = {{"from", next_}, {"to", to}};
    if (options_.sequence.out_of_order == 1) {
      slice.rows = Sequence::count_before(options_.table, to) -
                   Sequence::count_before(options_.table, next_);
    }
    slice.text = fmt::format("events {} to {}", next_, to - 1);
    return slice;
  }
  void advance(const Json& offsets) override { next_ = offsets.at("to"); }
  SliceInput read(const Json& offsets, MalformedReceiver& /*malformed*/) override {
    const Sequence sequence(options_.sequence);
    const std::int64_t from = offsets.at("from");
    const std::int64_t to = offsets.at("to");
    switch (options_.table) {
      case Table::person:
        return std::make_unique<EventReader<nexmark::Person>>(sequence, from, to);
      case Table::auction:
        return std::make_unique<EventReader<nexmark::Auction>>(sequence, from, to);
      case Table::bid:
        break;
    }
    return std::make_unique<EventReader<nexmark::Bid>>(sequence, from, to);
  }
  [[nodiscard]] std::optional<std::string> why_no_history() const override { return std::nullopt; }
  Slices history() override {
    return [this, from = std::int64_t{0}]() mutable -> std::optional<Slice> {
      const auto to = from + std::min(options_.max_events_per_trigger, next_ - from);
      if (to <= from) {
        return std::nullopt;
      }
      Slice slice;
      slice.offsets = {{"from", std::exchange(from, to)}, {"to", to}};
      return slice;
    };
  }
  void stop_at_present() override {}  // all events are there from the start
  [[nodiscard]] bool finished() const override { return next_ >= options_.events; }
  void wait(std::stop_token stop, std::chrono::steady_clock::time_point until) override {
    std::unique_lock guard(lock_);
    condition_.wait_until(guard, stop, until, [this] { return !finished(); });
  }

 private:
  NexmarkOptions options_;
  Schema schema_;
  std::int64_t next_ = 0;
  std::mutex lock_;
  std::condition_variable_any condition_;
};

class NexmarkConnector final : public Connector {
 public:
  [[nodiscard]] std::string_view type() const noexcept override { return "nexmark"; }
  [[nodiscard]] std::string_view summary() const noexcept override {
    return "Makes up the persons, auctions and bids of the Nexmark benchmark, the same at every "
           "run.";
  }
  [[nodiscard]] const OptionSet* connection_options() const noexcept override {
    return &no_options();
  }
  [[nodiscard]] const OptionSet* source_options() const noexcept override {
    return &NexmarkOptions::table_of_options();
  }
  std::unique_ptr<Source> make_source(const ConnectorRequest& request,
                                      Diagnostics& diagnostics) const override {
    const auto what = "source " + request.name;
    NexmarkOptions options;
    bool good = no_options().check(*request.connection, diagnostics, what);
    good &= NexmarkOptions::table_of_options().parse(*request.options, diagnostics, options, what);
    if (const auto start = parse_timestamp(trim(options.start), 6)) {
      options.sequence.start_us = *start;
    } else {
      const Node& node = *request.options->find("start");
      diagnostics.error(
          node.at, fmt::format("`start` of {} must be a time, not {}", what, options::shown(node)),
          "write it as 2024-01-01 00:00:00");
      good = false;
    }
    return good ? std::make_unique<NexmarkSource>(options) : nullptr;
  }
};

}  // namespace

std::unique_ptr<Connector> nexmark_connector() { return std::make_unique<NexmarkConnector>(); }

}  // namespace millrace
