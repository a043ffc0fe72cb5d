// Records that are appended to small files, of which the oldest go: how histories lie on disk.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/files.h"

namespace millrace::control {

/// Files `<folder>/<name>-<number>.log` of checksummed records (engine/checkpoint/record.h).
/// Nothing is synced: what a crash of the machine takes away at the end is cut off by the next
/// start. One thread appends; any may read.
class Segments {
 public:
  struct Options {
    std::string folder;
    std::string name;
    std::int64_t records_max = 10'000;  ///< kept at least, and not many more
    std::int64_t segment_bytes_max = 16 << 20;
  };
  /// Where a record lies.
  struct Place {
    std::int64_t segment = 0;
    std::int64_t offset = 0;
  };
  using Visit = std::function<void(std::int64_t number, std::string&& payload, Place place)>;

  /// Reads what is there, the oldest first; damage is passed over, and cut off at the end. Throws
  /// Error.
  Segments(Options options, const Visit& visit);
  /// Throws Error, and can be called again.
  Place append(std::int64_t number, std::string_view payload);
  /// nullopt: it is not there any more.
  [[nodiscard]] std::optional<std::string> read(std::int64_t number, Place place) const;

 private:
  struct Segment {
    std::int64_t number = 0;
    std::int64_t records = 0;
  };
  [[nodiscard]] std::string path_of(std::int64_t segment) const;
  void start_segment();
  void drop_old();

  Options options_;
  std::deque<Segment> segments_;
  std::int64_t records_ = 0;  ///< of all
  AppendFile file_;
};

}  // namespace millrace::control
