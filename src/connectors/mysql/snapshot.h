// One moment of a table, seen by several connections.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "connectors/mysql/binlog_position.h"
#include "connectors/mysql/connection.h"
#include "connectors/mysql/pool.h"

namespace millrace::mysql {

/// Connections with a transaction each, all of which see the same rows.
struct Snapshot {
  std::vector<std::unique_ptr<Connection>> connections;  ///< at most as many as were asked for
  std::optional<BinlogPosition> at;                      ///< the moment, if it was asked for
};

struct SnapshotWish {
  std::string table;
  int connections = 1;
  bool with_position = false;
};

/// Begins transactions that see the table as of one moment.
///
/// MariaDB itself says of which place in its binlog a transaction's view is: transactions are begun
/// until all have the same one, without a lock. Where it can't say, or rows are written too fast,
/// and in MySQL, the table is locked against writes while the transactions begin, which takes the
/// privilege LOCK TABLES, and one of the connections, and is given up if others have written it for
/// too long. Without the lock there is one connection; and where a position is wished for: an
/// Error.
///
/// `there`: connections to begin with, before new ones are made.
[[nodiscard]] Snapshot begin_snapshot(const ConnectionOptions& options, const SnapshotWish& wish,
                                      const std::stop_token& stop,
                                      std::vector<std::unique_ptr<Connection>> there = {});
/// Lends the connections of a snapshot. One that is lost is not made anew, as it would see other
/// rows: Error with Retry::yes.
[[nodiscard]] std::shared_ptr<Pool> pool_of(Snapshot snapshot);

}  // namespace millrace::mysql
