// What became of rows that were put aside, and of those that wait to be read again.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "control/segments.h"
#include "core/source.h"

namespace millrace::control {

/// Remembers the last rows that left a quarantine, over restarts. One thread adds, the host's; any
/// may read.
class SettledRows {
 public:
  static constexpr std::int64_t kRowsMax = 5'000;
  static constexpr std::size_t kRawMax = 1'024;  ///< of a row's raw bytes, as they are remembered

  /// Reads back what is there. Until then rows are in memory alone. Throws Error.
  void open(const std::string& folder);
  /// There is another checkpoint.
  void forget();

  /// `row`: as the API shows it. Throws Error if it can't be written; it is remembered anyway.
  void discarded(Json row);
  /// Batch `by` reads it again, and takes it out of the quarantine when it commits.
  void taken(Json row, std::int64_t by);

  /// A file of the quarantine is read again by a batch, of this process.
  void wait(const std::string& file, std::int64_t by);
  /// Which batch takes a file, after the last committed one; -1: none.
  [[nodiscard]] std::int64_t taken_by(const std::string& file, std::int64_t committed) const;

  /// The newest first, until `visit` says false. A row that was taken counts as replayed if it has
  /// gone; who visits knows.
  void visit(const std::function<bool(const Json& row)>& visit) const;

 private:
  void add(Json row);
  void keep(std::shared_ptr<const Json> row);

  mutable std::mutex lock_;                       // guards what follows
  std::deque<std::shared_ptr<const Json>> rows_;  // shared with readers
  std::map<std::string, std::int64_t> waiting_;   ///< batches, by file
  std::int64_t next_ = 0;
  std::unique_ptr<Segments> store_;
};

}  // namespace millrace::control
