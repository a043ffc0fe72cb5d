#include "serve/changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "serve/shape.h"

namespace millrace::serve {
namespace {

constexpr std::size_t kRowsOfEvent = 256;
/// More at once does not fit into the queue of a client; it has to read the table.
constexpr std::size_t kLargest = 2UL << 20;
/// What is kept for others who want the same; who wants what nobody else does must not fill memory.
constexpr std::size_t kMadeMax = 32UL << 20;

/// Some columns of chunks as JSON objects.
class Columns {
 public:
  Columns(const Schema& schema, std::vector<std::size_t> places)
      : places_(std::move(places)), encoder_(of(schema, places_), kRowEncoding) {}

  void write(const Chunk& chunk, std::size_t row, std::string& to) {
    views_.clear();
    for (const std::size_t place : places_) {
      views_.push_back(chunk.columns[place]);
    }
    (void)encoder_.encode({.rows = chunk.rows, .columns = views_}, row, to);
  }

 private:
  static Schema of(const Schema& schema, const std::vector<std::size_t>& places) {
    Schema some;
    some.columns.reserve(places.size());
    for (const std::size_t place : places) {
      some.columns.push_back(schema.columns[place]);
    }
    return some;
  }

  std::vector<std::size_t> places_;
  json::Encoder encoder_;
  std::vector<ColumnView> views_;
};

std::vector<std::size_t> all_of(const Schema& schema) {
  std::vector<std::size_t> places(schema.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    places[i] = i;
  }
  return places;
}

/// The rows that have wanted values in columns of the key.
class Filter {
 public:
  Filter(const Schema& schema, const std::vector<std::pair<std::string, std::string>>& keys) {
    for (const auto& [name, value] : keys) {
      const auto place = static_cast<std::size_t>(schema.find(name));
      std::string head = "{";
      write_text(schema.columns[place].name, head);
      std::string quoted = head + ":";
      write_text(value, quoted);
      parts_.push_back(
          {Columns(schema, {place}), fmt::format("{}:{}}}", head, value), quoted + "}"});
    }
  }
  bool passes(const Chunk& chunk, std::size_t row) {
    return std::ranges::all_of(parts_, [&](Part& part) {
      scratch_.clear();
      part.columns.write(chunk, row, scratch_);
      return scratch_ == part.plain || scratch_ == part.quoted;
    });
  }

 private:
  struct Part {
    Columns columns;
    std::string plain;
    std::string quoted;
  };
  std::vector<Part> parts_;
  std::string scratch_;
};

/// Rows of one kind, put into events of some rows each.
class Events {
 public:
  Events(std::string_view kind, std::int64_t batch)
      : head_(fmt::format(R"(event: {}{}data: {{"batch":{},"rows":[)", kind, '\n', batch)) {}

  void add(Columns& columns, const Chunk& chunk, std::size_t row) {
    text_ += count_ % kRowsOfEvent != 0 ? "," : count_ == 0 ? head_ : "]}\n\n" + head_;
    columns.write(chunk, row, text_);
    ++count_;
  }
  [[nodiscard]] std::size_t size() const noexcept { return text_.size(); }
  [[nodiscard]] std::string take() { return count_ == 0 ? "" : std::move(text_) + "]}\n\n"; }

 private:
  std::string head_;
  std::string text_;
  std::size_t count_ = 0;
};

/// The last event gets the number of the batch. (Line ends in rows are escaped.)
void add_id(std::int64_t batch, std::string& events) {
  if (!events.empty()) {
    const auto end_before = events.rfind("\n\nevent: ");
    events.insert(end_before == std::string::npos ? 0 : end_before + 2,
                  fmt::format("id: {}\n", batch));
  }
}

std::string reset(std::int64_t batch) {
  return fmt::format(R"(id: {0}{1}event: reset{1}data: {{"batch":{0}}}{1}{1})", batch, '\n');
}

}  // namespace

std::expected<Changes::Wish, Refused> Changes::wish_of(const http::Request& request) const {
  Wish wish;
  std::string_view after = request.header("Last-Event-ID");
  if (const auto parameter = request.parameter("after"); after.empty() && parameter) {
    after = *parameter;
  }
  if (!after.empty()) {
    wish.after = parse_integer(after);
    if (!wish.after || *wish.after < -1) {
      return std::unexpected(Refused{Fault::invalid_parameter, "",
                                     "Last-Event-ID, or `after`, must be the number of a batch"});
    }
  }
  const auto table = tables_.find(spec_.changes);
  for (const auto& [name, value] : request.query) {
    const int place = table ? table->schema().find(name) : -1;
    if (place >= 0 &&
        std::ranges::find(table->key(), static_cast<std::size_t>(place)) != table->key().end()) {
      wish.keys.emplace_back(to_lower(name), value);
    }
  }
  std::ranges::sort(wish.keys);
  const auto twice = std::ranges::adjacent_find(wish.keys, [](const auto& one, const auto& next) {
    return equal_ignoring_case(one.first, next.first);
  });
  if (twice != wish.keys.end()) {
    return std::unexpected(Refused{Fault::invalid_parameter, "",
                                   fmt::format("`{}` stands there twice", twice->first)});
  }
  return wish;
}

void Changes::add(Wish wish, std::shared_ptr<http::EventStream> stream) {
  const std::lock_guard guard(lock_);
  followers_.push_back({std::move(wish), false, std::move(stream)});
}

void Changes::send() {
  const std::lock_guard guard(lock_);
  const auto table = tables_.find(spec_.changes);
  const auto at = tables_.snapshot();
  const std::int64_t batch = at.version().batch;
  std::map<Wish, std::string> made;  // many want the same
  std::size_t made_bytes = 0;
  for (Follower& follower : followers_) {
    std::string greeting = follower.is_greeted ? "" : "retry: 1000\n\n";
    follower.is_greeted = true;
    if (!follower.wish.after) {
      follower.wish.after = batch;
      greeting += fmt::format("id: {}\n\n", batch);
    }
    if (table && batch != *follower.wish.after) {
      if (made_bytes > kMadeMax) {
        made.clear();
        made_bytes = 0;
      }
      const auto [place, is_new] = made.try_emplace(follower.wish);
      if (is_new) {
        place->second = events(at, *table, follower.wish);
        made_bytes += place->second.size();
      }
      greeting += place->second;
      follower.wish.after = batch;
    }
    if (!greeting.empty() ? !follower.stream->send(greeting) : !follower.stream->is_open()) {
      follower.stream = nullptr;
    }
  }
  std::erase_if(followers_, [](const Follower& follower) { return follower.stream == nullptr; });
}

std::string Changes::events(const sql::LiveSnapshot& at, const sql::LiveTable& table,
                            const Wish& wish) const {
  const std::int64_t batch = at.version().batch;
  const Schema& schema = table.schema();
  Columns all(schema, all_of(schema));
  Columns key(schema, table.key().empty() ? all_of(schema) : table.key());
  Filter filter(schema, wish.keys);
  Events rows("rows", batch);
  Events gone("gone", batch);
  const bool is_known =
      *wish.after <= batch && at.changes(table, *wish.after, [&](const Chunk& chunk, bool is_gone) {
        for (std::size_t row = 0; row < chunk.rows && rows.size() + gone.size() < kLargest; ++row) {
          if (filter.passes(chunk, row)) {
            (is_gone ? gone : rows).add(is_gone ? key : all, chunk, row);
          }
        }
      });
  if (!is_known || rows.size() + gone.size() >= kLargest) {
    return reset(batch);
  }
  std::string text = gone.take() + rows.take();
  add_id(batch, text);
  return text;
}

std::int64_t Changes::followers() const {
  const std::lock_guard guard(lock_);
  // Those who have gone stay in the list until there is something to send.
  return std::ranges::count_if(followers_,
                               [](const Follower& follower) { return follower.stream->is_open(); });
}

void Changes::close() {
  const std::lock_guard guard(lock_);
  for (Follower& follower : followers_) {
    follower.stream->close();
  }
  followers_.clear();
}

}  // namespace millrace::serve
