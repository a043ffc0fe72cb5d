#include "connectors/mysql/check.h"

#include <fmt/format.h>
#include <mariadb/mysqld_error.h>

#include <algorithm>
#include <map>

#include "base/strings.h"
#include "connectors/mysql/binlog_events.h"
#include "connectors/mysql/binlog_feed.h"
#include "connectors/mysql/catalog.h"

namespace millrace::mysql {

namespace {

constexpr std::int64_t kDayS = 86'400;
/// For the attempt alone: a server ends the older one of two replicas with the same number.
constexpr std::uint32_t kTryingServerId = 0xFFFF'FF01U;

/// Whether it could be executed. `grant`: what it takes.
bool may(Connection& connection, const std::string& sql, std::string_view grant,
         Findings& findings) {
  try {
    const Statement statement(connection, sql);
    return true;
  } catch (const ServerError& error) {
    if (error.retry() == Retry::yes) {
      throw;
    }
    findings.error(error.reason(), fmt::format("GRANT {} to our user", grant));
    return false;
  }
}

std::string marks(std::size_t count) { return join(std::vector<std::string>(count, "?"), ", "); }

}  // namespace

void check_index(Connection& connection, const std::string& table, const KeyColumns& columns,
                 Findings& findings) {
  std::map<std::string, std::vector<std::string>> indexes;
  for (const auto& row : connection.query(
           "SELECT index_name, column_name FROM information_schema.statistics WHERE table_schema = "
           "DATABASE() AND table_name = ? ORDER BY index_name, seq_in_index",
           {table})) {
    indexes[row[0].value_or("")].push_back(row[1].value_or(""));
  }
  const bool has_one = std::ranges::any_of(indexes, [&](const auto& index) {
    return index.second.size() >= columns.names.size() &&
           std::equal(columns.names.begin(), columns.names.end(), index.second.begin(),
                      [](const auto& a, const auto& b) { return equal_ignoring_case(a, b); });
  });
  if (!has_one) {
    findings.warning(
        fmt::format("no index of {} begins with {}, so that each look for new rows reads all of it",
                    table, columns.list()),
        fmt::format("CREATE INDEX by_{} ON {} ({})", columns.names.front(), quote(table),
                    columns.list()));
  }
}

void check_binlog_settings(Connection& connection, const SourceOptions& options,
                           Findings& findings) {
  const auto settings = binlog_settings(connection);
  for (const auto& [what, way_out] : mistakes_of(settings)) {
    findings.error(what, way_out);
  }
  const auto value = [&](const std::string& name) {
    const auto found = settings.find(name);
    return found == settings.end() ? std::string() : found->second;
  };
  if (value("binlog_row_metadata") != "FULL") {
    findings.warning(
        "binlog_row_metadata is not FULL, so that a table that is altered can't be followed",
        "SET GLOBAL binlog_row_metadata = FULL");
  }
  auto kept_s = parse_integer(value("binlog_expire_logs_seconds")).value_or(0);
  if (kept_s == 0) {
    kept_s = static_cast<std::int64_t>(std::strtod(value("expire_logs_days").c_str(), nullptr) *
                                       static_cast<double>(kDayS));
  }
  if (kept_s > 0 && kept_s < kDayS) {
    findings.warning(
        fmt::format("the server keeps its binlog for {} s only: a pipeline that stands still for "
                    "longer has to begin again",
                    kept_s),
        "SET GLOBAL binlog_expire_logs_seconds = 604800");
  }
  if (options.server_id && std::to_string(*options.server_id) == value("server_id")) {
    findings.error(fmt::format("`server_id` {} is the server's own", *options.server_id),
                   "leave it out, or choose one that no server and no replica has");
  }
}

void check_binlog_from(const ConnectionOptions& connection, const BinlogPosition& from,
                       SnapshotMode snapshot, const std::stop_token& stop, Findings& findings) {
  try {
    BinlogFeed feed(connection, from, {.server_id = kTryingServerId, .waits = false}, stop);
    // What comes first is not of the place that was asked for.
    for (auto event = feed.next(); event; event = feed.next()) {
      if (event->type != kRotate && event->type != kFormatDescription) {
        break;
      }
    }
  } catch (const PurgedBinlog& purged) {
    if (snapshot == SnapshotMode::when_needed) {
      findings.warning(purged.what(), "a run will begin with a new snapshot");
    } else {
      findings.error(purged.what());
    }
  } catch (const ServerError& error) {
    if (error.retry() == Retry::yes) {
      throw;
    }
    findings.error(error.reason(), "GRANT REPLICATION SLAVE ON *.* to our user");
  }
}

void check_lock(Connection& connection, const std::string& table, Findings& findings) {
  try {
    connection.execute("SET SESSION lock_wait_timeout = 1");
    connection.execute(fmt::format("LOCK TABLES {} READ", quote(table)));
    connection.execute("UNLOCK TABLES");
  } catch (const ServerError& error) {
    if (error.code() != ER_LOCK_WAIT_TIMEOUT) {  // who may not is not let wait
      findings.error(error.reason(),
                     "GRANT LOCK TABLES on the database to our user, for the moment in which the "
                     "snapshot begins; or set `snapshot: never`");
    }
  }
}

void check_target(Connection& connection, const Wanted& wanted, bool deletes, Findings& findings) {
  const auto table = quote(wanted.table);
  if (!find_table(connection, wanted)) {
    (void)may(connection, create_sql(connection, wanted), "CREATE on the database", findings);
    return;
  }
  std::vector<std::string> names;
  std::vector<std::string> updates;
  for (const auto& column : wanted.columns.columns) {
    const auto& name = names.emplace_back(quote(column.name));
    updates.push_back(fmt::format("{0} = VALUES({0})", name));
  }
  const bool updating = wanted.mode == OutputMode::update;
  if (!names.empty()) {
    (void)may(connection,
              fmt::format("INSERT INTO {} ({}) VALUES ({}){}{}", table, join(names, ", "),
                          marks(names.size()), updating ? " ON DUPLICATE KEY UPDATE " : "",
                          updating ? join(updates, ", ") : ""),
              fmt::format("INSERT{} on {}", updating ? ", UPDATE" : "", table), findings);
  }
  if (deletes || wanted.mode == OutputMode::complete) {
    (void)may(connection, "DELETE FROM " + table, fmt::format("DELETE on {}", table), findings);
  }
}

void check_batch_log(Connection& connection, Findings& findings) {
  for (const auto& statement : BatchLog::statements(connection)) {
    if (!may(connection, statement,
             "CREATE, SELECT, INSERT, UPDATE and DELETE on millrace_batches and millrace_refused",
             findings)) {
      return;
    }
  }
}

}  // namespace millrace::mysql
