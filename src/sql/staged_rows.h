// Rows of a batch on their way into a sink, held in memory until they are written.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "core/sink.h"
#include "sql/batch.h"

namespace millrace::sql {

/// What the writers of a SinkBatch fill, if the sink wants to see all rows of a batch at once, or
/// more than once.
class StagedRows {
 public:
  explicit StagedRows(const Schema& schema) : schema_(schema), rows_(schema) {}

  /// By any threads at once.
  [[nodiscard]] std::unique_ptr<SinkWriter> writer();
  /// Everything, when all writers have finished.
  [[nodiscard]] Batch& rows() noexcept { return rows_; }
  [[nodiscard]] const Schema& schema() const noexcept { return schema_; }

 private:
  class Writer;

  Schema schema_;
  std::mutex lock_;
  Batch rows_;
};

}  // namespace millrace::sql
