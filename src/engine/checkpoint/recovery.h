// Reads a checkpoint back: the newest sound snapshot, then the log after it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/checkpoint/checkpoint.h"

namespace millrace {

/// One recovery of one checkpoint folder.
class Recovery {
 public:
  /// `rebuilt_after`: as of the description.
  Recovery(std::string path, std::string id, const RecoveryVisitor& visitor,
           std::optional<std::int64_t> rebuilt_after = std::nullopt)
      : path_(std::move(path)),
        id_(std::move(id)),
        visitor_(visitor),
        rebuilt_after_(rebuilt_after) {}

  Recovered run();
  /// The first batch of the last log file that was read; nullopt: none was.
  [[nodiscard]] std::optional<std::int64_t> last_segment() const noexcept { return last_segment_; }
  /// Bytes of that file that count. What is after them is a torn end, or state whose commit did not
  /// make it.
  [[nodiscard]] std::int64_t whole_bytes() const noexcept { return whole_bytes_; }

 private:
  void load_newest_snapshot(const std::vector<std::int64_t>& segments);
  [[nodiscard]] std::optional<std::string> damage_of(std::int64_t snapshot) const;
  void load(std::int64_t snapshot);
  void replay(std::int64_t segment, bool last);
  [[nodiscard]] bool is_torn_write(RecordReader& reader) const;
  void take(Record& record, const std::string& path, std::int64_t offset);

  std::string path_;
  std::string id_;
  const RecoveryVisitor& visitor_;
  std::optional<std::int64_t> rebuilt_after_;
  Recovered result_;
  std::map<std::string, std::vector<std::string>> changes_;  ///< of the batch being read
  std::optional<std::int64_t> last_segment_;
  std::int64_t whole_bytes_ = 0;
};

}  // namespace millrace
