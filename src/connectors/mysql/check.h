// What `millrace validate --connect` asks a server: whether it would give, or take, the rows. It
// executes nothing but questions; grants are tried by preparing what would be executed.
#pragma once

#include <stop_token>
#include <string>

#include "connectors/mysql/batch_log.h"
#include "connectors/mysql/binlog_position.h"
#include "connectors/mysql/connection.h"
#include "connectors/mysql/incremental.h"
#include "connectors/mysql/options.h"
#include "connectors/mysql/target_table.h"
#include "core/connection_check.h"

namespace millrace::mysql {

/// A warning if no index begins with the columns that a table is read by.
void check_index(Connection& connection, const std::string& table, const KeyColumns& columns,
                 Findings& findings);

/// How the server keeps its binlog: what is an error now, and what will be one later.
void check_binlog_settings(Connection& connection, const SourceOptions& options,
                           Findings& findings);
/// Whether the binlog can be read from a place on, which `snapshot: when_needed` may help if not.
void check_binlog_from(const ConnectionOptions& connection, const BinlogPosition& from,
                       SnapshotMode snapshot, const std::stop_token& stop, Findings& findings);
/// Whether the table may be locked for the moment in which a snapshot begins.
void check_lock(Connection& connection, const std::string& table, Findings& findings);

/// Whether a sink may make what is missing, and write what is there.
void check_target(Connection& connection, const Wanted& wanted, bool deletes, Findings& findings);
/// The same of the tables that say which batches are there.
void check_batch_log(Connection& connection, Findings& findings);

}  // namespace millrace::mysql
