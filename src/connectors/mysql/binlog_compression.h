// Events that are compressed in the binlog.
// https://mariadb.com/kb/en/compressing-events-to-reduce-size-of-the-binary-log/
// https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Transaction__payload__event.html
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "connectors/mysql/binlog_table.h"

namespace millrace::mysql {

/// What stands at the end of one of MariaDB's compressed events: a length, then zlib's bytes.
/// Throws Error if it is damaged, or longer than an event can be.
[[nodiscard]] std::vector<unsigned char> inflate_event(std::span<const unsigned char> bytes);

/// The events of a transaction that MySQL has compressed as a whole, one after the other: it is
/// never in memory as a whole.
class PayloadReader {
 public:
  /// `body`: of the event, which outlives it.
  explicit PayloadReader(ByteReader body);
  ~PayloadReader();
  PayloadReader(const PayloadReader&) = delete;
  PayloadReader& operator=(const PayloadReader&) = delete;

  struct Inner {
    unsigned type = 0;
    std::int64_t time_s = 0;
    ByteReader body;  ///< valid until the next call
  };
  /// nullopt: there are no more. Throws Error if it is damaged.
  [[nodiscard]] std::optional<Inner> next();

 private:
  class Stream;

  /// Has at least so many bytes ready; false: there are no more.
  bool fill(std::size_t bytes);

  std::unique_ptr<Stream> stream_;
  std::vector<unsigned char> ready_;
  std::size_t used_ = 0;
};

}  // namespace millrace::mysql
