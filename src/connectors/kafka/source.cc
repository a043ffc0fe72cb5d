#include "connectors/kafka/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "connectors/kafka/source_layout.h"

namespace millrace::kafka {

namespace {

using Steady = std::chrono::steady_clock;

// Of a slice of the past; a person who stops a rebuild waits for one.
constexpr std::int64_t kHistoryOffsets = 500'000;

// A batch may wait so long for an answer, while it looks for new partitions.
constexpr auto kDiscovery = std::chrono::milliseconds(1000);

std::string text_of(const Ranges& ranges) {
  const auto count = count_of(ranges);
  return fmt::format("{} offset{} of {} partition{}", count, count == 1 ? "" : "s", ranges.size(),
                     ranges.size() == 1 ? "" : "s");
}

Slice slice_of(const Ranges& ranges) {
  Slice slice;
  slice.offsets = to_json(ranges);
  slice.text = text_of(ranges);
  return slice;
}

/// `end`: -1 if there is none.
std::string why_gone(std::int64_t end) {
  return end < 0 ? "there is no such partition any more" : fmt::format("it ends at {}", end);
}

Offsets at_time(const std::vector<Partition>& partitions, std::int64_t time_ms) {
  Offsets times;
  for (const auto& partition : partitions) {
    times[partition] = time_ms;
  }
  return times;
}

}  // namespace

KafkaSource::KafkaSource(std::string name, ConnectionOptions connection, SourceOptions options,
                         sql::Database* database, std::stop_token stop)
    : name_(std::move(name)),
      connection_(std::move(connection)),
      options_(std::move(options)),
      database_(database),
      stop_(std::move(stop)),
      log_(Log().with("source", name_)),
      troubles_(name_) {}

const Schema& KafkaSource::schema() {
  if (layout_.schema.empty()) {
    layout_ = make_layout({name_, so_far_}, options_, connection_, *database_, stop_, registry_);
  }
  return layout_.schema;
}

bool KafkaSource::grows() const {
  return options_.records.on_schema_change == formats::OnSchemaChange::add_columns;
}

Schema KafkaSource::found() const {
  const auto& columns = layout_.schema.columns;
  return {{columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(layout_.decoded)}};
}

std::unique_ptr<Consumer> KafkaSource::make_consumer() {
  return std::make_unique<Consumer>(
      connection_,
      Consumer::Settings{.group = options_.group_id,
                         .read_uncommitted = options_.read_uncommitted,
                         .buffer_bytes = options_.buffer.count,
                         .on_data_loss = options_.on_data_loss,
                         .stop = stop_},
      troubles_);
}

void KafkaSource::open(const std::optional<Json>& position) {
  if (position) {
    first_ = offsets_of(position->at("first"));
    next_ = offsets_of(position->at("next"));
  }
}

std::string KafkaSource::target() const {
  return fmt::format("{} on {}",
                     options_.topic.empty() ? options_.topic_pattern
                                            : fmt::format("{}", fmt::join(options_.topic, ", ")),
                     fmt::join(connection_.brokers, ","));
}

void KafkaSource::check_connection(const SourcePlace& /*place*/, Findings& findings) {
  (void)schema();
  const auto consumer = make_consumer();
  for (const auto& topic : options_.topic) {
    if (consumer->partitions({topic}, "").empty()) {
      findings.warning(fmt::format("there is no topic {}: a run would wait for it", topic),
                       "make it, or correct its name");
    }
  }
  if (options_.topic.empty() && consumer->partitions({}, options_.topic_pattern).empty()) {
    findings.warning(
        fmt::format("no topic fits {}: a run would wait for one", options_.topic_pattern));
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
  auto consumer = make_consumer();
  const bool is_fresh = next_.empty();
  const auto fresh = find_new(*consumer, Consumer::kRequest);
  const Offsets found = is_fresh ? starting_offsets(*consumer, fresh)
                                 : consumer->offsets_at(at_time(fresh, Consumer::kEarliest));
  next_.insert(found.begin(), found.end());
  first_.insert(found.begin(), found.end());
  if (is_fresh && !found.empty() && options_.start.time_ms != Consumer::kEarliest) {
    notes_beginning_ = true;
  }
  if (next_.empty()) {
    log_.warn("there is no topic {} yet; waiting for it",
              options_.topic.empty() ? "that fits " + options_.topic_pattern
                                     : fmt::format("{}", fmt::join(options_.topic, ", ")));
  }
  if (stops_at_present_) {
    find_ends(*consumer);
  }
  consumer->add(next_);
  live_ = std::move(consumer);
  next_discovery_ = Steady::now() + options_.discovery_interval;
}

std::vector<Partition> KafkaSource::find_new(const Consumer& consumer,
                                             std::chrono::milliseconds timeout) const {
  auto partitions = consumer.partitions(options_.topic, options_.topic_pattern, timeout);
  std::erase_if(partitions, [this](const auto& known) { return next_.contains(known); });
  return partitions;
}

Offsets KafkaSource::starting_offsets(const Consumer& consumer,
                                      const std::vector<Partition>& partitions) const {
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
  exact.merge(consumer.offsets_at(times));
  return exact;
}

void KafkaSource::discover() {
  if (Steady::now() < next_discovery_) {
    return;
  }
  next_discovery_ = Steady::now() + options_.discovery_interval;
  Offsets found;
  try {
    // What comes while the source runs is read from its beginning: nothing of it was there before.
    found =
        live_->offsets_at(at_time(find_new(*live_, kDiscovery), Consumer::kEarliest), kDiscovery);
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

void KafkaSource::begin_anew(const Offsets& from) {
  for (const auto& [partition, offset] : from) {
    log_.warn(
        "{}/{} was made anew: it has less than what was read, up to offset {}; it is now "
        "read from its beginning, offset {}",
        partition.topic, partition.number, next_.at(partition), offset);
    next_[partition] = first_[partition] = offset;
    if (ends_) {
      ends_->erase(partition);  // what was there is gone; what is there has come since
    }
  }
}

void KafkaSource::tell_lost(std::int64_t lost) const {
  if (lost > 0) {
    log_.warn("{} offsets were gone before they could be read", lost);
  }
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
  begin_anew(live_->take_remade());
  if (ends_) {
    // What is there at present is the end, and must not be missed because it is still on its way.
    Ranges ranges;
    for (const auto& [partition, end] : *ends_) {
      if (end > next_.at(partition)) {
        ranges[partition] = {next_.at(partition), end};
      }
    }
    ranges = with_beginning(limited(ranges, most_offsets()));
    has_planned_ = has_planned_ || !ranges.empty();
    return ranges.empty() ? std::nullopt : std::optional(slice_of(ranges));
  }
  discover();
  const Ranges there = live_->buffered();
  const Ranges ranges = with_beginning(limited(there, most_offsets()));
  if (ranges.empty() || is_too_few(there)) {
    return std::nullopt;
  }
  few_since_.reset();
  has_planned_ = true;
  return slice_of(ranges);
}

std::int64_t KafkaSource::most_offsets() {
  for (const auto* consumer : {live_.get(), past_.get()}) {
    if (consumer != nullptr) {
      mean_bytes_ = consumer->mean_bytes().value_or(mean_bytes_);
    }
  }
  return std::clamp<std::int64_t>(options_.max_bytes_per_trigger.count / mean_bytes_, 1,
                                  options_.max_offsets_per_trigger);
}

bool KafkaSource::is_too_few(const Ranges& there) {
  const auto enough = std::min(options_.min_offsets_per_trigger, most_offsets());
  if (count_of(there) >= enough || notes_beginning_ || live_->is_full()) {
    return false;
  }
  few_since_ = few_since_.value_or(Steady::now());
  return Steady::now() - *few_since_ < options_.max_trigger_delay;
}

void KafkaSource::advance(const Json& offsets) {
  for (const auto& [partition, range] : ranges_of(offsets)) {
    const auto [next, is_new] = next_.try_emplace(partition, range.from);
    if (is_new || range.from < next->second) {  // or made anew
      first_[partition] = range.from;
    }
    next->second = range.to;
  }
  notes_beginning_ = false;
}

SliceInput KafkaSource::read(const Json& offsets, MalformedReceiver& malformed) {
  Ranges ranges = ranges_of(offsets);
  const auto goes_on = [&](const Offsets& from) {
    return std::ranges::all_of(ranges, [&](const auto& range) {
      const auto at = from.find(range.first);
      return at != from.end() && at->second == range.second.from;
    });
  };
  // What an earlier process planned is read before the first plan().
  if (has_planned_ && goes_on(live_->places())) {
    return std::make_unique<MessageReader>(layout_, *live_, ranges, malformed);
  }
  if (past_ == nullptr || !goes_on(past_next_)) {
    past_.reset();
    past_ = make_consumer();
    past_next_.clear();
  }
  leave_out_remade(ranges);
  Offsets fresh;
  for (const auto& [partition, range] : ranges) {
    if (past_next_.insert_or_assign(partition, range.to).second) {
      fresh[partition] = range.from;
    }
  }
  past_->add(fresh);
  return std::make_unique<MessageReader>(layout_, *past_, ranges, malformed);
}

SliceInput KafkaSource::read_again(const MalformedRows& rows, const std::string& /*folder*/,
                                   MalformedReceiver& malformed) {
  return std::make_unique<KeptReader>(layout_, rows, malformed);
}

/// What was read before must still be there; offsets of a topic that was made anew are others.
void KafkaSource::leave_out_remade(Ranges& ranges) const {
  std::vector<Partition> partitions;
  for (const auto& [partition, range] : ranges) {
    partitions.push_back(partition);
  }
  const Offsets ends = ends_of(*past_, partitions);
  std::int64_t lost = 0;
  std::erase_if(ranges, [&](const auto& each) {
    const auto& [partition, range] = each;
    const auto end = ends.find(partition);
    if (end != ends.end() && end->second >= range.to) {
      return false;
    }
    if (options_.on_data_loss == OnDataLoss::fail) {
      throw gone_error(partition, range.from, why_gone(end == ends.end() ? -1 : end->second));
    }
    lost += range.count();
    return true;
  });
  tell_lost(lost);
}

/// The ends of those partitions that are still there.
Offsets KafkaSource::ends_of(const Consumer& consumer, std::vector<Partition> partitions) {
  std::vector<std::string> topics;
  topics.reserve(partitions.size());
  for (const auto& partition : partitions) {
    topics.push_back(partition.topic);
  }
  const auto there = consumer.partitions(topics, "");
  std::erase_if(partitions, [&](const auto& partition) {
    return std::ranges::find(there, partition) == there.end();
  });
  return consumer.offsets_at(at_time(partitions, Consumer::kLatest));
}

std::optional<Lag> KafkaSource::lag() const {
  if (live_ == nullptr) {
    return std::nullopt;
  }
  const Offsets ends = live_->known_ends();
  Offsets behind;
  Lag lag;
  for (const auto& [partition, end] : ends) {
    const auto next = next_.find(partition);
    if (next != next_.end()) {
      behind[partition] = std::max<std::int64_t>(end - next->second, 0);
      lag.total += behind[partition];
    }
  }
  lag.latest = to_json(ends);
  lag.behind = to_json(behind);
  return ends.empty() ? std::nullopt : std::optional(std::move(lag));
}

void KafkaSource::committed(const Json& offsets) {
  if (past_ != nullptr) {
    tell_lost(past_->take_lost());
  }
  past_.reset();
  past_next_.clear();
  if (live_ == nullptr) {
    return;
  }
  tell_lost(live_->take_lost());
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
    ranges = limited(ranges, std::min(most_offsets(), kHistoryOffsets));
    for (const auto& [partition, range] : ranges) {
      at[partition] = range.to;
    }
    return ranges.empty() ? std::nullopt : std::optional(slice_of(ranges));
  };
}

void KafkaSource::stop_at_present() {
  stops_at_present_ = true;
  live_.reset();
  start();
}

/// What is there at present is the end; what was made anew is read from its beginning up to there.
void KafkaSource::find_ends(const Consumer& consumer) {
  std::vector<Partition> partitions;
  for (const auto& [partition, next] : next_) {
    partitions.push_back(partition);
  }
  Offsets ends = ends_of(consumer, partitions);
  std::vector<Partition> remade;
  for (const auto& [partition, next] : next_) {
    const auto end = ends.find(partition);
    if (end != ends.end() && end->second >= next) {
      continue;
    }
    if (options_.on_data_loss == OnDataLoss::fail) {
      throw gone_error(partition, next, why_gone(end == ends.end() ? -1 : end->second));
    }
    if (end != ends.end()) {
      remade.push_back(partition);
    }
  }
  begin_anew(consumer.offsets_at(at_time(remade, Consumer::kEarliest)));
  ends_ = std::move(ends);
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
