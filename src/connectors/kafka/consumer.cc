#include "connectors/kafka/consumer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <regex>
#include <utility>

namespace millrace::kafka {

namespace {

// What a request to the cluster may take. librdkafka tries again by itself in that time.
constexpr int kRequestMs = 30'000;
constexpr int kPollMs = 50;
constexpr std::size_t kPollMessages = 4096;
// A partition with so much in the buffer waits while a reader wants another one.
constexpr std::int64_t kPlentyBytes = 4LL << 20;

PartitionListHandle list_of(const Offsets& offsets) {
  PartitionListHandle list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const auto& [partition, offset] : offsets) {
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.number)
        ->offset = offset;
  }
  return list;
}

Partition partition_of(const rd_kafka_message_t& message) {
  return {rd_kafka_topic_name(message.rkt), message.partition};
}

std::int64_t bytes_of(const rd_kafka_message_t& message) {
  // And what librdkafka keeps beside them.
  return static_cast<std::int64_t>(message.len + message.key_len) + 128;
}

}  // namespace

Consumer::Consumer(const ConnectionOptions& connection, Settings settings, Troubles& troubles)
    : settings_(std::move(settings)), troubles_(troubles) {
  Config config(connection);
  config.set("group.id", settings_.group)
      .set("enable.auto.commit", "false")
      .set("enable.auto.offset.store", "false")
      .set("auto.offset.reset", "error")
      .set("enable.partition.eof", "true")
      .set("isolation.level", settings_.read_uncommitted ? "read_uncommitted" : "read_committed")
      .set("topic.metadata.refresh.interval.ms", "30000")
      .set("fetch.wait.max.ms", "100");
  const auto set_default = [&](const char* name, const std::string& value) {
    if (!connection.librdkafka.contains(name)) {
      config.set(name, value);
    }
  };
  // librdkafka's own buffer comes before ours.
  set_default("queued.max.messages.kbytes",
              std::to_string(std::max<std::int64_t>(settings_.buffer_bytes / 4096, 1024)));
  set_default("queued.min.messages", "1000000");
  client_ = std::move(config).make(RD_KAFKA_CONSUMER, troubles_);
  if (const auto code = rd_kafka_poll_set_consumer(client_.get()); code != 0) {
    throw error_of("making a consumer", code);
  }
  queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
}

Consumer::~Consumer() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  buffers_.clear();  // before the client that the messages are of
  queue_.reset();
}

std::vector<Partition> Consumer::partitions(const std::vector<std::string>& topics,
                                            const std::string& pattern) const {
  const rd_kafka_metadata_t* raw = nullptr;
  if (const auto code = rd_kafka_metadata(client_.get(), 1, nullptr, &raw, kRequestMs); code != 0) {
    throw error_of("asking for topics", code, troubles_.last());
  }
  const MetadataHandle metadata(raw);
  troubles_.over();
  const std::regex matcher(pattern);
  std::vector<Partition> found;
  for (const auto& topic :
       std::span(metadata->topics, static_cast<std::size_t>(metadata->topic_cnt))) {
    const std::string name = topic.topic;
    const bool named = std::ranges::find(topics, name) != topics.end();
    if (topic.err == 0 && (named || (!pattern.empty() && std::regex_match(name, matcher)))) {
      for (int i = 0; i < topic.partition_cnt; ++i) {
        found.push_back({name, topic.partitions[i].id});
      }
    }
  }
  return found;
}

Offsets Consumer::offsets_at(const Offsets& times_ms) const {
  Offsets found;
  Offsets by_time;
  for (const auto& [partition, time] : times_ms) {
    if (time != kEarliest && time != kLatest) {
      by_time[partition] = time;
      continue;
    }
    std::int64_t low = 0;
    std::int64_t high = 0;
    const auto code = rd_kafka_query_watermark_offsets(client_.get(), partition.topic.c_str(),
                                                       partition.number, &low, &high, kRequestMs);
    if (code != 0) {
      throw error_of(
          fmt::format("asking for the offsets of {}/{}", partition.topic, partition.number), code,
          troubles_.last());
    }
    found[partition] = time == kEarliest ? low : high;
  }
  if (by_time.empty()) {
    return found;
  }
  const auto list = list_of(by_time);
  if (const auto code = rd_kafka_offsets_for_times(client_.get(), list.get(), kRequestMs);
      code != 0) {
    throw error_of("asking for the offsets of a time", code, troubles_.last());
  }
  Offsets none;
  for (const auto& each : std::span(list->elems, static_cast<std::size_t>(list->cnt))) {
    (each.offset >= 0 ? found : none)[{each.topic, each.partition}] =
        each.offset >= 0 ? each.offset : kLatest;
  }
  found.merge(none.empty() ? Offsets() : offsets_at(none));
  return found;
}

void Consumer::add(const Offsets& from) {
  {
    const std::lock_guard guard(lock_);
    for (const auto& [partition, offset] : from) {
      Buffer& buffer = buffers_[partition];
      buffer.from = buffer.end = offset;
    }
  }
  assign(from);
  if (!thread_.joinable()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
}

void Consumer::assign(const Offsets& from) {
  const auto list = list_of(from);
  if (const ErrorHandle error{rd_kafka_incremental_assign(client_.get(), list.get())}) {
    throw error_of("fetching partitions", rd_kafka_error_code(error.get()),
                   rd_kafka_error_string(error.get()));
  }
}

void Consumer::run(const std::stop_token& stop) {
  std::vector<rd_kafka_message_t*> got(kPollMessages);
  while (!stop.stop_requested()) {
    {
      std::unique_lock guard(lock_);
      changed_.wait(guard, stop,
                    [this] { return bytes_ < settings_.buffer_bytes || reader_waits_; });
    }
    // The first one is waited for; a batch would be, too, until it is full.
    got[0] = rd_kafka_consume_queue(queue_.get(), kPollMs);
    if (got[0] == nullptr) {
      continue;
    }
    const auto more = rd_kafka_consume_batch_queue(queue_.get(), 0, got.data() + 1, got.size() - 1);
    const std::lock_guard guard(lock_);
    for (auto* message : std::span(got).first(1 + static_cast<std::size_t>(std::max(more, 0L)))) {
      dispatch(MessageHandle(message));
    }
    changed_.notify_all();
  }
}

void Consumer::dispatch(MessageHandle message) {
  if (message->err != 0 && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    handle_error(*message);
    return;
  }
  const auto found = buffers_.find(partition_of(*message));
  if (found == buffers_.end()) {
    return;
  }
  Buffer& buffer = found->second;
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    buffer.end = std::max(buffer.end, message->offset);
    return;
  }
  if (message->offset < buffer.end) {
    return;  // once more, after a pause
  }
  troubles_.over();
  buffer.end = message->offset + 1;
  buffer.bytes += bytes_of(*message);
  bytes_ += bytes_of(*message);
  buffer.messages.push_back(std::move(message));
}

void Consumer::handle_error(const rd_kafka_message_t& message) {
  const char* said = rd_kafka_message_errstr(&message);
  if (message.rkt == nullptr) {
    troubles_.note(message.err, said);
    return;
  }
  const Partition partition = partition_of(message);
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      handle_loss(partition, said);
      return;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      failed_ = error_of(fmt::format("reading {}/{}", partition.topic, partition.number),
                         message.err, said);
      return;
    default:
      troubles_.note(message.err, said);
  }
}

void Consumer::handle_loss(const Partition& partition, std::string_view reason) {
  const auto found = buffers_.find(partition);
  if (found == buffers_.end()) {
    return;
  }
  const auto at = found->second.end;
  if (settings_.on_data_loss == OnDataLoss::fail) {
    failed_ = Error(
        Blame::external,
        fmt::format("offset {} of {}/{} is gone ({}): retention has passed it, or the topic was "
                    "deleted or made anew; to go on with what is there, and count what is lost, "
                    "set `on_data_loss: continue`",
                    at, partition.topic, partition.number, reason));
    return;
  }
  troubles_.note(RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
                 fmt::format("offset {} of {}/{} is gone ({})", at, partition.topic,
                             partition.number, reason));
  std::int64_t low = 0;
  std::int64_t high = 0;
  if (rd_kafka_query_watermark_offsets(client_.get(), partition.topic.c_str(), partition.number,
                                       &low, &high, kRequestMs) != 0) {
    return;  // librdkafka will say so again
  }
  lost_ += std::max<std::int64_t>(low - at, 0);
  found->second.end = low;
  const auto list = list_of({{partition, low}});
  (void)ErrorHandle(rd_kafka_incremental_unassign(client_.get(), list.get()));
  (void)ErrorHandle(rd_kafka_incremental_assign(client_.get(), list.get()));
}

Ranges Consumer::buffered() const {
  const std::lock_guard guard(lock_);
  rethrow();
  Ranges ranges;
  for (const auto& [partition, buffer] : buffers_) {
    if (!buffer.messages.empty()) {
      ranges[partition] = {buffer.from, buffer.end};
    }
  }
  return ranges;
}

Offsets Consumer::lag() const {
  const std::lock_guard guard(lock_);
  Offsets lag;
  for (const auto& [partition, buffer] : buffers_) {
    std::int64_t low = 0;
    std::int64_t high = 0;
    if (rd_kafka_get_watermark_offsets(client_.get(), partition.topic.c_str(), partition.number,
                                       &low, &high) == 0 &&
        high >= 0) {
      lag[partition] = std::max<std::int64_t>(high - buffer.from, 0);
    }
  }
  return lag;
}

bool Consumer::take(const Partition& partition, const Range& range, std::size_t most,
                    std::vector<MessageHandle>& into, const std::stop_token& stop) {
  std::unique_lock guard(lock_);
  Buffer& buffer = buffers_.at(partition);
  const auto is_there = [&] {
    return failed_.has_value() || !buffer.messages.empty() || buffer.end >= range.to;
  };
  while (!is_there()) {
    make_room(partition);
    reader_waits_ = true;
    changed_.notify_all();
    changed_.wait(guard, stop, is_there);
    reader_waits_ = false;
    if (stop.stop_requested()) {
      return false;
    }
  }
  rethrow();
  std::size_t taken = 0;
  while (taken < most && !buffer.messages.empty() && buffer.messages.front()->offset < range.to) {
    auto& message = buffer.messages.front();
    buffer.bytes -= bytes_of(*message);
    bytes_ -= bytes_of(*message);
    buffer.from = message->offset + 1;
    into.push_back(std::move(message));
    buffer.messages.pop_front();
    taken++;
  }
  const bool at_end = buffer.messages.empty() ? buffer.end >= range.to
                                              : buffer.messages.front()->offset >= range.to;
  if (at_end) {
    buffer.from = std::max(buffer.from, range.to);
  }
  if (bytes_ < settings_.buffer_bytes) {
    resume_all();
  }
  changed_.notify_all();
  return !at_end;
}

void Consumer::make_room(const Partition& wanted) {
  std::vector<Partition> plenty;
  for (const auto& [partition, buffer] : buffers_) {
    if (partition != wanted && !buffer.paused && buffer.bytes > kPlentyBytes) {
      plenty.push_back(partition);
    }
  }
  set_paused(plenty, true);
  if (buffers_.at(wanted).paused) {
    set_paused({wanted}, false);
  }
}

void Consumer::resume_all() {
  std::vector<Partition> paused;
  for (const auto& [partition, buffer] : buffers_) {
    if (buffer.paused) {
      paused.push_back(partition);
    }
  }
  set_paused(paused, false);
}

void Consumer::set_paused(const std::vector<Partition>& which, bool paused) {
  if (which.empty()) {
    return;
  }
  Offsets offsets;
  for (const auto& partition : which) {
    buffers_.at(partition).paused = paused;
    offsets[partition] = 0;
  }
  const auto list = list_of(offsets);
  (void)(paused ? rd_kafka_pause_partitions(client_.get(), list.get())
                : rd_kafka_resume_partitions(client_.get(), list.get()));
}

void Consumer::wait(const std::stop_token& stop, std::chrono::steady_clock::time_point until,
                    std::int64_t messages) const {
  std::unique_lock guard(lock_);
  changed_.wait_until(guard, stop, until, [&] {
    std::int64_t count = 0;
    for (const auto& [partition, buffer] : buffers_) {
      count += static_cast<std::int64_t>(buffer.messages.size());
    }
    return failed_.has_value() || count >= messages;
  });
}

Offsets Consumer::places() const {
  const std::lock_guard guard(lock_);
  Offsets places;
  for (const auto& [partition, buffer] : buffers_) {
    places[partition] = buffer.from;
  }
  return places;
}

void Consumer::commit(const Offsets& offsets) const {
  const auto list = list_of(offsets);
  (void)rd_kafka_commit(client_.get(), list.get(), /*async=*/1);
}

bool Consumer::has_reached(const Offsets& ends) const {
  const std::lock_guard guard(lock_);
  rethrow();
  return std::ranges::all_of(ends, [this](const auto& end) {
    const auto found = buffers_.find(end.first);
    return found == buffers_.end() || found->second.end >= end.second;
  });
}

std::int64_t Consumer::take_lost() {
  const std::lock_guard guard(lock_);
  return std::exchange(lost_, 0);
}

void Consumer::rethrow() const {
  if (failed_) {
    throw *failed_;
  }
}

}  // namespace millrace::kafka
