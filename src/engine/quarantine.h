// Where rows that could not be decoded are kept: one JSON-lines file a source and batch.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/source.h"

namespace millrace {

/// Files `<folder>/<source>/<batch>.jsonl`, each line {origin, line, column, reason, raw}; raw
/// bytes that are not UTF-8 stand under raw_base64 instead. A record too long to be held in memory
/// has a line for each part of it, numbered by `part`. Lines are in no particular order.
///
/// Rows are written as they come, under a hidden name, so that memory does not grow with their
/// number. publish() puts the files in place before the batch commits; a batch that runs again
/// replaces them by the same rows.
///
/// One thread, but for the receivers.
class Quarantine {
 public:
  /// With `sync`, what is published is durable.
  Quarantine(std::string folder, bool sync);
  ~Quarantine();

  /// Removes what a crash left behind.
  void open() const;
  void begin(std::int64_t batch);
  /// Where the malformed rows of a source go, until the batch is published or aborted.
  [[nodiscard]] MalformedReceiver& receiver(const std::string& source);
  void publish();
  /// The batch will not be published by this process.
  void abort() noexcept;

 private:
  class File;

  std::string folder_;
  bool sync_;
  std::int64_t batch_ = -1;
  std::map<std::string, std::unique_ptr<File>> files_;  ///< by source, of the batch
};

}  // namespace millrace
