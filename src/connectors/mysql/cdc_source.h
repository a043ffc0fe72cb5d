// Reads the changes of a table: a snapshot of its rows, then what the binlog says.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/log.h"
#include "connectors/mysql/binlog_stream.h"
#include "connectors/mysql/change_reader.h"
#include "connectors/mysql/incremental.h"
#include "connectors/mysql/options.h"
#include "connectors/mysql/pool.h"
#include "core/connection_check.h"
#include "core/source.h"

namespace millrace::sql {
class Database;
}

namespace millrace::mysql {

/// Slices are parts of the snapshot, in the order of the primary key, all of one moment, and then
/// of the binlog from that moment on:
///   {"snapshot": {"from": key | null, "to": key | null, "at": position, "last": bool}, "at_us":
///   ...}
///   {"from": position, "to": position}
/// After a crash in the middle of it the rest of the snapshot is of a later moment, while the
/// binlog is read from the first one on: then some changes are told that the snapshot has already.
/// The last row of each key is right.
class CdcSource final : public Source, public CheckedSource {
 public:
  /// `database` parses the schema; it must outlive the source.
  CdcSource(std::string name, ConnectionOptions connection, SourceOptions options,
            sql::Database& database, std::stop_token stop);
  ~CdcSource() override;

  const Schema& schema() override;
  void open(const std::optional<Json>& position) override;
  [[nodiscard]] std::string target() const override;
  void check_connection(const SourcePlace& place, Findings& findings) override;
  [[nodiscard]] Json position() const override;
  std::optional<Slice> plan(std::int64_t now) override;
  void advance(const Json& offsets) override;
  SliceInput read(const Json& offsets, MalformedReceiver& malformed) override;
  void committed(const Json& offsets) override;
  [[nodiscard]] std::optional<std::string> why_no_history() const override;
  void stop_at_present() override;
  void wait(std::stop_token stop, std::chrono::steady_clock::time_point until) override;

 private:
  void find_schema(Connection& connection);
  /// Connections that see the table as of `snapshot_at_`.
  Pool& snapshot();
  std::optional<Slice> plan_snapshot(std::int64_t now);
  std::optional<Slice> plan_changes(std::int64_t now);
  [[nodiscard]] BinlogStream& stream();
  [[nodiscard]] std::unique_ptr<BinlogStream> stream_from(const BinlogPosition& from) const;
  /// Begins again with a snapshot, if the options allow it; else throws.
  void on_purged(const Error& error);

  std::string name_;
  ConnectionOptions connection_;
  SourceOptions options_;
  sql::Database& database_;
  std::stop_token stop_;
  Log log_;
  ChangeLayout layout_;
  std::uint32_t server_id_;

  bool is_fresh_ = true;  ///< nothing was planned yet
  bool in_snapshot_ = false;
  Key after_;                          ///< the last key of the snapshot that was given
  std::optional<BinlogPosition> at_;   ///< where the changes go on
  std::optional<BinlogPosition> end_;  ///< where to stop

  BinlogPosition snapshot_at_;
  std::shared_ptr<Pool> snapshot_;  ///< with the readers of its parts; nullptr: not begun, or over
  std::unique_ptr<BinlogStream> stream_;
  std::int64_t planned_us_ = 0;  ///< the last slice's time
};

}  // namespace millrace::mysql
