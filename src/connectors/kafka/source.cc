#include "connectors/kafka/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/files.h"
#include "base/strings.h"
#include "sql/database.h"

namespace millrace::kafka {

namespace {

using Steady = std::chrono::steady_clock;

// Of a slice of the past; a person who stops a rebuild waits for one.
constexpr std::int64_t kHistoryOffsets = 500'000;

constexpr auto kMetadata = std::to_array<std::pair<std::string_view, Metadata>>({
    {"key", Metadata::key},
    {"value", Metadata::value},
    {"topic", Metadata::topic},
    {"partition", Metadata::partition},
    {"offset", Metadata::offset},
    {"timestamp", Metadata::timestamp},
    {"headers", Metadata::headers},
});

std::optional<Metadata> metadata_of(std::string_view word) {
  for (const auto& [each, what] : kMetadata) {
    if (each == word) {
      return what;
    }
  }
  return std::nullopt;
}

std::string text_of(const Ranges& ranges) {
  std::int64_t count = 0;
  for (const auto& [partition, range] : ranges) {
    count += range.count();
  }
  return fmt::format("{} offset{} of {} partition{}", count, count == 1 ? "" : "s", ranges.size(),
                     ranges.size() == 1 ? "" : "s");
}

Slice slice_of(const Ranges& ranges) {
  Slice slice;
  slice.offsets = to_json(ranges);
  slice.text = text_of(ranges);
  return slice;
}

}  // namespace

bool check_metadata(const SourceOptions& options, const Location& at, Diagnostics& diagnostics,
                    std::string_view what) {
  for (const auto& [name, word] : options.metadata) {
    if (!metadata_of(word)) {
      diagnostics.error(at, fmt::format("`metadata` of {}: a message has no {}", what, word),
                        "it has: key, value, topic, partition, offset, timestamp, headers");
      return false;
    }
  }
  return true;
}

KafkaSource::KafkaSource(std::string name, ConnectionOptions connection, SourceOptions options,
                         sql::Database* database)
    : name_(std::move(name)),
      connection_(std::move(connection)),
      options_(std::move(options)),
      database_(database),
      log_(Log().with("source", name_)),
      troubles_(name_) {}

const Schema& KafkaSource::schema() {
  if (!layout_.schema.empty()) {
    return layout_.schema;
  }
  const auto& records = options_.records;
  RowLayout layout;
  auto decoding = formats::make_decoding(
      records, records.schema.empty() ? Schema{} : database_->parse_schema(records.schema),
      records.schema_file.empty() ? "" : read_file(records.schema_file));
  layout.schema = std::move(decoding.schema);
  layout.decoder = std::move(decoding.make);
  layout.decoded = layout.schema.size();
  layout.on_malformed = records.on_malformed;
  auto metadata = options_.metadata;
  if (metadata.empty() && records.kind == formats::Kind::raw) {
    for (const auto& [word, what] : kMetadata) {
      metadata.emplace_back(word, word);
    }
  }
  for (const auto& [name, word] : metadata) {
    if (layout.schema.find(name) >= 0) {
      throw Error(Blame::user, fmt::format("source {} has two columns {}; give the one of "
                                           "`metadata` another name",
                                           name_, name));
    }
    layout.metadata.push_back(*metadata_of(word));
    layout.schema.columns.push_back(column_of(layout.metadata.back(), name));
  }
  layout_ = std::move(layout);
  return layout_.schema;
}

std::unique_ptr<Consumer> KafkaSource::make_consumer() {
  return std::make_unique<Consumer>(
      connection_,
      Consumer::Settings{.group = options_.group_id,
                         .read_uncommitted = options_.read_uncommitted,
                         .buffer_bytes = options_.buffer.count,
                         .on_data_loss = options_.on_data_loss},
      troubles_);
}

void KafkaSource::open(const std::optional<Json>& position) {
  if (position) {
    first_ = offsets_of(position->at("first"));
    next_ = offsets_of(position->at("next"));
  }
}

Json KafkaSource::position() const {
  return {{"first", to_json(first_)}, {"next", to_json(next_)}};
}

void KafkaSource::start() {
  // Of an attempt that failed, messages were taken that were not committed.
  if (live_ != nullptr && live_->places() == next_) {
    return;
  }
  live_.reset();
  live_ = make_consumer();
  const bool is_fresh = next_.empty();
  const Offsets found = find_new();
  next_.insert(found.begin(), found.end());
  first_.insert(found.begin(), found.end());
  notes_beginning_ = is_fresh && !found.empty() && options_.start.time_ms != Consumer::kEarliest;
  if (next_.empty()) {
    log_.warn("there is no topic {} yet; waiting for it",
              options_.topic.empty() ? "that fits " + options_.topic_pattern
                                     : fmt::format("{}", fmt::join(options_.topic, ", ")));
  }
  live_->add(next_);
  next_discovery_ = Steady::now() + options_.discovery_interval;
}

Offsets KafkaSource::find_new() {
  std::vector<Partition> fresh;
  for (auto& partition : live_->partitions(options_.topic, options_.topic_pattern)) {
    if (!next_.contains(partition)) {
      fresh.push_back(std::move(partition));
    }
  }
  // What comes while the source runs is read from its beginning: nothing of it was there before.
  if (!next_.empty()) {
    Offsets times;
    for (const auto& partition : fresh) {
      times[partition] = Consumer::kEarliest;
    }
    return live_->offsets_at(times);
  }
  return starting_offsets(fresh);
}

Offsets KafkaSource::starting_offsets(const std::vector<Partition>& partitions) const {
  const StartingOffsets& start = options_.start;
  Offsets exact;
  Offsets times;
  for (const auto& partition : partitions) {
    const auto at = start.exact.find(partition);
    if (at == start.exact.end()) {
      times[partition] = start.time_ms;
    } else if (at->second >= 0) {
      exact[partition] = at->second;
    } else {
      times[partition] = at->second;
    }
  }
  exact.merge(live_->offsets_at(times));
  return exact;
}

void KafkaSource::discover() {
  if (Steady::now() < next_discovery_) {
    return;
  }
  next_discovery_ = Steady::now() + options_.discovery_interval;
  Offsets found;
  try {
    found = find_new();
  } catch (const Error& error) {  // the consumer says what is wrong with the cluster
    log_.debug("{}", error.what());
    return;
  }
  if (found.empty()) {
    return;
  }
  for (const auto& [partition, offset] : found) {
    log_.info("new partition {}/{}, read from offset {}", partition.topic, partition.number,
              offset);
  }
  next_.insert(found.begin(), found.end());
  first_.insert(found.begin(), found.end());
  live_->add(found);
}

Ranges KafkaSource::with_beginning(Ranges ranges) const {
  if (notes_beginning_) {
    for (const auto& [partition, offset] : next_) {
      ranges.try_emplace(partition, Range{offset, offset});
    }
  }
  return ranges;
}

std::optional<Slice> KafkaSource::plan(std::int64_t /*now*/) {
  start();
  if (ends_) {
    // What is there at present is the end, and must not be missed because it is still on its way.
    Ranges ranges;
    for (const auto& [partition, end] : *ends_) {
      if (end > next_.at(partition)) {
        ranges[partition] = {next_.at(partition), end};
      }
    }
    ranges = with_beginning(limited(ranges, options_.max_offsets_per_trigger));
    return ranges.empty() ? std::nullopt : std::optional(slice_of(ranges));
  }
  discover();
  const Ranges ranges =
      with_beginning(limited(live_->buffered(), options_.max_offsets_per_trigger));
  if (ranges.empty() || is_too_few(ranges)) {
    return std::nullopt;
  }
  few_since_.reset();
  return slice_of(ranges);
}

bool KafkaSource::is_too_few(const Ranges& ranges) {
  std::int64_t count = 0;
  for (const auto& [partition, range] : ranges) {
    count += range.count();
  }
  if (count >= options_.min_offsets_per_trigger || notes_beginning_) {
    return false;
  }
  few_since_ = few_since_.value_or(Steady::now());
  return Steady::now() - *few_since_ < options_.max_trigger_delay;
}

void KafkaSource::advance(const Json& offsets) {
  for (const auto& [partition, range] : ranges_of(offsets)) {
    next_[partition] = range.to;
    first_.try_emplace(partition, range.from);
  }
  notes_beginning_ = false;
}

SliceInput KafkaSource::read(const Json& offsets, MalformedReceiver& malformed) {
  const Ranges ranges = ranges_of(offsets);
  const auto goes_on = [&](const Offsets& from) {
    return std::ranges::all_of(ranges, [&](const auto& range) {
      const auto at = from.find(range.first);
      return at != from.end() && at->second == range.second.from;
    });
  };
  // An unfinished batch is read before the first plan().
  const bool is_new = live_ != nullptr && goes_on(live_->places());
  if (is_new) {
    return std::make_unique<MessageReader>(layout_, *live_, ranges, malformed);
  }
  if (past_ == nullptr || !goes_on(past_next_)) {
    past_.reset();
    past_ = make_consumer();
    past_next_.clear();
  }
  Offsets fresh;
  for (const auto& [partition, range] : ranges) {
    if (past_next_.insert_or_assign(partition, range.to).second) {
      fresh[partition] = range.from;
    }
  }
  past_->add(fresh);
  return std::make_unique<MessageReader>(layout_, *past_, ranges, malformed);
}

void KafkaSource::committed(const Json& offsets) {
  past_.reset();
  past_next_.clear();
  if (live_ == nullptr) {
    return;
  }
  if (const auto lost = live_->take_lost(); lost > 0) {
    log_.warn("{} offsets were gone before they could be read", lost);
  }
  Offsets ends;
  for (const auto& [partition, range] : ranges_of(offsets)) {
    ends[partition] = range.to;
  }
  live_->commit(ends);
}

Slices KafkaSource::history() {
  return [this, at = first_]() mutable -> std::optional<Slice> {
    Ranges ranges;
    for (auto& [partition, from] : at) {
      const auto next = next_.find(partition);
      if (next != next_.end() && next->second > from) {
        ranges[partition] = {from, next->second};
      }
    }
    ranges = limited(ranges, kHistoryOffsets);
    for (const auto& [partition, range] : ranges) {
      at[partition] = range.to;
    }
    return ranges.empty() ? std::nullopt : std::optional(slice_of(ranges));
  };
}

void KafkaSource::stop_at_present() {
  start();
  Offsets times;
  for (const auto& [partition, offset] : next_) {
    times[partition] = Consumer::kLatest;
  }
  ends_ = live_->offsets_at(times);
}

void KafkaSource::wait(std::stop_token stop, Steady::time_point until) {
  start();
  if (few_since_) {
    until = std::min(until, *few_since_ + options_.max_trigger_delay);
  }
  // With nothing there, one message is news.
  const auto enough = few_since_ ? options_.min_offsets_per_trigger : 1;
  live_->wait(stop, std::min(until, next_discovery_), std::max<std::int64_t>(enough, 1));
}

}  // namespace millrace::kafka
