#include "connectors/kafka/reader.h"

#include <ranges>

namespace millrace::kafka {

namespace {

/// nullopt for a key or value that the message does not have; an empty one is something else.
std::optional<std::string_view> bytes_of(const void* bytes, std::size_t size) {
  return bytes == nullptr ? std::nullopt
                          : std::optional(std::string_view(static_cast<const char*>(bytes), size));
}

void read_headers(const rd_kafka_message_t& message, std::vector<Record::Header>& to) {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != 0) {
    return;
  }
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == 0; ++i) {
    to.push_back({.name = name, .value = bytes_of(value, size)});
  }
}

Record record_of(const rd_kafka_message_t& message) {
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  return {.topic = rd_kafka_topic_name(message.rkt),
          .partition = message.partition,
          .offset = message.offset,
          .timestamp_ms = rd_kafka_message_timestamp(&message, &type),
          .key = bytes_of(message.key, message.key_len),
          .value = bytes_of(message.payload, message.len),
          .headers = [&message](auto& to) { read_headers(message, to); }};
}

Record record_of(const MalformedRow& kept) {
  Record record{.value = kept.raw};
  if (kept.message) {
    const auto& message = *kept.message;
    record.topic = message.topic;
    record.partition = message.partition;
    record.offset = message.offset;
    record.timestamp_ms = message.timestamp_ms;
    record.key = message.key;
  }
  record.headers = [&kept](std::vector<Record::Header>& to) {
    if (kept.message) {
      for (const auto& [name, value] : kept.message->headers) {
        to.push_back({.name = name, .value = value});
      }
    }
  };
  return record;
}

}  // namespace

MessageReader::MessageReader(const RowLayout& layout, Consumer& consumer, const Ranges& ranges,
                             MalformedReceiver& malformed)
    : layout_(layout),
      consumer_(consumer),
      malformed_(malformed),
      rows_(layout, malformed),
      ranges_(ranges.rbegin(), ranges.rend()) {}

MessageReader::MessageReader(const RowLayout& layout, Consumer& consumer,
                             std::vector<MessageHandle> messages, MalformedReceiver& malformed)
    : layout_(layout),
      consumer_(consumer),
      malformed_(malformed),
      rows_(layout, malformed),
      messages_(std::move(messages)) {}

std::vector<std::unique_ptr<RowReader>> MessageReader::split(std::int64_t rows) const {
  std::int64_t count = 0;
  const Ranges buffered = consumer_.buffered();
  for (const auto& [partition, range] : ranges_) {
    const auto there = buffered.find(partition);
    if (there == buffered.end() || there->second.to < range.to) {
      return {};
    }
    count += range.count();
  }
  if (count <= rows) {
    return {};
  }
  std::vector<std::unique_ptr<RowReader>> parts;
  std::vector<MessageHandle> part;
  const auto close = [&] {
    parts.push_back(std::unique_ptr<RowReader>(
        new MessageReader(layout_, consumer_, std::exchange(part, {}), malformed_)));
  };
  for (const auto& [partition, range] : std::views::reverse(ranges_)) {
    const auto room = [&] { return static_cast<std::size_t>(rows) - part.size(); };
    while (consumer_.take(partition, range, room(), part)) {
      close();
    }
    if (room() == 0) {
      close();
    }
  }
  if (!part.empty() || parts.empty()) {
    close();
  }
  return parts;
}

bool MessageReader::fetch() {
  messages_.clear();
  at_ = 0;
  while (!ranges_.empty() && messages_.empty()) {
    const auto& [partition, range] = ranges_.back();
    if (!consumer_.take(partition, range, kChunkRows, messages_)) {
      ranges_.pop_back();
    }
  }
  return !messages_.empty();
}

std::size_t MessageReader::read(ChunkWriter& to) {
  rows_.begin(to);
  std::size_t row = 0;
  while (row < kChunkRows && (at_ < messages_.size() || fetch())) {
    const MessageHandle message = std::move(messages_[at_++]);
    row += rows_.add(record_of(*message), row) ? 1 : 0;
  }
  return row;
}

std::size_t KeptReader::read(ChunkWriter& to) {
  rows_.begin(to);
  std::size_t row = 0;
  while (row < kChunkRows) {
    const auto kept = kept_();
    if (!kept) {
      break;
    }
    row += rows_.add(record_of(*kept), row) ? 1 : 0;
  }
  return row;
}

}  // namespace millrace::kafka
