#include "sql/staged_rows.h"

#include <utility>

namespace millrace::sql {

class StagedRows::Writer final : public SinkWriter {
 public:
  explicit Writer(StagedRows& into) : into_(into), rows_(into.schema_) {}
  void write(const Chunk& chunk) override { rows_.append(chunk); }
  void finish() override {
    const std::lock_guard guard(into_.lock_);
    into_.rows_.append(std::move(rows_));
  }

 private:
  StagedRows& into_;
  Batch rows_;
};

std::unique_ptr<SinkWriter> StagedRows::writer() { return std::make_unique<Writer>(*this); }

}  // namespace millrace::sql
