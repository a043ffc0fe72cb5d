#include "connectors/cassandra/options.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/files.h"
#include "base/strings.h"

namespace millrace::cassandra {

namespace {

constexpr std::uint16_t kPort = 9042;
constexpr std::uint16_t kKeyspacesPort = 9142;
constexpr std::int64_t kKeyspacesConnections = 2;

/// "10.0.0.1", "10.0.0.1:9042", "[::1]:9042"; nullopt: something else.
std::optional<Endpoint> read_endpoint(std::string_view text, std::uint16_t port) {
  Endpoint endpoint{.host = std::string(text), .port = port};
  const auto colon = text.rfind(':');
  const auto bracket = text.rfind(']');
  const bool has_port =
      colon != std::string_view::npos &&
      (bracket == std::string_view::npos ? text.find(':') == colon : bracket + 1 == colon);
  if (has_port) {
    const auto number = parse_integer(text.substr(colon + 1));
    if (!number || *number < 1 || *number > 65'535) {
      return std::nullopt;
    }
    endpoint = {.host = std::string(text.substr(0, colon)),
                .port = static_cast<std::uint16_t>(*number)};
  }
  if (endpoint.host.starts_with('[') && endpoint.host.ends_with(']')) {
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  }
  return endpoint.host.empty() ? std::nullopt : std::optional(endpoint);
}

bool check_keyspaces(ConnectionOptions& options, const Location& at, Diagnostics& diagnostics,
                     const std::string& what) {
  const auto fail = [&](const std::string& why, const std::string& hint) {
    diagnostics.error(at, fmt::format("{}: Keyspaces {}", what, why), hint);
  };
  const auto errors = diagnostics.error_count();
  if (!options.tls.value_or(true)) {
    fail("takes TLS only", "leave `tls: false` out");
  }
  if (options.protocol_version.value_or(kOldestVersion) > kOldestVersion) {
    fail("speaks version 4 of the protocol", "leave `protocol_version` out");
  }
  if (options.compression != Compression::none) {
    fail("does not compress", "leave `compression` out");
  }
  if (options.username.empty()) {
    fail("wants to know who we are",
         "set `username` and `password` to service-specific credentials");
  }
  options.tls = true;
  options.protocol_version = kOldestVersion;
  return diagnostics.error_count() == errors;
}

}  // namespace

bool settle_connection(ConnectionOptions& options, const std::string& folder, const Location& at,
                       Diagnostics& diagnostics, const std::string& what) {
  const auto errors = diagnostics.error_count();
  if (options.is_keyspaces()) {
    (void)check_keyspaces(options, at, diagnostics, what);
  }
  const auto port = static_cast<std::uint16_t>(
      options.port.value_or(options.is_keyspaces() ? kKeyspacesPort : kPort));
  for (const auto& host : options.contact_points) {
    if (const auto endpoint = read_endpoint(host, port)) {
      options.endpoints.push_back(*endpoint);
    } else {
      diagnostics.error(at, fmt::format("`contact_points` of {}: `{}` is no host", what, host),
                        "write it as cassandra-1.example.com or 10.0.0.1:9042");
    }
  }
  for (auto* path : {&options.tls_ca, &options.tls_certificate, &options.tls_key}) {
    *path = path->empty() ? "" : resolve_path(folder, *path);
  }
  if (!options.tls.value_or(false) && !(options.tls_ca.empty() && options.tls_certificate.empty() &&
                                        options.tls_server_name.empty())) {
    diagnostics.error(at, fmt::format("{} names certificates, but does not use TLS", what),
                      "set `tls: true`");
  }
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    diagnostics.error(at, fmt::format("{} has a certificate or its key, not both", what),
                      "set `tls_certificate` and `tls_key`");
  }
  if (options.username.empty() != options.password.empty()) {
    diagnostics.error(at, fmt::format("{} has a name or a password, not both", what),
                      "set `username` and `password`");
  }
  if (!options.username.empty() && !options.tls.value_or(false)) {
    diagnostics.warning(at, fmt::format("{} sends its password unencrypted", what),
                        "set `tls: true`");
  }
  return diagnostics.error_count() == errors;
}

Cluster::Cluster(const ConnectionOptions& options, const std::string& who,
                 const std::stop_token& stop) {
  if (options.tls.value_or(false)) {
    tls_ = std::make_unique<TlsContext>(
        TlsContext::Options{.ca_file = options.tls_ca,
                            .certificate_file = options.tls_certificate,
                            .key_file = options.tls_key,
                            .key_password = options.tls_key_password.reveal(),
                            .server_name = options.tls_server_name});
  }
  const auto connections =
      options.connections_per_host.value_or(options.is_keyspaces() ? kKeyspacesConnections : 1);
  session_ = std::make_unique<Session>(
      SessionOptions{.contact_points = options.endpoints,
                     .greeting = {.version = static_cast<int>(
                                      options.protocol_version.value_or(kNewestVersion)),
                                  .lz4 = options.compression == Compression::lz4,
                                  .tls = tls_.get(),
                                  .username = options.username,
                                  .password = options.password,
                                  .timeout = options.connect_timeout},
                     .datacenter = options.local_datacenter,
                     .uses_peers = !options.is_keyspaces(),
                     .connections_per_host = static_cast<std::size_t>(connections),
                     .request_timeout = options.request_timeout,
                     .retry_timeout = options.retry_timeout,
                     .max_in_flight = static_cast<std::size_t>(options.max_in_flight),
                     .max_requests_per_second = options.max_requests_per_second},
      who, stop);
  session_->open();
}

const OptionTable<ConnectionOptions>& ConnectionOptions::table() {
  using O = ConnectionOptions;
  using std::chrono::milliseconds;
  static const OptionTable<O> kTable{
      Option<O>{&O::contact_points, "contact_points",
                "One or more nodes, `host` or `host:port`, to find the others by."}
          .required()
          .example("[cassandra-1.example.com, cassandra-2.example.com]"),
      Option<O>{&O::profile, "profile",
                "keyspaces: Amazon Keyspaces, with its port, TLS, version 4 of the protocol, its "
                "limits, and its one contact point in place of nodes."},
      Option<O>{&O::port, "port", "Where nodes listen that are given without a port."}
          .at_least(1)
          .at_most(65'535)
          .default_text("9042; 9142 for Keyspaces"),
      Option<O>{&O::local_datacenter, "local_datacenter", "The data center whose nodes are asked."}
          .default_text("that of the first of `contact_points` that answers"),
      Option<O>{&O::username, "username", "Who we are."},
      Option<O>{&O::password, "password", "The password."},
      Option<O>{&O::tls, "tls",
                "Encrypt, and check the nodes' certificates and that they are for their hosts."}
          .default_text("false; true for Keyspaces"),
      Option<O>{&O::tls_ca, "tls_ca", "Certificates (PEM) of those whom to trust."}
          .path()
          .default_text("those of the system"),
      Option<O>{&O::tls_certificate, "tls_certificate", "Our own certificate (PEM)."}.path(),
      Option<O>{&O::tls_key, "tls_key", "The key (PEM) of our certificate."}.path(),
      Option<O>{&O::tls_key_password, "tls_key_password", "The password of the key."},
      Option<O>{&O::tls_server_name, "tls_server_name",
                "The name that certificates of all nodes are for, where it is not that of the host "
                "or address we connect to."},
      Option<O>{&O::protocol_version, "protocol_version",
                "The newest version of the native protocol to speak: 4 or 5. A server that speaks "
                "4 only is spoken to so."}
          .at_least(kOldestVersion)
          .at_most(kNewestVersion)
          .default_text("5; 4 for Keyspaces"),
      Option<O>{&O::compression, "compression", "How what goes through connections is compressed."},
      Option<O>{&O::connections_per_host, "connections_per_host",
                "Connections to each node; each carries up to 2048 requests at once."}
          .at_least(1)
          .at_most(64)
          .default_text("1; 2 for Keyspaces"),
      Option<O>{&O::connect_timeout, "connect_timeout",
                "How long connecting, greeting and logging in may take."}
          .at_least(milliseconds(1)),
      Option<O>{&O::request_timeout, "request_timeout",
                "How long an answer may take, before the connection is given up and the request "
                "sent on another one."}
          .at_least(milliseconds(1)),
      Option<O>{&O::retry_timeout, "retry_timeout",
                "How long to go on trying while nothing succeeds."}
          .at_least(milliseconds(1))
          .default_text("for ever"),
      Option<O>{&O::max_in_flight, "max_in_flight", "Requests under way at once, to all nodes."}
          .at_least(1)
          .at_most(32'768),
      Option<O>{&O::max_requests_per_second, "max_requests_per_second",
                "The pace of requests, for a service that counts them."}
          .at_least(0.001)
          .default_text("as fast as they are answered"),
  };
  return kTable;
}

const OptionTable<SourceOptions>& SourceOptions::options() {
  using O = SourceOptions;
  static const OptionTable<O> kTable{
      Option<O>{&O::keyspace, "keyspace", "The keyspace of the table."}.required().example("shop"),
      Option<O>{&O::table, "table", "The table to read."}.required().example("orders"),
      Option<O>{&O::columns, "columns", "The columns to read."}.default_text("all"),
      Option<O>{&O::partition_key, "partition_key",
                "Read this one partition: each column of the partition key, and its value."}
          .default_text("all partitions")
          .example("{ name: ann }"),
      Option<O>{&O::types, "types",
                "SQL types of columns, in place of those that follow from CQL's."}
          .default_text("decimal is DECIMAL(38,10), varint is HUGEINT")
          .example("{ amount: 'DECIMAL(12,2)' }"),
      Option<O>{&O::metadata, "metadata",
                "Columns beside those of the table: names, and writetime(column), in microseconds "
                "since 1970, or ttl(column), in seconds."}
          .example("{ written: writetime(amount) }"),
      Option<O>{&O::consistency, "consistency", "How many replicas have to answer."}.default_text(
          "LOCAL_ONE; LOCAL_QUORUM for Keyspaces"),
      Option<O>{&O::page_rows, "page_rows", "Rows that are fetched at a time."}.at_least(1).at_most(
          100'000),
      Option<O>{&O::ranges, "ranges",
                "Token ranges that a whole table is read in, each with requests of its own."}
          .at_least(1)
          .at_most(65'536),
      Option<O>{&O::parallelism, "parallelism",
                "Pages that are asked for or held at once, of different token ranges."}
          .at_least(1)
          .at_most(256),
      Option<O>{&O::on_malformed, "on_malformed",
                "What to do with rows that have a value which the column's type can't hold: "
                "quarantine, drop or fail."},
  };
  return kTable;
}

const OptionTable<SinkOptions>& SinkOptions::options() {
  using O = SinkOptions;
  static const OptionTable<O> kTable{
      Option<O>{&O::keyspace, "keyspace", "The keyspace of the table."}.required().example("shop"),
      Option<O>{&O::table, "table", "The table to write."}.required().example("orders"),
      Option<O>{&O::consistency, "consistency", "How many replicas have to take a write."}
          .default_text("LOCAL_QUORUM"),
      Option<O>{&O::ttl, "ttl", "How long what is written lives."}
          .at_least(std::chrono::milliseconds(1'000))
          .default_text("as the table has it"),
      Option<O>{&O::timestamps, "timestamps",
                "batch: writes have the batch's time as their timestamp, so that a batch that is "
                "repeated, or a write that comes late, changes nothing. server: they have the time "
                "at which they come, as a table of Keyspaces without client-side timestamps wants "
                "it."},
      Option<O>{&O::null_values, "null_values",
                "remove: a NULL deletes what the column had. keep: it leaves that as it is."},
      Option<O>{&O::max_batch_statements, "max_batch_statements",
                "Rows of one partition are written together, up to so many in an unlogged batch."}
          .at_least(1)
          .at_most(1'000)
          .default_text("100; 30 for Keyspaces, which takes no more"),
      Option<O>{&O::create_table, "create_table", "Make the table if it is not there."},
      Option<O>{&O::partition_key, "partition_key", "The partition key of a table that is made."}
          .default_text("the first column of the pipeline's `key`")
          .example("[customer_id]"),
      Option<O>{&O::clustering_key, "clustering_key",
                "The clustering columns of a table that is made, each perhaps with `desc`."}
          .default_text("the other columns of the pipeline's `key`")
          .example("[order_id desc]"),
      Option<O>{&O::column_types, "column_types",
                "CQL types of columns of a table that is made, in place of those that follow from "
                "SQL's."}
          .example("{ tags: set<text> }"),
      Option<O>{&O::table_options, "table_options",
                "What stands behind WITH in the CREATE TABLE of a table that is made."}
          .example("default_time_to_live = 86400"),
      Option<O>{&O::read_back, "read_back",
                "Read every row after it was written, at the same consistency, and compare it."},
      Option<O>{&O::on_refused, "on_refused",
                "What to do with rows that the table can't hold: a NULL in its key, a number that "
                "is too large for the column's type."},
      Option<O>{&O::max_row_bytes, "max_row_bytes",
                "Rows that are larger are refused, as the server would refuse them."}
          .at_least(Bytes{1'024})
          .default_text("what the server says, or 15 MiB; 1 MiB for Keyspaces"),
      Option<O>{&O::buffer, "buffer",
                "Rows of a batch that take more memory wait in temporary files for their turn."}
          .at_least(Bytes{1 << 20}),
  };
  return kTable;
}

}  // namespace millrace::cassandra
