#include "connectors/kafka/consumer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <regex>
#include <tuple>
#include <utility>

namespace millrace::kafka {

namespace {

using Steady = std::chrono::steady_clock;

constexpr int kPollMs = 50;
constexpr std::size_t kPollMessages = 4096;
// A partition with so much in the buffer waits while a reader wants another one.
constexpr std::int64_t kPlentyBytes = 4LL << 20;
// A mean of messages is of about so many.
constexpr double kMeanOf = 1000;
constexpr auto kLastCommits = std::chrono::milliseconds(500);
// Between two questions, and between two looks at whether a stop was requested.
constexpr auto kPause = std::chrono::milliseconds(100);

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
      .suggest("topic.metadata.refresh.interval.ms", "30000")
      .suggest("fetch.wait.max.ms", "100")
      // librdkafka's own buffer comes before ours. It takes a whole answer more than it should, of
      // so many bytes for each partition, which may be compressed.
      .suggest("queued.max.messages.kbytes",
               std::to_string(std::max<std::int64_t>(settings_.buffer_bytes / 8192, 1024)))
      .suggest("fetch.message.max.bytes",
               std::to_string(std::max<std::int64_t>(settings_.buffer_bytes / 64, 64L << 10U)))
      .suggest("queued.min.messages", "1000000")
      // While its buffer is full it looks again so often; by default only after a second.
      .suggest("fetch.queue.backoff.ms", "10");
  client_ = std::move(config).make(RD_KAFKA_CONSUMER, troubles_);
  if (const auto code = rd_kafka_poll_set_consumer(client_.get()); code != 0) {
    throw error_of("making a consumer", code);
  }
  queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
  commits_.reset(rd_kafka_queue_new(client_.get()));
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Consumer::~Consumer() {
  thread_.request_stop();
  thread_.join();
  buffers_.clear();  // before the client that the messages are of
  wait_for_commits();
  commits_.reset();
  queue_.reset();
  if (commits_under_way_ > 0) {
    // The end of a client waits for these answers, for a minute if the cluster is silent, and can't
    // be told not to: it is left to the end of the process, and calls
    // nobody meanwhile.
    std::ignore = client_.release();
  }
}

/// Waits a little for the group's answers, so that it knows of the last commit.
void Consumer::wait_for_commits() {
  const auto end = Steady::now() + kLastCommits;
  while (commits_under_way_ > 0 && Steady::now() < end) {
    take_commit_answers(kPollMs);
  }
}

void Consumer::take_commit_answers(int ms) {
  while (const EventHandle answer{rd_kafka_queue_poll(commits_.get(), ms)}) {
    commits_under_way_--;
  }
}

template <class Request>
void Consumer::ask(std::string_view what, std::chrono::milliseconds timeout,
                   const Request& request) const {
  const auto end = Steady::now() + timeout;
  Patience patience(settings_.stop, troubles_);
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Steady::now());
    const auto code = request(static_cast<int>(std::min(patience.next(), left).count()));
    if (code == 0) {
      troubles_.over();
      return;
    }
    patience.check();
    const Error error = error_of(what, code, troubles_.last());
    if (error.retry() == Retry::no || Steady::now() + kPause >= end) {
      throw error;
    }
    std::unique_lock guard(lock_);
    changed_.wait_for(guard, settings_.stop, kPause, [this] { return failed_.has_value(); });
    rethrow();
  }
}

std::vector<Partition> Consumer::partitions(const std::vector<std::string>& topics,
                                            const std::string& pattern,
                                            std::chrono::milliseconds timeout) const {
  const rd_kafka_metadata_t* raw = nullptr;
  ask("asking for topics", timeout,
      [&](int ms) { return rd_kafka_metadata(client_.get(), 1, nullptr, &raw, ms); });
  const MetadataHandle metadata(raw);
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

Offsets Consumer::offsets_at(const Offsets& times_ms, std::chrono::milliseconds timeout) const {
  Offsets found;
  Offsets by_time;
  for (const auto& [partition, time] : times_ms) {
    if (time != kEarliest && time != kLatest) {
      by_time[partition] = time;
      continue;
    }
    std::int64_t low = 0;
    std::int64_t high = 0;
    ask(fmt::format("asking for the offsets of {}/{}", partition.topic, partition.number), timeout,
        [&](int ms) {
          return rd_kafka_query_watermark_offsets(client_.get(), partition.topic.c_str(),
                                                  partition.number, &low, &high, ms);
        });
    found[partition] = time == kEarliest ? low : high;
  }
  if (by_time.empty()) {
    return found;
  }
  PartitionListHandle list;
  ask("asking for the offsets of a time", timeout, [&](int ms) {
    list = list_of(by_time);
    return rd_kafka_offsets_for_times(client_.get(), list.get(), ms);
  });
  Offsets none;
  for (const auto& each : std::span(list->elems, static_cast<std::size_t>(list->cnt))) {
    (each.offset >= 0 ? found : none)[{each.topic, each.partition}] =
        each.offset >= 0 ? each.offset : kLatest;
  }
  found.merge(none.empty() ? Offsets() : offsets_at(none, timeout));
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
}

void Consumer::assign(const Offsets& from) const {
  const auto list = list_of(from);
  if (const ErrorHandle error{rd_kafka_incremental_assign(client_.get(), list.get())}) {
    throw error_of("fetching partitions", rd_kafka_error_code(error.get()),
                   rd_kafka_error_string(error.get()));
  }
}

void Consumer::unassign(const Partition& partition) const {
  const auto list = list_of({{partition, 0}});
  (void)ErrorHandle(rd_kafka_incremental_unassign(client_.get(), list.get()));  // it was not there
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
    if (got[0] != nullptr) {
      const auto more =
          rd_kafka_consume_batch_queue(queue_.get(), 0, got.data() + 1, got.size() - 1);
      const std::lock_guard guard(lock_);
      const auto before = bytes_;
      for (auto* message : std::span(got).first(1 + static_cast<std::size_t>(std::max(more, 0L)))) {
        dispatch(MessageHandle(message));
      }
      if (bytes_ > before) {
        troubles_.over();
      }
      changed_.notify_all();
    }
    try {
      settle_losses();
    } catch (const Error& error) {
      const std::lock_guard guard(lock_);
      failed_ = error;
      changed_.notify_all();
    }
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
  if (message->offset < buffer.end || buffer.remade) {
    return;  // once more, after a pause; or of another life of the topic
  }
  buffer.end = message->offset + 1;
  const auto bytes = bytes_of(*message);
  buffer.bytes += bytes;
  bytes_ += bytes;
  mean_bytes_ += (static_cast<double>(message->len + message->key_len) + 1 - mean_bytes_) /
                 (mean_bytes_ == 0 ? 1 : kMeanOf);
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
      note_loss(partition, said);
      return;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      failed_ = error_of(fmt::format("reading {}/{}", partition.topic, partition.number),
                         message.err, said);
      return;
    default:
      troubles_.note(message.err, said);
  }
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

bool Consumer::take(const Partition& partition, const Range& range, std::size_t most,
                    std::vector<MessageHandle>& into) {
  std::unique_lock guard(lock_);
  Buffer& buffer = buffers_.at(partition);
  const auto is_over = [&] {
    return buffer.end >= range.to || buffer.remade.has_value() || buffer.is_gone;
  };
  const auto is_there = [&] {
    return failed_.has_value() || !buffer.messages.empty() || is_over();
  };
  for (Patience patience(settings_.stop, troubles_); !is_there(); patience.check()) {
    make_room(partition);
    reader_waits_ = true;
    changed_.notify_all();
    changed_.wait_for(guard, kPause, is_there);
    reader_waits_ = false;
  }
  rethrow();
  std::size_t taken = 0;
  while (taken < most && !buffer.messages.empty() && buffer.messages.front()->offset < range.to) {
    auto& message = buffer.messages.front();
    buffer.bytes -= bytes_of(*message);
    bytes_ -= bytes_of(*message);
    pass(buffer, message->offset + 1);
    into.push_back(std::move(message));
    buffer.messages.pop_front();
    taken++;
  }
  const bool at_end =
      buffer.messages.empty() ? is_over() : buffer.messages.front()->offset >= range.to;
  if (at_end) {
    if (buffer.end < range.to) {
      buffer.gaps.push_back({buffer.end, range.to});
      buffer.end = range.to;
    }
    pass(buffer, range.to);
  }
  if (bytes_ < settings_.buffer_bytes) {
    resume_all();
  }
  changed_.notify_all();
  return !at_end;
}

/// Everything before an offset was taken.
void Consumer::pass(Buffer& buffer, std::int64_t to) {
  to = std::max(buffer.from, to);
  for (const auto& gap : buffer.gaps) {
    lost_ += std::max<std::int64_t>(std::min(to, gap.to) - std::max(buffer.from, gap.from), 0);
  }
  std::erase_if(buffer.gaps, [&](const Range& gap) { return gap.to <= to; });
  buffer.from = to;
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
    return failed_.has_value() || count >= messages || bytes_ >= settings_.buffer_bytes;
  });
}

std::optional<std::int64_t> Consumer::mean_bytes() const {
  const std::lock_guard guard(lock_);
  return mean_bytes_ == 0 ? std::nullopt : std::optional(static_cast<std::int64_t>(mean_bytes_));
}

bool Consumer::is_full() const {
  const std::lock_guard guard(lock_);
  return bytes_ >= settings_.buffer_bytes;
}

Offsets Consumer::known_ends() const {
  const std::lock_guard guard(lock_);
  Offsets ends;
  for (const auto& [partition, buffer] : buffers_) {
    std::int64_t low = 0;
    std::int64_t high = 0;
    if (rd_kafka_get_watermark_offsets(client_.get(), partition.topic.c_str(), partition.number,
                                       &low, &high) == 0 &&
        high >= 0) {
      ends[partition] = high;
    }
  }
  return ends;
}

Offsets Consumer::places() const {
  const std::lock_guard guard(lock_);
  Offsets places;
  for (const auto& [partition, buffer] : buffers_) {
    places[partition] = buffer.from;
  }
  return places;
}

void Consumer::commit(const Offsets& offsets) {
  take_commit_answers(0);
  const auto list = list_of(offsets);
  if (rd_kafka_commit_queue(client_.get(), list.get(), commits_.get(), nullptr, nullptr) == 0) {
    commits_under_way_++;
  }
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
