// Records: how everything in a checkpoint lies on disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/files.h"

namespace millrace {

/// A record on disk: 4 bytes "mrec", 1 byte kind, 3 bytes zero, 8 bytes batch, 4 bytes length of
/// the payload, 4 bytes CRC-32C of all that is before it and of the payload, then the payload.
/// Numbers are little-endian.
struct Record {
  enum class Kind : std::uint8_t {
    header = 1,   ///< of a file: JSON with the format version and the checkpoint's id
    offsets = 2,  ///< offset log: JSON with the batch's time and its slices
    state = 3,    ///< state log: a dataset's name, a zero byte, a piece of changed state
    commit = 4,   ///< commit log: JSON with what the batch did
    footer = 5,   ///< of a snapshot: the number of records before it, as text
    history = 6,  ///< what control/ keeps of batches, and is no part of the checkpoint: JSON
  };
  Kind kind = Kind::header;
  std::int64_t batch = 0;
  std::string payload;
};

/// Version of all files of a checkpoint; a file of another version is refused.
inline constexpr int kCheckpointVersion = 1;
/// A record longer than this is damage, not data.
inline constexpr std::uint32_t kLongestRecord = 1U << 30U;

void append_record(std::string& to, Record::Kind kind, std::int64_t batch,
                   std::string_view payload);

/// Reads a file record by record. Never takes damage for data: every byte is under a checksum.
class RecordReader {
 public:
  /// `from`: where its first record begins.
  explicit RecordReader(const std::string& path, std::int64_t from = 0);

  enum class Result : std::uint8_t {
    record,
    end,      ///< the file ends with a whole record
    damaged,  ///< the bytes from offset() on are no whole record
  };
  Result next(Record& into);
  /// Where the record that was read last, or the damage, begins.
  [[nodiscard]] std::int64_t offset() const noexcept { return offset_; }
  /// Where the record that was read last ends.
  [[nodiscard]] std::int64_t end_offset() const noexcept { return next_offset_; }
  /// After damage: moves on to the next whole record anywhere behind it; false if there is none.
  bool skip_to_record(Record& into);
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  bool fill(std::size_t bytes);
  Result parse(Record& into);

  std::string path_;
  UniqueFd file_;
  std::string buffer_;
  std::size_t used_ = 0;  ///< of buffer_, consumed
  std::int64_t offset_ = 0;
  std::int64_t next_offset_ = 0;
};

}  // namespace millrace
