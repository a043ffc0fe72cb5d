// Where rows that could not be decoded are kept: one JSON-lines file a source and batch.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "core/source.h"

namespace millrace {

class QuarantineBatch;

/// Counts the malformed rows of a source on their way to the quarantine, and shows the first ones
/// in the log.
class CountedMalformed final : public MalformedReceiver {
 public:
  /// `to`: nullptr: they are only counted.
  CountedMalformed(std::string source, MalformedReceiver* to)
      : source_(std::move(source)), to_(to) {}
  void add(const MalformedRow& row) override;
  void drop() override { ++count_; }
  [[nodiscard]] std::int64_t count() const noexcept { return count_; }

 private:
  std::string source_;
  MalformedReceiver* to_;
  std::atomic<std::int64_t> count_ = 0;
};

/// Files `<folder>/<source>/<batch>.jsonl`, each line {origin, line, column, reason, raw}, and of a
/// message {topic, partition, offset, timestamp_ms, key}; raw bytes and keys that are not UTF-8
/// stand under raw_base64 and key_base64 instead. A record too long to be held in memory
/// has a line for each part of it, numbered by `part`. Lines are in no particular order.
///
/// Rows are written as they come, under a hidden name, so that memory does not grow with their
/// number. publish() puts the files in place before the batch commits; a batch that runs again
/// replaces them by the same rows.
///
class Quarantine {
 public:
  /// With `sync`, what is published is durable.
  Quarantine(std::string folder, bool sync);

  /// Removes what a crash left behind.
  void open() const;
  /// Begins a batch; several may be under way.
  [[nodiscard]] std::unique_ptr<QuarantineBatch> begin(std::int64_t batch) const;

 private:
  std::string folder_;
  bool sync_;
};

/// The malformed rows of one batch. One thread, but for the receivers. Destroyed before publish():
/// nothing of it remains.
class QuarantineBatch {
 public:
  QuarantineBatch(std::string folder, std::int64_t batch, bool sync);
  ~QuarantineBatch();

  /// Where the malformed rows of a source go, until publish().
  [[nodiscard]] MalformedReceiver& receiver(const std::string& source);
  void publish();

 private:
  class File;

  std::string folder_;
  std::int64_t batch_;
  bool sync_;
  std::map<std::string, std::unique_ptr<File>> files_;  ///< by source
};

}  // namespace millrace
