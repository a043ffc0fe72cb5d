#include "connectors/kafka/kafka.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "base/files.h"
#include "connectors/kafka/options.h"
#include "connectors/kafka/sink.h"
#include "connectors/kafka/source.h"

namespace millrace {

namespace {

using kafka::ConnectionOptions;
using kafka::SinkOptions;
using kafka::SourceOptions;

bool check_topics(const SourceOptions& options, const Location& at, Diagnostics& diagnostics,
                  const std::string& what) {
  if (options.topic.empty() == options.topic_pattern.empty()) {
    diagnostics.error(at, fmt::format("{} needs `topic` or `topic_pattern`", what),
                      "name one of them, such as `topic: orders`");
    return false;
  }
  try {
    (void)std::regex(options.topic_pattern);
  } catch (const std::regex_error& error) {
    diagnostics.error(at, fmt::format("`topic_pattern` of {}: {}", what, error.what()));
    return false;
  }
  return true;
}

void resolve_paths(ConnectionOptions& connection, const std::string& folder) {
  for (auto* path : {&connection.tls_ca, &connection.tls_certificate, &connection.tls_key}) {
    *path = path->empty() ? "" : resolve_path(folder, *path);
  }
}

class KafkaConnector final : public Connector {
 public:
  [[nodiscard]] std::string_view type() const noexcept override { return "kafka"; }
  [[nodiscard]] std::string_view summary() const noexcept override {
    return "Topics of Kafka, and of what speaks its protocol.";
  }
  [[nodiscard]] const OptionSet* connection_options() const noexcept override {
    return &ConnectionOptions::table();
  }
  [[nodiscard]] const OptionSet* source_options() const noexcept override {
    return &SourceOptions::table();
  }

  [[nodiscard]] const OptionSet* sink_options() const noexcept override {
    return &SinkOptions::table();
  }

  std::unique_ptr<Source> make_source(const ConnectorRequest& request,
                                      Diagnostics& diagnostics) const override {
    const auto what = "source " + request.name;
    ConnectionOptions connection;
    SourceOptions options;
    bool good =
        ConnectionOptions::table().parse(*request.connection, diagnostics, connection, what);
    good &= SourceOptions::table().parse(*request.options, diagnostics, options, what);
    if (!good) {
      return nullptr;
    }
    resolve_paths(connection, request.base_dir);
    if (auto& file = options.records.schema_file; !file.empty()) {
      file = resolve_path(request.base_dir, file);
    }
    if (request.as_table) {
      diagnostics.error(request.at, fmt::format("{}: a topic can't be read `as: table`", what),
                        "aggregate it in a dataset: that is a table");
      return nullptr;
    }
    if (options.group_id.empty()) {
      options.group_id = "millrace-" + request.name;
    }
    good &= kafka::check_connection(connection, request.at, diagnostics, what);
    good &= check_topics(options, request.at, diagnostics, what);
    good &= kafka::read_starting_offsets(options, diagnostics, what);
    good &= kafka::check_metadata(options, request.at, diagnostics, what);
    return good ? std::make_unique<kafka::KafkaSource>(request.name, std::move(connection),
                                                       std::move(options), request.database)
                : nullptr;
  }

  std::unique_ptr<Sink> make_sink(const ConnectorRequest& request,
                                  Diagnostics& diagnostics) const override {
    const auto what = "sink " + request.name;
    ConnectionOptions connection;
    SinkOptions options;
    bool good =
        ConnectionOptions::table().parse(*request.connection, diagnostics, connection, what);
    good &= SinkOptions::table().parse(*request.options, diagnostics, options, what);
    if (!good) {
      return nullptr;
    }
    resolve_paths(connection, request.base_dir);
    if (auto& file = options.records.schema_file; !file.empty()) {
      file = resolve_path(request.base_dir, file);
    }
    return kafka::check_connection(connection, request.at, diagnostics, what)
               ? std::make_unique<kafka::KafkaSink>(request.name, std::move(connection),
                                                    std::move(options))
               : nullptr;
  }
};

}  // namespace

std::unique_ptr<Connector> kafka_connector() { return std::make_unique<KafkaConnector>(); }

}  // namespace millrace
