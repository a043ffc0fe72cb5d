#include "connectors/kafka/sink.h"

#include <fmt/format.h>

#include <atomic>
#include <utility>

#include "base/fault.h"
#include "base/files.h"
#include "base/strings.h"

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

std::optional<std::string_view> bytes_at(const Chunk& chunk, int column, std::size_t row) {
  if (column < 0 || chunk.columns[static_cast<std::size_t>(column)].is_null(row)) {
    return std::nullopt;
  }
  return chunk.columns[static_cast<std::size_t>(column)].string(row);
}

}  // namespace

/// One transaction, from its first writer to its end.
class KafkaSink::Batch final : public SinkBatch {
 public:
  Batch(KafkaSink& sink, std::int64_t id) : sink_(sink), id_(id), again_(sink.has_published(id)) {}
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
        encoder_(batch.sink_.make_encoder()),
        fields_(batch.sink_.columns_.fields.size()) {}

  void write(const Chunk& chunk) override {
    if (!batch_.again_ && !begun_) {
      batch_.begin();
      begun_ = true;
    }
    const Columns& columns = batch_.sink_.columns_;
    std::int64_t bytes = 0;
    for (std::size_t f = 0; f < fields_.size(); ++f) {
      fields_[f] = chunk.columns[columns.fields[f]];
    }
    for (std::size_t row = 0; row < chunk.rows && !batch_.again_; ++row) {
      Outgoing message;
      message.key = bytes_at(chunk, columns.key, row);
      message.value = encoder_ == nullptr ? bytes_at(chunk, columns.value, row)
                                          : encoded({.rows = chunk.rows, .columns = fields_}, row);
      if (columns.partition >= 0) {
        const auto& column = chunk.columns[static_cast<std::size_t>(columns.partition)];
        if (!column.is_null(row)) {
          message.partition = column.values<std::int32_t>()[row];
        }
      }
      if (columns.timestamp >= 0) {
        const auto& column = chunk.columns[static_cast<std::size_t>(columns.timestamp)];
        if (!column.is_null(row)) {
          message.timestamp_ms = column.values<std::int64_t>()[row] / 1000;
        }
      }
      bytes += static_cast<std::int64_t>(message.key.value_or("").size() +
                                         message.value.value_or("").size());
      if (!batch_.sink_.producer_->send(message)) {
        throw Error(Blame::external,
                    fmt::format("sink {}: a message is larger than {} takes; raise "
                                "`librdkafka: {{ message.max.bytes: ... }}` and the topic's "
                                "max.message.bytes",
                                batch_.sink_.name_, batch_.sink_.options_.topic));
      }
    }
    batch_.rows_ += static_cast<std::int64_t>(chunk.rows);
    batch_.bytes_ += bytes;
  }
  void finish() override {}

 private:
  std::string_view encoded(const Chunk& fields, std::size_t row) {
    record_.clear();
    if (const auto why = encoder_->encode(fields, row, record_)) {
      throw Error(Blame::external, fmt::format("sink {}: column {} of a row can't be written: {}",
                                               batch_.sink_.name_, why->column, why->reason));
    }
    return record_;
  }

  Batch& batch_;
  std::unique_ptr<RecordEncoder> encoder_;  // nullptr: values are raw
  std::vector<ColumnView> fields_;
  std::string record_;
  bool begun_ = false;
};

std::unique_ptr<SinkWriter> KafkaSink::Batch::writer() { return std::make_unique<Writer>(*this); }

KafkaSink::KafkaSink(std::string name, ConnectionOptions connection, SinkOptions options)
    : name_(std::move(name)),
      connection_(std::move(connection)),
      options_(std::move(options)),
      troubles_(name_) {}
KafkaSink::~KafkaSink() = default;

SinkTraits KafkaSink::traits() const {
  return {.append = true,
          .update = true,
          .complete = false,
          .preferred_for_tables = OutputMode::update,
          .guarantee = is_transactional()
                           ? "exactly once for readers of committed messages: a transaction a "
                             "batch, and the batch's number in it"
                           : "at least once: a batch that is repeated is written again"};
}

KafkaSink::Columns KafkaSink::find_columns(const Schema& schema) const {
  Columns columns;
  const auto find = [&](const char* what, const std::string& name, std::string_view type) {
    const int at = schema.find(name);
    if (at < 0) {
      return -1;
    }
    const auto& column = schema.columns[static_cast<std::size_t>(at)];
    if (column.type != type && !(type == "BLOB" && column.type == "VARCHAR")) {
      throw Error(Blame::user, fmt::format("sink {}: the {} of messages must be {}, and column {} "
                                           "is {}; cast it in the dataset",
                                           name_, what, type, name, column.type));
    }
    return at;
  };
  columns.key = find("key", options_.key_column, "BLOB");
  columns.partition = find("partition", "partition", "INTEGER");
  columns.timestamp = find("timestamp", "timestamp", "TIMESTAMP WITH TIME ZONE");
  if (options_.records.kind != formats::Kind::raw) {
    for (int c = 0; std::cmp_less(c, schema.size()); ++c) {
      if (c != columns.key && c != columns.partition && c != columns.timestamp) {
        columns.fields.push_back(static_cast<std::size_t>(c));
        columns.schema.columns.push_back(schema.columns[columns.fields.back()]);
      }
    }
    return columns;
  }
  columns.value = find("value", "value", "BLOB");
  if (columns.value < 0) {
    throw Error(Blame::user,
                fmt::format("sink {}: with `format: raw` there must be a column `value`, and there "
                            "may be `key`, `partition` and `timestamp`; there are: {}",
                            name_, schema.text()));
  }
  return columns;
}

void KafkaSink::open(const SinkStart& start) {
  columns_ = find_columns(start.schema);
  if (!options_.records.schema_file.empty()) {
    schema_json_ = read_file(options_.records.schema_file);
  }
  (void)make_encoder();  // for what it refuses
  checkpoint_ = start.checkpoint;
  producer_ = std::make_unique<Producer>(
      connection_,
      Producer::Settings{
          .topic = options_.topic,
          .transactional_id =
              is_transactional() ? fmt::format("millrace-{}-{}", start.pipeline, name_) : "",
          .compression = options_.compression},
      troubles_);
  if (!is_transactional()) {
    return;
  }
  const auto note = producer_->init();
  published_ = note ? batch_of(*note, checkpoint_) : std::nullopt;
}

std::unique_ptr<RecordEncoder> KafkaSink::make_encoder() const {
  return formats::make_encoder(options_.records, columns_.schema, schema_json_);
}

bool KafkaSink::has_published(std::int64_t batch) const {
  return published_ && batch <= *published_;
}

std::unique_ptr<SinkBatch> KafkaSink::begin(std::int64_t batch) {
  return std::make_unique<Batch>(*this, batch);
}

}  // namespace millrace::kafka
