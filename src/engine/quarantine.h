// Where rows that could not be decoded are kept: one JSON-lines file a source and batch.
#pragma once

#include <cstdint>
#include <string>

#include "engine/batch_run.h"

namespace millrace {

/// Files `<folder>/<source>/<batch>.jsonl`, each line {origin, line, column, reason, raw}; raw
/// bytes that are not UTF-8 stand under raw_base64 instead. Written before the batch commits, whole
/// and under the batch's name, so that a repeat of the batch replaces the file by the same.
class Quarantine {
 public:
  explicit Quarantine(std::string folder) : folder_(std::move(folder)) {}
  void write(std::int64_t batch, const MalformedRows& rows) const;

 private:
  std::string folder_;
};

}  // namespace millrace
