// Rows that can't be processed: they are values, counted and kept, and never throw.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// A row that could not be decoded, or written, kept where a person can look at it and replay it.
struct MalformedRow {
  /// Where a message was, and what it had beside its value.
  struct Message {
    std::string topic;
    std::int32_t partition = 0;
    std::int64_t offset = 0;
    std::int64_t timestamp_ms = -1;  ///< -1: it has none
    std::optional<std::string> key;
    std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  };
  std::string origin;     ///< the file, or topic and partition
  std::int64_t line = 0;  ///< line in the file (from 1), or offset; 0: unknown
  std::string column;     ///< the column at fault, if one is
  std::string raw;        ///< its bytes as they were read, all of them, without the line end
  std::string reason;
  int part = 0;  ///< of a record too long to be held in memory: 1, 2, ..., whose raw bytes follow
                 ///< each other; 0: the record is whole
  std::optional<Message> message = std::nullopt;
  /// Of a CSV file whose fields are not in the order of the columns: its first record. Without it
  /// nobody could tell what is what.
  std::string header;
};

/// Malformed rows that were kept, one after the other; nullopt at the end.
using MalformedRows = std::function<std::optional<MalformedRow>()>;

/// Takes the malformed rows of one source, or those that a sink can't write, while a batch runs.
class MalformedReceiver {
 public:
  virtual ~MalformedReceiver() = default;
  /// Called by several threads at once. Throws Error if the row can't be kept.
  virtual void add(const MalformedRow& row) = 0;
  /// A row that is not kept, only counted and shown.
  virtual void drop(const MalformedRow& row) { (void)row; }
  /// A row that comes as one of NULLs; counted and shown, too.
  virtual void pass(const MalformedRow& row) { (void)row; }
};

/// What to do with a malformed row. Spark's PERMISSIVE, DROPMALFORMED and FAILFAST, and quarantine.
enum class OnMalformed : std::uint8_t {
  quarantine,  ///< put it aside, for people
  permissive,  ///< a row of NULLs, whose text is in the column for corrupt records, if there is one
  drop,
  fail,
};

/// What to do with a row that a sink can't write.
enum class OnRefused : std::uint8_t { quarantine, drop, fail };

}  // namespace millrace
