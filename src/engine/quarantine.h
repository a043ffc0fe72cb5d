// Where rows that could not be decoded are kept: one JSON-lines file a source and batch.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "core/malformed.h"

namespace millrace {

class QuarantineBatch;
struct KeptFile;

/// Counts the malformed rows of a source, or those that a sink can't write, on their way to the
/// quarantine, and shows the first ones in the log. A record in parts is one.
class CountedMalformed final : public MalformedReceiver {
 public:
  /// `of` and `what` are for the log: "source orders", "is malformed". `to`: nullptr: they are only
  /// counted.
  CountedMalformed(std::string of, std::string_view what, MalformedReceiver* to)
      : of_(std::move(of)), what_(what), to_(to) {}
  void add(const MalformedRow& row) override;
  void drop(const MalformedRow& row) override { note(row); }
  void pass(const MalformedRow& row) override {
    note(row);
    ++passed_;
  }
  [[nodiscard]] std::int64_t count() const noexcept { return count_; }
  /// Those that came as rows of NULLs.
  [[nodiscard]] std::int64_t passed() const noexcept { return passed_; }

 private:
  void note(const MalformedRow& row);

  std::string of_;
  std::string_view what_;
  MalformedReceiver* to_;
  Log log_;  ///< of the pipeline's thread: rows come on others
  std::atomic<std::int64_t> count_ = 0;
  std::atomic<std::int64_t> passed_ = 0;
};

/// Files `<folder>/<source or sink>/<batch>.jsonl`, each line {origin, line, column, reason, raw},
/// and of a message {topic, partition, offset, timestamp_ms, key}; raw bytes and keys that are not
/// UTF-8 stand under raw_base64 and key_base64 instead. A record too long to be held in memory has
/// a line for each part of it, numbered by `part`. Lines are in no particular order.
///
/// Rows are written as they come, under a hidden name, so that memory does not grow with their
/// number. publish() puts the files in place before the batch commits; a batch that runs again
/// replaces them by the same rows.
class Quarantine {
 public:
  /// With `sync`, what is published is durable.
  Quarantine(std::string folder, bool sync);

  /// Removes what a crash left behind.
  void open() const;
  /// Removes the rows of some batches, if they are still there: batch `read_by` has read them again
  /// and is committed.
  void remove(const std::string& source, const std::vector<std::int64_t>& batches,
              std::int64_t read_by) const;
  [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
  /// Begins a batch; several may be under way.
  [[nodiscard]] std::unique_ptr<QuarantineBatch> begin(std::int64_t batch) const;

 private:
  std::string folder_;
  bool sync_;
};

/// The quarantines of a pipeline.
struct Quarantines {
  Quarantine malformed;  ///< what sources can't read, by source
  Quarantine refused;    ///< what sinks can't write, by sink
  Quarantine violating;  ///< what quality checks take out, by source or dataset
};

/// The malformed rows of one batch. One thread, but for the receivers. Destroyed before publish():
/// nothing of it remains.
class QuarantineBatch {
 public:
  QuarantineBatch(std::string folder, std::int64_t batch, bool sync);
  ~QuarantineBatch();

  /// Where the malformed rows of a source go, until publish().
  [[nodiscard]] MalformedReceiver& receiver(const std::string& source);
  /// What was kept of a source in earlier batches.
  [[nodiscard]] MalformedRows kept(const std::string& source,
                                   const std::vector<std::int64_t>& batches) const;
  /// An empty folder for what a source has to write down to read it again; it goes with the rows.
  [[nodiscard]] std::string make_folder(const std::string& source) const;
  void publish();
  /// What publish() has put in place.
  [[nodiscard]] std::vector<KeptFile> published() const;

 private:
  class File;

  std::string folder_;
  std::int64_t batch_;
  bool sync_;
  std::map<std::string, std::unique_ptr<File>> files_;  ///< by source
};

}  // namespace millrace
