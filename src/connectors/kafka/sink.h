// Writes rows to a topic: a transaction a batch, so that who reads committed sees each row once.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "connectors/kafka/producer.h"
#include "connectors/kafka/sink_message.h"
#include "core/connection_check.h"
#include "core/format.h"
#include "core/sink.h"
#include "formats/refused_rows.h"

namespace millrace::kafka {

class KafkaSink final : public Sink, public CheckedSink {
 public:
  KafkaSink(std::string name, ConnectionOptions connection, SinkOptions options,
            std::stop_token stop = {});
  ~KafkaSink() override;

  [[nodiscard]] SinkTraits traits() const override;
  void open(const SinkStart& start) override;
  [[nodiscard]] std::string target() const override;
  void check_connection(const SinkStart* start, Findings& findings) override;
  [[nodiscard]] std::unique_ptr<SinkBatch> begin(std::int64_t batch,
                                                 MalformedReceiver& refused) override;
  [[nodiscard]] bool has_published(std::int64_t batch) const override;

 private:
  class Batch;
  class Writer;

  /// How records of Avro are written: by which schema, and by which number of it if it is framed.
  struct WriterSchema {
    avro::SharedSchema schema;
    std::optional<std::uint32_t> id;
  };

  /// nullopt: they are raw. `columns` must outlive it.
  [[nodiscard]] std::optional<PartEncoder> part_encoder(const formats::EncodingOptions& records,
                                                        const EncodedColumns& columns,
                                                        const WriterSchema& writer) const;
  /// Registers it, if it is framed.
  [[nodiscard]] WriterSchema find_writer_schema(const formats::EncodingOptions& records,
                                                const EncodedColumns& columns) const;
  /// Makes it, if that is asked for, and looks how large its messages may be.
  void find_topic();
  [[nodiscard]] bool is_transactional() const noexcept {
    return options_.guarantee == Guarantee::exactly_once;
  }

  std::string name_;
  ConnectionOptions connection_;
  SinkOptions options_;
  std::stop_token stop_;  // ends what waits for the cluster
  Troubles troubles_;
  formats::RefusedRows::Sink refusing_;
  MessageColumns columns_;
  std::int64_t max_message_bytes_ = 0;  // of key, value and headers
  WriterSchema value_writer_;
  WriterSchema key_writer_;
  std::string checkpoint_;
  std::unique_ptr<Producer> producer_;
  std::optional<std::int64_t> published_;  // the last batch in the topic, when it was opened

  // A producer has one transaction at a time: a batch waits for the end of the one before.
  std::mutex lock_;
  std::condition_variable changed_;
  const Batch* writing_ = nullptr;
};

}  // namespace millrace::kafka
