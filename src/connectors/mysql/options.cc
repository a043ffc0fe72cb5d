#include "connectors/mysql/options.h"

#include <fmt/format.h>

namespace millrace::mysql {

const OptionTable<ConnectionOptions>& ConnectionOptions::table() {
  using O = ConnectionOptions;
  static const OptionTable<O> kTable{
      Option<O>{&O::host, "host", "The server's name or address."}.example("db.example.com"),
      Option<O>{&O::port, "port", "Its port."}.at_least(1).at_most(65'535),
      Option<O>{&O::socket, "socket", "In place of `host` and `port`: a socket on this machine."}
          .path()
          .example("/run/mysqld/mysqld.sock"),
      Option<O>{&O::user, "user", "Who we are."}.required().example("etl"),
      Option<O>{&O::password, "password", "The password."},
      Option<O>{&O::database, "database", "The database whose tables are meant."}
          .required()
          .example("shop"),
      Option<O>{&O::tls, "tls",
                "Encrypt, and check the server's certificate and that it is for its host."}
          .default_text("true, unless the host is this machine"),
      Option<O>{&O::tls_ca, "tls_ca", "Certificates (PEM) of those whom to trust."}
          .path()
          .default_text("those of the system"),
      Option<O>{&O::tls_certificate, "tls_certificate", "Our own certificate (PEM)."}.path(),
      Option<O>{&O::tls_key, "tls_key", "The key (PEM) of our certificate."}.path(),
      Option<O>{&O::connect_timeout, "connect_timeout", "How long to wait for a connection."}
          .at_least(std::chrono::milliseconds(1000)),
      Option<O>{&O::read_timeout, "read_timeout",
                "How long the server may be silent before the connection counts as lost."}
          .at_least(std::chrono::milliseconds(1000)),
  };
  return kTable;
}

const OptionTable<SourceOptions>& SourceOptions::options() {
  using O = SourceOptions;
  static const OptionTable<O> kTable{
      Option<O>{&O::table, "table", "The table (or view) to read."}.example("orders"),
      Option<O>{&O::query, "query", "In place of `table`: a SELECT that gives the rows."}.example(
          "SELECT order_id, amount FROM orders WHERE region = 'EU'"),
      Option<O>{&O::schema, "schema",
                "The columns to read, and types to read them as where it should be other ones than "
                "those that follow from the table: VARCHAR for any, BOOLEAN for TINYINT, INTERVAL "
                "for TIME, wider ones for numbers."}
          .default_text("all columns, see the connector's README for their types")
          .example("order_id BIGINT, open_for INTERVAL"),
      Option<O>{&O::incremental, "incremental",
                "What makes the table a stream: a column that only grows, such as an id, or two, "
                "[updated_at, id]. Each batch reads the rows after the last ones."}
          .example("order_id"),
      Option<O>{&O::lag, "lag",
                "With an incremental column that is a time: rows younger than that wait, as "
                "transactions may still commit older ones. The server's clock counts."}
          .example("5s"),
      Option<O>{&O::gap_timeout, "gap_timeout",
                "With an incremental column of whole numbers: how long to wait for numbers that "
                "are missing among the read ones, as a transaction may still commit them. What "
                "comes until then is read late; what doesn't is reported as a gap. 0s: gaps are "
                "not looked at."},
      Option<O>{&O::max_rows_per_trigger, "max_rows_per_trigger",
                "At most so many rows in a batch."}
          .at_least(1),
      Option<O>{&O::rows_per_range, "rows_per_range",
                "A batch, a snapshot or a whole table is read in ranges of about so many rows, by "
                "several connections at once."}
          .at_least(100),
      Option<O>{&O::max_connections, "max_connections",
                "How many connections may read at once; no more than there are threads. What is "
                "read whole is of one moment for all of them."}
          .at_least(1)
          .at_most(64),
      Option<O>{&O::poll_interval, "poll_interval", "How often to look for new rows."}.at_least(
          std::chrono::milliseconds(10)),
      Option<O>{&O::zero_dates, "zero_dates",
                "What '0000-00-00' and dates with a month or day 0 are: NULL, or malformed."},
      Option<O>{&O::on_malformed, "on_malformed",
                "What to do with a row that has a value its column's type can't hold (a TIME of 25 "
                "hours, a malformed date): quarantine puts it aside with the reason; permissive "
                "makes the value NULL; drop only counts it; fail stops the pipeline."},
      Option<O>{&O::offset_table, "offset_table",
                "A table of two columns, of which the first is its primary key, that is told how "
                "far committed batches are, for people who watch it: the name of `offset_source`, "
                "and the last value of the incremental column."}
          .example("profile_offsets"),
      Option<O>{&O::offset_source, "offset_source", "The first column's value in `offset_table`."}
          .default_text("the source's name"),
      Option<O>{&O::starts_at_stored, "start_at_stored_offset",
                "Without a checkpoint, begin after what `offset_table` has, not at the first row."},
      Option<O>{&O::cdc, "cdc",
                "Read the table's changes from the server's binlog: inserted, updated and deleted "
                "rows, in their order, after a snapshot of the rows that are there."},
      Option<O>{&O::snapshot, "snapshot",
                "With `cdc`: begin with the rows that are there (initial); also when the binlog "
                "does not go back to where the source was (when_needed; rows that were deleted "
                "meanwhile are not told of); or with the next change (never)."},
      Option<O>{&O::metadata, "metadata",
                "With `cdc`, columns beside those of the table: names, and what they have: op (c, "
                "u, d, or r for a row of the snapshot), change_time, sequence (a BIGINT that "
                "orders the changes; 0 for rows of the snapshot) or position."}
          .example("{ op: op, sequence: sequence }"),
      Option<O>{&O::on_schema_change, "on_schema_change",
                "With `cdc`, what to do with columns that the table gets: ignore leaves them out; "
                "fail ends the pipeline before anything of their batch is committed; add_columns "
                "makes them columns. See docs/schema-evolution.md."}
          .default_text("ignore"),
      Option<O>{&O::server_id, "server_id",
                "With `cdc`: our number among the server's replicas, which no other may have."}
          .default_text("a random one")
          .at_least(1)
          .at_most(4'294'967'295.0),
      Option<O>{&O::buffer, "buffer",
                "With `cdc`: changes fetched ahead take about so much memory."}
          .at_least(Bytes{1 << 20}),
  };
  return kTable;
}

const OptionTable<SinkOptions>& SinkOptions::options() {
  using O = SinkOptions;
  static const OptionTable<O> kTable{
      Option<O>{&O::table, "table", "The table to write."}.required().example("customer_profile"),
      Option<O>{&O::create_table, "create_table", "Make the table if it is missing."},
      Option<O>{&O::rows_per_statement, "rows_per_statement",
                "How many rows a statement has, at most."}
          .at_least(1)
          .at_most(10'000),
      Option<O>{&O::on_refused, "on_refused",
                "What to do with a row that the server refuses (a duplicate key, a text too long, "
                "a missing parent): quarantine puts it aside with the server's words; drop only "
                "counts it; fail stops the pipeline."},
  };
  return kTable;
}

bool ConnectionOptions::uses_tls() const {
  const bool is_local =
      !socket.empty() || host == "localhost" || host == "::1" || host.starts_with("127.");
  return tls.value_or(!is_local);
}

std::string ConnectionOptions::text() const {
  return socket.empty() ? fmt::format("{} on {}:{}", database, host, port)
                        : fmt::format("{} on {}", database, socket);
}

bool check_connection(const ConnectionOptions& connection, const Location& at,
                      Diagnostics& diagnostics, std::string_view what) {
  const bool has_tls_files = !connection.tls_ca.empty() || !connection.tls_certificate.empty() ||
                             !connection.tls_key.empty();
  if (has_tls_files && !connection.uses_tls()) {
    diagnostics.error(at, fmt::format("{} names certificates, but does not encrypt", what),
                      "set `tls: true`, or leave them out");
    return false;
  }
  if (connection.tls_certificate.empty() != connection.tls_key.empty()) {
    diagnostics.error(at, fmt::format("{}: `tls_certificate` and `tls_key` go together", what),
                      "name both, or none");
    return false;
  }
  return true;
}

namespace {

std::optional<formats::CannotChange> why_not(const SourceOptions& options,
                                             formats::OnSchemaChange mode) {
  using formats::OnSchemaChange;
  if (mode == OnSchemaChange::rescue) {
    return formats::CannotChange{"is for JSON and Avro", "choose ignore, fail or add_columns"};
  }
  if (mode != OnSchemaChange::ignore && !options.schema.empty()) {
    return formats::CannotChange{"is for columns that come from the table, and these are declared",
                                 "leave `schema` out"};
  }
  return std::nullopt;
}

}  // namespace

bool check_source(const SourceOptions& options, bool as_table, const Location& at,
                  Diagnostics& diagnostics, std::string_view what) {
  const auto refuse = [&](const std::string& message, std::string hint) {
    diagnostics.error(at, fmt::format("{} {}", what, message), std::move(hint));
    return false;
  };
  if (options.table.empty() == options.query.empty()) {
    return refuse("needs `table` or `query`", "name one of them, such as `table: orders`");
  }
  if (options.cdc) {
    if (as_table || options.table.empty() || !options.incremental.empty()) {
      return refuse(
          "reads the changes of a table: `cdc` goes neither with `as: table`, nor with "
          "`query` or `incremental`",
          "name the `table`, and leave the others out");
    }
    auto mode = options.on_schema_change;
    return formats::settle_schema_change(
        mode, "", [&](auto wanted) { return why_not(options, wanted); }, at, diagnostics, what);
  }
  if (!options.metadata.empty() || options.server_id || options.on_schema_change) {
    return refuse("has options of `cdc`, but reads no changes", "set `cdc: true`");
  }
  if (!as_table && options.incremental.empty()) {
    return refuse("needs `incremental` to be read as a stream",
                  "name a column that only grows; or read its changes with `cdc: true`, or the "
                  "table whole with `as: table`");
  }
  if (as_table && !options.incremental.empty()) {
    return refuse("is a table, which is read whole: `incremental` is for streams",
                  "leave `incremental` or `as: table` out");
  }
  if (options.incremental.size() > 2) {
    return refuse("has more than two incremental columns",
                  "name a time and an id that tells rows of the same time apart");
  }
  if (options.offset_table.empty() &&
      (!options.offset_source.empty() || options.starts_at_stored)) {
    return refuse("says something of an `offset_table`, but has none", "name it");
  }
  if (!options.offset_table.empty() && options.incremental.size() != 1) {
    return refuse("can keep an `offset_table` for one incremental column only",
                  "leave `offset_table` out");
  }
  return true;
}

}  // namespace millrace::mysql
