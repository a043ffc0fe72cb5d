#include "connectors/kafka/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

namespace millrace::kafka {

namespace {

std::string_view text_of_bytes(const void* bytes, std::size_t size) {
  return {static_cast<const char*>(bytes), size};
}

bool has_list(const ColumnWriter& column) {
  return column.is_list() ||
         std::ranges::any_of(column.parts(), [](const auto* part) { return has_list(*part); });
}

/// NULL for a key or value that the message does not have; an empty one is something else.
void set_bytes(ColumnWriter& to, std::size_t row, const void* bytes, std::size_t size) {
  if (bytes == nullptr) {
    to.set_null(row);
  } else {
    to.set_string(row, text_of_bytes(bytes, size));
  }
}

void set_timestamp(ColumnWriter& to, std::size_t row, const rd_kafka_message_t& message) {
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const std::int64_t ms = rd_kafka_message_timestamp(&message, &type);
  if (ms < 0) {
    to.set_null(row);
  } else {
    to.values<std::int64_t>()[row] = ms * 1000;
  }
}

/// STRUCT("key" VARCHAR, "value" BLOB)[]: a name may come several times.
void set_headers(ColumnWriter& to, std::size_t row, const rd_kafka_message_t& message) {
  to.begin_list(row);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != 0) {
    return;
  }
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == 0; ++i) {
    const auto element = to.add_element(row);
    ColumnWriter& entry = *to.parts()[0];
    entry.parts()[0]->set_string(element, name);
    set_bytes(*entry.parts()[1], element, value, size);
  }
}

}  // namespace

Column column_of(Metadata what, std::string name) {
  const auto make = [&](const char* type) {
    return Column{std::move(name), type, physical_of(type)};
  };
  switch (what) {
    case Metadata::key:
    case Metadata::value:
      return make("BLOB");
    case Metadata::topic:
      return make("VARCHAR");
    case Metadata::partition:
      return make("INTEGER");
    case Metadata::offset:
      return make("BIGINT");
    case Metadata::timestamp:
      return make("TIMESTAMP WITH TIME ZONE");
    case Metadata::headers:
      break;
  }
  return make(R"(STRUCT("key" VARCHAR, "value" BLOB)[])");
}

MessageReader::MessageReader(const RowLayout& layout, Consumer& consumer, const Ranges& ranges,
                             MalformedReceiver& malformed)
    : layout_(layout),
      consumer_(consumer),
      malformed_(malformed),
      ranges_(ranges.rbegin(), ranges.rend()) {}

MessageReader::MessageReader(const RowLayout& layout, Consumer& consumer,
                             std::vector<MessageHandle> messages, MalformedReceiver& malformed)
    : layout_(layout), consumer_(consumer), malformed_(malformed), messages_(std::move(messages)) {}

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
  begin(to);
  std::size_t row = 0;
  while (row < kChunkRows && (at_ < messages_.size() || fetch())) {
    const MessageHandle message = std::move(messages_[at_++]);
    row += add(*message, row) ? 1 : 0;
  }
  return row;
}

void MessageReader::begin(ChunkWriter& to) {
  columns_.clear();
  has_lists_ = false;
  for (std::size_t c = 0; c < layout_.schema.size(); ++c) {
    columns_.push_back(to.column(c));
    has_lists_ = has_lists_ || (columns_.back() != nullptr && has_list(*columns_.back()));
  }
  if (layout_.decoder && decoder_ == nullptr) {
    decoder_ = layout_.decoder();
  }
  if (decoder_ != nullptr) {
    decoder_->begin(std::span(columns_).first(layout_.decoded));
  }
}

bool MessageReader::add(const rd_kafka_message_t& message, std::size_t row) {
  if (decoder_ != nullptr && message.payload == nullptr) {  // a tombstone
    for (std::size_t c = 0; c < layout_.decoded; ++c) {
      if (columns_[c] != nullptr) {
        columns_[c]->set_null(row);
      }
    }
  } else if (decoder_ != nullptr) {
    for (ColumnWriter* column : columns_) {
      if (has_lists_ && column != nullptr) {
        column->mark();
      }
    }
    if (const auto why = decoder_->decode(text_of_bytes(message.payload, message.len), row)) {
      for (ColumnWriter* column : columns_) {
        if (column != nullptr) {
          column->forget(row);
        }
      }
      refuse(message, *why);
      return false;
    }
  }
  add_metadata(message, row);
  return true;
}

void MessageReader::add_metadata(const rd_kafka_message_t& message, std::size_t row) {
  for (std::size_t i = 0; i < layout_.metadata.size(); ++i) {
    ColumnWriter* to = columns_[layout_.decoded + i];
    if (to == nullptr) {
      continue;
    }
    switch (layout_.metadata[i]) {
      case Metadata::key:
        set_bytes(*to, row, message.key, message.key_len);
        break;
      case Metadata::value:
        set_bytes(*to, row, message.payload, message.len);
        break;
      case Metadata::topic:
        to->set_string(row, rd_kafka_topic_name(message.rkt));
        break;
      case Metadata::partition:
        to->values<std::int32_t>()[row] = message.partition;
        break;
      case Metadata::offset:
        to->values<std::int64_t>()[row] = message.offset;
        break;
      case Metadata::timestamp:
        set_timestamp(*to, row, message);
        break;
      case Metadata::headers:
        set_headers(*to, row, message);
        break;
    }
  }
}

void MessageReader::refuse(const rd_kafka_message_t& message, const Malformation& why) {
  const char* topic = rd_kafka_topic_name(message.rkt);
  if (layout_.on_malformed == OnMalformed::fail) {
    throw Error(Blame::external,
                fmt::format("offset {} of {}/{} is malformed: {}{}{}; to put such messages aside, "
                            "set `on_malformed: quarantine`",
                            message.offset, topic, message.partition, why.column,
                            why.column.empty() ? "" : ": ", why.reason));
  }
  if (layout_.on_malformed == OnMalformed::drop) {
    malformed_.drop();
    return;
  }
  MalformedRow row;
  row.origin = fmt::format("{}/{}", topic, message.partition);
  row.line = message.offset;
  row.column = why.column;
  row.reason = why.reason;
  row.raw = text_of_bytes(message.payload, message.len);
  MalformedRow::Message of;
  of.topic = topic;
  of.partition = message.partition;
  of.offset = message.offset;
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  of.timestamp_ms = rd_kafka_message_timestamp(&message, &type);
  of.key = text_of_bytes(message.key, message.key_len);
  row.message = std::move(of);
  malformed_.add(row);
}

}  // namespace millrace::kafka
