#include "connectors/kafka/sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/fault.h"
#include "base/files.h"
#include "base/strings.h"
#include "connectors/kafka/registry.h"
#include "connectors/kafka/topic_admin.h"

namespace millrace::kafka {

namespace {

/// What a transaction notes: which batch of which life of the pipeline it is.
std::string note_of(const std::string& checkpoint, std::int64_t batch) {
  return fmt::format("{} {}", checkpoint, batch);
}

/// The batch of a note; nullopt: it is of another life.
std::optional<std::int64_t> batch_of(const std::string& note, const std::string& checkpoint) {
  return note.starts_with(checkpoint + " ")
             ? parse_integer(std::string_view(note).substr(checkpoint.size() + 1))
             : std::nullopt;
}

/// What a header has beside its name and value, at most.
constexpr std::size_t kHeaderBytes = 10;

/// nullptr: there is no such column, or it is NULL.
template <class T>
const T* value_at(const Chunk& chunk, int column, std::size_t row) {
  const auto at = static_cast<std::size_t>(column);
  return column < 0 || chunk.columns[at].is_null(row) ? nullptr
                                                      : chunk.columns[at].values<T>() + row;
}

std::optional<std::string_view> bytes_at(const Chunk& chunk, int column, std::size_t row) {
  const auto* text = value_at<StringRef>(chunk, column, row);
  return text == nullptr ? std::nullopt : std::optional(text->view());
}

std::size_t size_of(const Outgoing& message) {
  std::size_t bytes = message.key.value_or("").size() + message.value.value_or("").size();
  for (const auto& header : message.headers) {
    bytes += header.name.size() + header.value.value_or("").size() + kHeaderBytes;
  }
  return bytes;
}

/// What a batch of one message has beside its key and value, at most.
constexpr std::int64_t kRecordBytes = 128;

}  // namespace

/// One transaction, from its first writer to its end.
class KafkaSink::Batch final : public SinkBatch {
 public:
  Batch(KafkaSink& sink, std::int64_t id, MalformedReceiver& refused)
      : sink_(sink), refused_(refused), id_(id), again_(sink.has_published(id)) {}
  ~Batch() override {
    if (begun_ && !published_ && sink_.is_transactional()) {
      sink_.producer_->abort();
    }
    end();
  }

  std::unique_ptr<SinkWriter> writer() override;
  void stage() override {
    if (begun_) {
      sink_.producer_->flush();
    }
  }
  void publish() override {
    if (begun_ && sink_.is_transactional() && !published_) {
      sink_.producer_->commit(note_of(sink_.checkpoint_, id_));
      fault_point("kafka.after_commit");
    }
    published_ = true;
    end();
  }
  [[nodiscard]] SinkStats stats() const override {
    return {.rows = rows_, .bytes = bytes_, .files = 0};
  }

 private:
  friend class Writer;

  void begin() {
    std::unique_lock guard(sink_.lock_);
    sink_.changed_.wait(guard, [&] { return sink_.writing_ == nullptr || sink_.writing_ == this; });
    if (std::exchange(sink_.writing_, this) == this) {
      return;  // another writer of this batch was first
    }
    if (sink_.is_transactional()) {
      sink_.producer_->begin();
    }
    begun_ = true;
  }
  void end() {
    const std::lock_guard guard(sink_.lock_);
    if (sink_.writing_ == this) {
      sink_.writing_ = nullptr;
      sink_.changed_.notify_all();
    }
  }

  KafkaSink& sink_;
  MalformedReceiver& refused_;
  std::int64_t id_;
  bool again_;  // its rows are in the topic already
  bool begun_ = false;
  bool published_ = false;
  std::atomic<std::int64_t> rows_ = 0;
  std::atomic<std::int64_t> bytes_ = 0;
};

class KafkaSink::Writer final : public SinkWriter {
 public:
  explicit Writer(Batch& batch)
      : batch_(batch),
        sink_(batch.sink_),
        value_(sink_.part_encoder(sink_.options_.records, sink_.columns_.value_fields,
                                  sink_.value_writer_)),
        key_(sink_.part_encoder(sink_.options_.key, sink_.columns_.key_fields, sink_.key_writer_)),
        refused_(sink_.refusing_, batch.refused_) {}

  void write(const Chunk& chunk) override {
    if (!batch_.again_ && !begun_) {
      batch_.begin();
      begun_ = true;
    }
    for (auto* part : {&value_, &key_}) {
      if (*part) {
        (*part)->begin(chunk);
      }
    }
    rows_ = bytes_ = 0;
    for (std::size_t row = 0; row < chunk.rows; ++row) {
      write_row(chunk, row);
    }
    batch_.rows_ += rows_;
    batch_.bytes_ += bytes_;
  }
  void finish() override {}

 private:
  void write_row(const Chunk& chunk, std::size_t row) {
    const MessageColumns& columns = sink_.columns_;
    Outgoing message;
    auto why = encode(key_, chunk, columns.key, row, message.key);
    const auto* deleted = value_at<bool>(chunk, columns.deleted, row);
    const bool is_tombstone = deleted != nullptr && *deleted;
    if (!why && is_tombstone && !message.key) {
      why = {.column = "", .reason = "a deleted row has no key, by which it could be deleted"};
    }
    if (!why && !is_tombstone) {
      why = encode(value_, chunk, columns.value, row, message.value);
    }
    headers_.clear();
    if (!why && columns.headers >= 0) {
      const auto at = static_cast<std::size_t>(columns.headers);
      why = read_headers(chunk.columns[at], "headers", row, headers_);
    }
    message.headers = headers_;
    if (const auto* partition = value_at<std::int32_t>(chunk, columns.partition, row)) {
      message.partition = *partition;
    }
    if (const auto* time_us = value_at<std::int64_t>(chunk, columns.timestamp, row)) {
      message.timestamp_ms = *time_us / 1000;
    }
    const auto bytes = size_of(message);
    if (!why && std::cmp_greater(bytes, sink_.max_message_bytes_)) {
      why = {.column = "",
             .reason = fmt::format("a message of {} bytes, and {} takes {}: raise "
                                   "`librdkafka: {{ message.max.bytes: ... }}` and the topic's "
                                   "max.message.bytes",
                                   bytes, sink_.options_.topic, sink_.max_message_bytes_)};
    }
    if (why) {
      refused_.add(chunk, row, *why);
      return;
    }
    if (!batch_.again_) {
      sink_.producer_->send(message);
    }
    rows_++;
    bytes_ += static_cast<std::int64_t>(bytes);
  }

  /// A key or value: what its format makes of it or, if it is raw, the bytes of its column.
  static std::optional<Malformation> encode(std::optional<PartEncoder>& encoder, const Chunk& chunk,
                                            int column, std::size_t row,
                                            std::optional<std::string_view>& to) {
    if (encoder) {
      return encoder->encode(row, to);
    }
    to = bytes_at(chunk, column, row);
    return std::nullopt;
  }

  Batch& batch_;
  const KafkaSink& sink_;
  std::optional<PartEncoder> value_;  // nullopt: values are raw
  std::optional<PartEncoder> key_;    // nullopt: keys are raw
  formats::RefusedRows refused_;
  std::vector<OutgoingHeader> headers_;
  std::int64_t rows_ = 0;
  std::int64_t bytes_ = 0;
  bool begun_ = false;
};

std::unique_ptr<SinkWriter> KafkaSink::Batch::writer() { return std::make_unique<Writer>(*this); }

KafkaSink::KafkaSink(std::string name, ConnectionOptions connection, SinkOptions options,
                     std::stop_token stop)
    : name_(std::move(name)),
      connection_(std::move(connection)),
      options_(std::move(options)),
      stop_(std::move(stop)),
      troubles_(name_) {}
KafkaSink::~KafkaSink() = default;

SinkTraits KafkaSink::traits() const {
  return {.append = true,
          .update = true,
          .complete = false,
          .deletes = true,
          .preferred_for_tables = OutputMode::update,
          .guarantee = is_transactional()
                           ? "exactly once for readers of committed messages: a transaction a "
                             "batch, and the batch's number in it"
                           : "at least once: a batch that is repeated is written again"};
}

std::string KafkaSink::target() const {
  return fmt::format("{} on {}", options_.topic, fmt::join(connection_.brokers, ","));
}

void KafkaSink::check_connection(const SinkStart* start, Findings& findings) {
  if (start != nullptr) {
    columns_ = find_columns(name_, options_, start->schema, start->delete_column);
  }
  const TopicAdmin admin(connection_, troubles_, stop_);
  if (!admin.has(options_.topic) && !options_.create_topic) {
    findings.error(fmt::format("there is no topic {}", options_.topic),
                   "make it, or have it made by `create_topic: true`");
  }
}

void KafkaSink::open(const SinkStart& start) {
  troubles_.tell(start.tell_trouble);
  refusing_ = {.name = name_,
               .origin = options_.topic,
               .schema = start.schema,
               .on_refused = options_.records.on_refused};
  columns_ = find_columns(name_, options_, start.schema, start.delete_column);
  value_writer_ = find_writer_schema(options_.records, columns_.value_fields);
  key_writer_ = find_writer_schema(options_.key, columns_.key_fields);
  find_topic();
  checkpoint_ = start.checkpoint;
  producer_ = std::make_unique<Producer>(
      connection_,
      Producer::Settings{
          .topic = options_.topic,
          .transactional_id =
              is_transactional() ? fmt::format("millrace-{}-{}", start.pipeline, name_) : "",
          .compression = options_.compression,
          .stop = stop_},
      troubles_);
  if (!is_transactional()) {
    return;
  }
  const auto note = producer_->init();
  published_ = note ? batch_of(*note, checkpoint_) : std::nullopt;
}

void KafkaSink::find_topic() {
  const TopicAdmin admin(connection_, troubles_, stop_);
  if (options_.create_topic &&
      admin.create(
          {.name = options_.topic,
           .partitions = static_cast<int>(options_.partitions.value_or(-1)),
           .replication_factor = static_cast<int>(options_.replication_factor.value_or(-1)),
           .config = options_.topic_config})) {
    Log().with("sink", name_).info("made topic {}", options_.topic);
  } else if (!options_.create_topic && !admin.has(options_.topic)) {
    throw Error(Blame::user, fmt::format("sink {}: there is no topic {}; make it, or have it made "
                                         "by `create_topic: true`",
                                         name_, options_.topic));
  }
  max_message_bytes_ = max_message_bytes(connection_);
  if (const auto of_topic = admin.max_message_bytes(options_.topic)) {
    max_message_bytes_ = std::min(max_message_bytes_, *of_topic - kRecordBytes);
  }
}

KafkaSink::WriterSchema KafkaSink::find_writer_schema(const formats::EncodingOptions& records,
                                                      const EncodedColumns& columns) const {
  const bool framed = records.framing == formats::Framing::confluent;
  WriterSchema writer;
  std::optional<SchemaRegistry> registry;
  if (framed) {
    registry.emplace(connection_.registry, stop_);
  }
  if (framed && !records.auto_register) {
    auto latest = registry->latest(records.subject);
    if (!latest) {
      throw Error(
          Blame::user,
          fmt::format("sink {}: the schema registry has no subject {}; register its schema, "
                      "or leave `auto_register_schemas: false` out",
                      name_, records.subject));
    }
    writer = {.schema = std::move(latest->schema), .id = latest->id};
  } else if (records.kind == formats::Kind::avro) {
    writer.schema = formats::writer_schema(
        records, columns.schema, records.schema_file.empty() ? "" : read_file(records.schema_file));
  }
  (void)part_encoder(records, columns, writer);  // for what it refuses, before it is registered
  if (framed && records.auto_register) {
    writer.id = registry->register_schema(records.subject, avro::to_json(*writer.schema).dump());
  }
  return writer;
}

std::optional<PartEncoder> KafkaSink::part_encoder(const formats::EncodingOptions& records,
                                                   const EncodedColumns& columns,
                                                   const WriterSchema& writer) const {
  auto encoder = formats::make_encoder(records, columns.schema, writer.schema, writer.id);
  if (encoder == nullptr) {
    return std::nullopt;
  }
  return PartEncoder(std::move(encoder), columns, records.kind == formats::Kind::string);
}

bool KafkaSink::has_published(std::int64_t batch) const {
  return published_ && batch <= *published_;
}

std::unique_ptr<SinkBatch> KafkaSink::begin(std::int64_t batch, MalformedReceiver& refused) {
  return std::make_unique<Batch>(*this, batch, refused);
}

}  // namespace millrace::kafka
