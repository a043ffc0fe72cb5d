// Writes rows to a topic: a transaction a batch, so that who reads committed sees each row once.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "connectors/kafka/producer.h"
#include "core/format.h"
#include "core/sink.h"

namespace millrace::kafka {

class KafkaSink final : public Sink {
 public:
  KafkaSink(std::string name, ConnectionOptions connection, SinkOptions options);
  ~KafkaSink() override;

  [[nodiscard]] SinkTraits traits() const override;
  void open(const SinkStart& start) override;
  [[nodiscard]] std::unique_ptr<SinkBatch> begin(std::int64_t batch) override;
  [[nodiscard]] bool has_published(std::int64_t batch) const override;

 private:
  class Batch;
  class Writer;

  /// Where a message's parts are among the columns; -1: it has none.
  struct Columns {
    int key = -1;
    int partition = -1;
    int timestamp = -1;
    int value = -1;                   // of raw messages, or
    std::vector<std::size_t> fields;  // those that are encoded
    Schema schema;                    // of the fields
  };

  [[nodiscard]] std::unique_ptr<RecordEncoder> make_encoder() const;
  [[nodiscard]] Columns find_columns(const Schema& schema) const;
  [[nodiscard]] bool is_transactional() const noexcept {
    return options_.guarantee == Guarantee::exactly_once;
  }

  std::string name_;
  ConnectionOptions connection_;
  SinkOptions options_;
  Troubles troubles_;
  Columns columns_;
  std::string schema_json_;  // of `schema_file`
  std::string checkpoint_;
  std::unique_ptr<Producer> producer_;
  std::optional<std::int64_t> published_;  // the last batch in the topic, when it was opened

  // A producer has one transaction at a time: a batch waits for the end of the one before.
  std::mutex lock_;
  std::condition_variable changed_;
  const Batch* writing_ = nullptr;
};

}  // namespace millrace::kafka
