// The kinds of events of a binlog, by their numbers.
// https://dev.mysql.com/doc/dev/mysql-server/latest/namespacemysql_1_1binlog_1_1event.html
// https://mariadb.com/kb/en/2-binlog-event-header/
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::mysql {

/// Of each event, before its body.
inline constexpr std::size_t kEventHeaderBytes = 19;

/// MySQL's and MariaDB's own ones differ.
enum EventType : std::uint8_t {
  kQuery = 2,
  kStop = 3,
  kRotate = 4,
  kFormatDescription = 15,
  kXid = 16,
  kTableMap = 19,
  kWriteRowsV1 = 23,
  kWriteRowsV2 = 30,
  kGtid = 33,
  kPreviousGtids = 35,
  kPartialUpdateRows = 39,
  kTransactionPayload = 40,
  kTaggedGtid = 42,
  kMariadbBinlogCheckpoint = 161,
  kMariadbGtid = 162,
  kMariadbGtidList = 163,
  kMariadbQueryCompressed = 165,
  kMariadbWriteRowsCompressedV1 = 166,
  kMariadbWriteRowsCompressedV2 = 169,
};

}  // namespace millrace::mysql
