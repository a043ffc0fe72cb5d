#include "connectors/cassandra/cassandra.h"

#include <fmt/format.h>

#include "connectors/cassandra/options.h"
#include "connectors/cassandra/select.h"
#include "connectors/cassandra/sink.h"
#include "connectors/cassandra/source.h"

namespace millrace {

namespace {

using cassandra::ConnectionOptions;
using cassandra::SinkOptions;
using cassandra::SourceOptions;

bool check_source(const SourceOptions& options, const Location& at, Diagnostics& diagnostics,
                  const std::string& what) {
  const auto errors = diagnostics.error_count();
  if (options.on_malformed == OnMalformed::permissive) {
    diagnostics.error(at, what + " can't have `on_malformed: permissive`",
                      "use quarantine, drop or fail");
  }
  for (const auto& [name, text] : options.metadata) {
    if (cassandra::read_metadata(text).first.empty()) {
      diagnostics.error(at, fmt::format("`metadata` of {}: {} can't be `{}`", what, name, text),
                        "write it as writetime(column) or ttl(column)");
    }
  }
  return diagnostics.error_count() == errors;
}

bool check_sink(const ConnectionOptions& connection, const SinkOptions& options, const Location& at,
                Diagnostics& diagnostics, const std::string& what) {
  const auto errors = diagnostics.error_count();
  constexpr std::int64_t kKeyspacesStatements = 30;
  if (connection.is_keyspaces() &&
      options.max_batch_statements.value_or(1) > kKeyspacesStatements) {
    diagnostics.error(at, what + ": Keyspaces takes at most 30 statements a batch",
                      "leave `max_batch_statements` out");
  }
  const auto consistency = options.consistency.value_or(cassandra::Consistency::local_quorum);
  if (connection.is_keyspaces() && consistency != cassandra::Consistency::local_quorum) {
    diagnostics.error(at, what + ": Keyspaces writes at LOCAL_QUORUM only",
                      "leave `consistency` out");
  }
  if (options.read_back && consistency == cassandra::Consistency::any) {
    diagnostics.error(at, what + " can't read back at the consistency ANY",
                      "leave `read_back` out, or set another `consistency`");
  }
  const bool says_how = !options.partition_key.empty() || !options.clustering_key.empty() ||
                        !options.column_types.empty() || !options.table_options.empty();
  if (says_how && !options.create_table) {
    diagnostics.error(at, what + " says how the table is to be made, but not that it is",
                      "set `create_table: true`");
  }
  if (options.partition_key.empty() && !options.clustering_key.empty()) {
    diagnostics.error(at, what + " has a `clustering_key` without a `partition_key`",
                      "set `partition_key`");
  }
  return diagnostics.error_count() == errors;
}

class CassandraConnector final : public Connector {
 public:
  [[nodiscard]] std::string_view type() const noexcept override { return "cassandra"; }
  [[nodiscard]] std::string_view summary() const noexcept override {
    return "Tables of Apache Cassandra, and of what speaks its protocol, such as Amazon Keyspaces.";
  }
  [[nodiscard]] const OptionSet* connection_options() const noexcept override {
    return &ConnectionOptions::table();
  }
  [[nodiscard]] const OptionSet* source_options() const noexcept override {
    return &SourceOptions::options();
  }
  [[nodiscard]] const OptionSet* sink_options() const noexcept override {
    return &SinkOptions::options();
  }

  std::unique_ptr<Source> make_source(const ConnectorRequest& request,
                                      Diagnostics& diagnostics) const override {
    const auto what = "source " + request.name;
    ConnectionOptions connection;
    SourceOptions options;
    bool good =
        ConnectionOptions::table().parse(*request.connection, diagnostics, connection, what);
    good &= SourceOptions::options().parse(*request.options, diagnostics, options, what);
    if (!good) {
      return nullptr;
    }
    good &=
        cassandra::settle_connection(connection, request.base_dir, request.at, diagnostics, what);
    good &= check_source(options, request.at, diagnostics, what);
    return good && request.database != nullptr
               ? std::make_unique<cassandra::CassandraSource>(request.name, std::move(connection),
                                                              std::move(options), request.as_table,
                                                              request.stop)
               : nullptr;
  }

  std::unique_ptr<Sink> make_sink(const ConnectorRequest& request,
                                  Diagnostics& diagnostics) const override {
    const auto what = "sink " + request.name;
    ConnectionOptions connection;
    SinkOptions options;
    bool good =
        ConnectionOptions::table().parse(*request.connection, diagnostics, connection, what);
    good &= SinkOptions::options().parse(*request.options, diagnostics, options, what);
    if (!good) {
      return nullptr;
    }
    good &=
        cassandra::settle_connection(connection, request.base_dir, request.at, diagnostics, what);
    good &= check_sink(connection, options, request.at, diagnostics, what);
    return good ? std::make_unique<cassandra::CassandraSink>(request.name, std::move(connection),
                                                             std::move(options), request.stop)
                : nullptr;
  }
};

}  // namespace

std::unique_ptr<Connector> cassandra_connector() { return std::make_unique<CassandraConnector>(); }

}  // namespace millrace
