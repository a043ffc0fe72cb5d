// Reads the changes of a table: a snapshot of its rows, then what the binlog says.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/log.h"
#include "connectors/mysql/binlog_stream.h"
#include "connectors/mysql/change_columns.h"
#include "connectors/mysql/change_reader.h"
#include "connectors/mysql/incremental.h"
#include "connectors/mysql/options.h"
#include "connectors/mysql/past.h"
#include "connectors/mysql/pool.h"
#include "core/connection_check.h"
#include "core/growing_columns.h"
#include "core/source.h"

namespace millrace::mysql {

/// Slices are parts of the snapshot, in the order of the primary key, all of one moment, and then
/// of the binlog from that moment on:
///   {"snapshot": {"from": key | null, "to": key | null, "at": position, "last": bool}, "at_us":
///   ...}
///   {"from": position, "to": position}
/// After a crash in the middle of a snapshot its moment is gone, and can't be had from the server
/// again: its rows as of that moment are those of a later one, less what the binlog says of the
/// time between (Past).
class CdcSource final : public Source, public GrowingColumns, public CheckedSource {
 public:
  /// `database` parses the schema; it must outlive the source.
  CdcSource(std::string name, ConnectionOptions connection, SourceOptions options,
            sql::Database& database, std::stop_token stop);
  ~CdcSource() override;

  const Schema& schema() override;
  /// The columns of a table are kept in the checkpoint, so that they are the same after a restart.
  [[nodiscard]] bool grows() const override { return options_.schema.empty(); }
  void begin_with(Schema columns) override { so_far_ = std::move(columns); }
  [[nodiscard]] Schema found() const override { return table_columns(layout_); }
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
  /// Connections that see the table as of `snapshot_at_`, with what was changed since `moment`, if
  /// that is another one, in `past_`. Throws PurgedBinlog if it can't be told.
  Pool& snapshot(const std::optional<BinlogPosition>& moment);
  SliceInput read_snapshot(const Json& offsets, MalformedReceiver& malformed);
  /// Deals with columns that the table got, as `on_schema_change` says.
  void look_for_new_columns(const std::vector<std::shared_ptr<const RowsEvent>>& events,
                            const BinlogPosition& to);
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
  Schema so_far_;  ///< the table's columns when the checkpoint was written
  ChangeLayout layout_;
  KeyColumns key_;                  ///< the primary key; no names: there is none
  std::set<std::string> left_out_;  ///< new columns that the log has told of
  std::uint32_t server_id_;

  bool is_fresh_ = true;  ///< nothing was planned yet
  bool in_snapshot_ = false;
  Key after_;                          ///< the last key of the snapshot that was given
  std::optional<BinlogPosition> at_;   ///< where the changes go on
  std::optional<BinlogPosition> end_;  ///< where to stop

  BinlogPosition snapshot_at_;
  std::shared_ptr<Pool> snapshot_;  ///< with the readers of its parts; nullptr: not begun, or over
  std::shared_ptr<const Past> past_;
  std::unique_ptr<BinlogStream> stream_;
  std::int64_t planned_us_ = 0;  ///< the last slice's time
};

}  // namespace millrace::mysql
