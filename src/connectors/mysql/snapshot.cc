#include "connectors/mysql/snapshot.h"

#include <fmt/format.h>
#include <mariadb/mysqld_error.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "connectors/mysql/catalog.h"

namespace millrace::mysql {

namespace {

/// So often transactions are begun in the hope that no other one commits meanwhile.
constexpr int kAttempts = 30;
/// While the lock is waited for, writers of the table wait, too.
constexpr int kLockWaitS = 5;

void begin(Connection& connection) {
  connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT");
}

/// The place in MariaDB's binlog that a transaction's view is of; without a file: it can't be said.
BinlogPosition place_of(Connection& connection) {
  BinlogPosition place;
  for (const auto& row : connection.query_unprepared("SHOW STATUS LIKE 'binlog_snapshot_%'")) {
    const auto name = to_lower(row[0].value_or(""));
    if (name == "binlog_snapshot_file") {
      place.file = row[1].value_or("");
    } else if (name == "binlog_snapshot_position") {
      place.offset = static_cast<std::uint64_t>(parse_integer(row[1].value_or("")).value_or(0));
    }
  }
  return place;
}

/// nullopt: there was no moment without writes, or no binlog that would tell.
std::optional<BinlogPosition> begin_at_one_place(
    const std::vector<std::unique_ptr<Connection>>& connections) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    for (const auto& connection : connections) {
      begin(*connection);
    }
    auto place = place_of(*connections.front());
    if (place.file.empty()) {
      return std::nullopt;
    }
    const bool is_one =
        std::all_of(connections.begin() + 1, connections.end(),
                    [&](const auto& other) { return place_of(*other).text() == place.text(); });
    if (is_one) {
      return place;
    }
  }
  return std::nullopt;
}

/// True: all have begun, and nobody wrote the table meanwhile. No transaction that has written it
/// is under way while it is locked.
bool begin_under_lock(Snapshot& snapshot, const ConnectionOptions& options,
                      const SnapshotWish& wish) {
  // One of them, so that there are no more than were asked for; a snapshot needs one besides.
  std::unique_ptr<Connection> lock;
  if (snapshot.connections.size() > 1) {
    lock = std::move(snapshot.connections.back());
    snapshot.connections.pop_back();
  } else {
    lock = std::make_unique<Connection>(options, snapshot.connections.front()->stop());
  }
  try {
    lock->execute(fmt::format("SET SESSION lock_wait_timeout = {}", kLockWaitS));
    lock->execute(fmt::format("LOCK TABLES {} READ", quote(wish.table)));
  } catch (const ServerError& error) {
    const bool may_not =
        error.code() == ER_DBACCESS_DENIED_ERROR || error.code() == ER_TABLEACCESS_DENIED_ERROR;
    if (wish.with_position && may_not) {
      throw Error(Blame::user,
                  fmt::format("the snapshot can't begin: {}; GRANT LOCK TABLES on the database to "
                              "our user: the table is locked for a moment",
                              error.reason()));
    }
    if (wish.with_position || !(may_not || error.code() == ER_LOCK_WAIT_TIMEOUT)) {
      throw;
    }
    return false;
  }
  for (const auto& connection : snapshot.connections) {
    begin(*connection);
  }
  if (wish.with_position) {
    snapshot.at = end_of_binlog(*snapshot.connections.front());
  }
  return true;
}

}  // namespace

Snapshot begin_snapshot(const ConnectionOptions& options, const SnapshotWish& wish,
                        const std::stop_token& stop,
                        std::vector<std::unique_ptr<Connection>> there) {
  Snapshot snapshot{.connections = std::move(there), .at = std::nullopt};
  snapshot.connections.resize(static_cast<std::size_t>(wish.connections));
  for (auto& connection : snapshot.connections) {
    if (connection == nullptr) {
      connection = std::make_unique<Connection>(options, stop);
    }
    connection->execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  }
  auto& first = *snapshot.connections.front();
  if (first.is_mariadb()) {
    if (auto place = begin_at_one_place(snapshot.connections)) {
      if (wish.with_position) {
        place->gtid = first
                          .query_value("SELECT BINLOG_GTID_POS(?, ?)",
                                       {place->file, std::uint64_t{place->offset}})
                          .value_or("");
        snapshot.at = std::move(place);
      }
      return snapshot;
    }
  }
  // With one connection for the lock there have to be two others for it to be worth while.
  if ((wish.connections > 2 || wish.with_position) && begin_under_lock(snapshot, options, wish)) {
    return snapshot;
  }
  snapshot.connections.resize(1);
  begin(first);
  return snapshot;
}

std::shared_ptr<Pool> pool_of(Snapshot snapshot) {
  const auto count = static_cast<int>(snapshot.connections.size());
  // Pool calls it on any thread.
  auto left = std::make_shared<std::pair<std::mutex, std::vector<std::unique_ptr<Connection>>>>();
  left->second = std::move(snapshot.connections);
  return std::make_shared<Pool>(
      [left] {
        const std::lock_guard guard(left->first);
        if (left->second.empty()) {
          throw Error(Blame::external,
                      "a connection was lost in whose transaction the table was read", Retry::yes);
        }
        auto connection = std::move(left->second.back());
        left->second.pop_back();
        return connection;
      },
      count);
}

}  // namespace millrace::mysql
