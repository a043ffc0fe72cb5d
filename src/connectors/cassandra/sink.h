// Writes rows to a table as upserts with the batch's time, so that a batch may be written twice.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "connectors/cassandra/options.h"
#include "connectors/cassandra/sink_plan.h"
#include "core/connection_check.h"
#include "core/sink.h"
#include "formats/refused_rows.h"

namespace millrace::cassandra {

class CassandraSink final : public Sink, public CheckedSink {
 public:
  CassandraSink(std::string name, ConnectionOptions connection, SinkOptions options,
                std::stop_token stop = {});
  ~CassandraSink() override;

  [[nodiscard]] SinkTraits traits() const override;
  void open(const SinkStart& start) override;
  [[nodiscard]] std::string target() const override;
  void check_connection(const SinkStart* start, Findings& findings) override;
  void next_batch_time(std::int64_t time_us) override { time_us_ = time_us; }
  [[nodiscard]] std::unique_ptr<SinkBatch> begin(std::int64_t batch,
                                                 MalformedReceiver& refused) override;

 private:
  class Batch;
  class Writer;

  /// That makes the table.
  [[nodiscard]] std::string statement_for(const SinkStart& start) const;
  [[nodiscard]] TableInfo find_or_create(Session& session);
  void publish(const Staging& rows, std::int64_t time_us);
  void write(const std::vector<StagedRow>& rows, std::int64_t time_us);
  [[nodiscard]] Request write_request(const StagedRow* begin, const StagedRow* end,
                                      std::int64_t time_us) const;
  void read_back(const std::vector<StagedRow>& rows);
  void compare(const StagedRow& row, const Answer& answer) const;
  [[nodiscard]] Consistency consistency() const noexcept {
    return options_.consistency.value_or(Consistency::local_quorum);
  }

  std::string name_;
  ConnectionOptions connection_;
  SinkOptions options_;
  std::stop_token stop_;
  TableName table_;
  std::size_t max_batch_statements_;
  SinkStart start_;
  formats::RefusedRows::Sink refusing_;
  SinkPlan plan_;
  // Of who opens the sink, then of who publishes: one thread at a time.
  std::unique_ptr<Cluster> cluster_;
  std::int64_t time_us_ = 0;  // of the batch that begins next
};

}  // namespace millrace::cassandra
