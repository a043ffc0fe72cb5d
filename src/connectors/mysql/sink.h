// Writes a table: a batch, and the note that it is there, in one transaction.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/log.h"
#include "base/retry.h"
#include "connectors/mysql/batch_log.h"
#include "connectors/mysql/batch_writer.h"
#include "connectors/mysql/connection.h"
#include "connectors/mysql/options.h"
#include "connectors/mysql/target_table.h"
#include "core/connection_check.h"
#include "core/retrying_sink.h"
#include "core/sink.h"

namespace millrace::mysql {

class MysqlSink final : public Sink, public CheckedSink, public RetryingSink {
 public:
  MysqlSink(std::string name, ConnectionOptions connection, SinkOptions options,
            std::stop_token stop);
  ~MysqlSink() override;

  [[nodiscard]] SinkTraits traits() const override;
  void open(const SinkStart& start) override;
  [[nodiscard]] std::string target() const override;
  void check_connection(const SinkStart* start, Findings& findings) override;
  [[nodiscard]] std::unique_ptr<SinkBatch> begin(std::int64_t batch,
                                                 MalformedReceiver& refused) override;
  [[nodiscard]] bool has_published(std::int64_t batch) const override;
  [[nodiscard]] std::int64_t take_retries() noexcept override { return retrier_.take_retries(); }

 private:
  class Batch;

  [[nodiscard]] Wanted wanted(const SinkStart& start) const;

  std::string name_;
  ConnectionOptions connection_options_;
  SinkOptions options_;
  std::stop_token stop_;
  Log log_;
  Retrier retrier_;
  formats::RefusedRows::Sink refusing_;
  std::string checkpoint_;
  std::optional<BatchLog> log_of_batches_;
  std::optional<WritePlan> plan_;
  std::optional<PublishedBatch> there_;  // as of open()
  std::unique_ptr<Connection> idle_;     // between two batches
};

}  // namespace millrace::mysql
