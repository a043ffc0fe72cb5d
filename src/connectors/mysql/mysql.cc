#include "connectors/mysql/mysql.h"

#include <utility>

#include "base/files.h"
#include "connectors/mysql/cdc_source.h"
#include "connectors/mysql/options.h"
#include "connectors/mysql/sink.h"
#include "connectors/mysql/source.h"

namespace millrace {

namespace {

using mysql::ConnectionOptions;
using mysql::SinkOptions;
using mysql::SourceOptions;

bool read_connection(const ConnectorRequest& request, const std::string& what,
                     Diagnostics& diagnostics, ConnectionOptions& connection) {
  if (!ConnectionOptions::table().parse(*request.connection, diagnostics, connection, what)) {
    return false;
  }
  for (auto* path :
       {&connection.socket, &connection.tls_ca, &connection.tls_certificate, &connection.tls_key}) {
    *path = path->empty() ? "" : resolve_path(request.base_dir, *path);
  }
  return mysql::check_connection(connection, request.at, diagnostics, what);
}

class MysqlConnector final : public Connector {
 public:
  [[nodiscard]] std::string_view type() const noexcept override { return "mysql"; }
  [[nodiscard]] std::string_view summary() const noexcept override {
    return "Tables of MySQL and MariaDB.";
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
    bool good = read_connection(request, what, diagnostics, connection);
    good &= SourceOptions::options().parse(*request.options, diagnostics, options, what) &&
            mysql::check_source(options, request.as_table, request.at, diagnostics, what);
    if (good && options.cdc && request.database != nullptr) {
      return std::make_unique<mysql::CdcSource>(
          request.name, std::move(connection), std::move(options), *request.database, request.stop);
    }
    return good && request.database != nullptr
               ? std::make_unique<mysql::MysqlSource>(request.name, connection, std::move(options),
                                                      *request.database, request.stop)
               : nullptr;
  }

  std::unique_ptr<Sink> make_sink(const ConnectorRequest& request,
                                  Diagnostics& diagnostics) const override {
    const auto what = "sink " + request.name;
    ConnectionOptions connection;
    SinkOptions options;
    bool good = read_connection(request, what, diagnostics, connection);
    good &= SinkOptions::options().parse(*request.options, diagnostics, options, what);
    return good ? std::make_unique<mysql::MysqlSink>(request.name, std::move(connection),
                                                     std::move(options), request.stop)
                : nullptr;
  }
};

}  // namespace

std::unique_ptr<Connector> mysql_connector() { return std::make_unique<MysqlConnector>(); }

}  // namespace millrace
