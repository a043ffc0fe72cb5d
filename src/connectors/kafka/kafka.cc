#include "connectors/kafka/kafka.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "base/files.h"
#include "connectors/kafka/options.h"
#include "connectors/kafka/schema_change.h"
#include "connectors/kafka/sink.h"
#include "connectors/kafka/source.h"
#include "connectors/kafka/source_layout.h"

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

/// Paths are relative to the pipeline file's folder.
void resolve_paths(const std::string& folder, ConnectionOptions& connection,
                   std::string& schema_file, std::string& key_schema_file) {
  for (auto* path : {&connection.tls_ca, &connection.tls_certificate, &connection.tls_key,
                     &connection.registry.tls_ca, &schema_file, &key_schema_file}) {
    *path = path->empty() ? "" : resolve_path(folder, *path);
  }
}

/// Who is asked: a source or sink, for messages.
struct Asked {
  const Location& at;
  Diagnostics& diagnostics;
  const std::string& what;
  std::string_view prefix = "";  ///< of the options that are looked at: "key_"
};

/// Sets `framing` if it is left to us; reports what can't be.
bool settle_framing(const ConnectionOptions& connection, formats::Kind kind, bool by_default,
                    std::optional<formats::Framing>& framing, const Asked& asked) {
  using formats::Framing;
  const bool has_registry = !connection.registry.urls.empty();
  if (!framing) {
    framing = kind == formats::Kind::avro && has_registry && by_default ? Framing::confluent
                                                                        : Framing::none;
  }
  if (*framing == Framing::none) {
    return true;
  }
  if (kind != formats::Kind::avro && kind != formats::Kind::json) {
    asked.diagnostics.error(
        asked.at,
        fmt::format("`{0}framing: confluent` of {1} comes before Avro and JSON only, not before "
                    "`{0}format: {2}`",
                    asked.prefix, asked.what, enum_word(kind)),
        fmt::format("leave `{}framing` out", asked.prefix));
    return false;
  }
  if (kind == formats::Kind::avro && !has_registry) {
    asked.diagnostics.error(asked.at,
                            fmt::format("`{}framing: confluent` of {} needs a schema registry",
                                        asked.prefix, asked.what),
                            "name it in the connection: `schema_registry: https://...`");
    return false;
  }
  return true;
}

/// Names the subject whose latest schema is to say what the columns are.
bool settle_subject(const std::vector<std::string>& topics, std::string_view suffix,
                    formats::DecodingOptions& records, const Asked& asked) {
  if (!formats::needs_latest(records) || !records.subject.empty()) {
    return true;
  }
  if (topics.size() != 1) {
    asked.diagnostics.error(
        asked.at,
        fmt::format("{} reads several topics, and nothing says what the {}columns are", asked.what,
                    asked.prefix.empty() ? "" : "key's "),
        fmt::format("name the columns by `{0}schema`, or the `{0}subject` whose latest schema has "
                    "them",
                    asked.prefix));
    return false;
  }
  records.subject = topics.front() + std::string(suffix);
  return true;
}

/// What keys have no options for is as it is for values.
bool settle_key(const ConnectionOptions& connection, SourceOptions& options, const Asked& asked) {
  auto& key = options.key;
  key.json = options.records.json;
  key.json.rescue_column.clear();
  key.csv = options.records.csv;
  if (key.kind == formats::Kind::raw && !(key.schema.empty() && key.schema_file.empty())) {
    asked.diagnostics.error(asked.at,
                            fmt::format("{} has raw keys, which have no schema", asked.what),
                            "say what they are, such as `key_format: json`");
    return false;
  }
  return settle_framing(connection, key.kind, key.schema_file.empty(), key.framing, asked) &&
         settle_subject(options.topic, "-key", key, asked);
}

bool settle_key(const ConnectionOptions& connection, SinkOptions& options, const Asked& asked) {
  auto& key = options.key;
  key.auto_register = options.records.auto_register;
  key.record_name = options.records.record_name + "Key";
  key.csv = options.records.csv;
  if (key.subject.empty()) {
    key.subject = options.topic + "-key";
  }
  const bool is_raw = key.kind == formats::Kind::raw;
  if (is_raw != options.key_columns.empty() || (is_raw && options.key_only)) {
    asked.diagnostics.error(
        asked.at,
        is_raw ? fmt::format("{} has raw keys, which are the bytes of `key_column`", asked.what)
               : fmt::format("nothing says what the keys of {} are made of", asked.what),
        is_raw ? "say what keys of `key_columns` are, such as `key_format: json`"
               : "name the columns: `key_columns: [...]`");
    return false;
  }
  if (key.framing == formats::Framing::confluent && key.kind != formats::Kind::avro) {
    asked.diagnostics.error(
        asked.at, fmt::format("{} can write `key_framing: confluent` with Avro only", asked.what),
        "leave `key_framing` out, or set `key_format: avro`");
    return false;
  }
  return settle_framing(connection, key.kind, true, key.framing, asked);
}

bool check_envelope(const formats::DecodingOptions& records, const Location& at,
                    Diagnostics& diagnostics, const std::string& what) {
  const bool can_be = records.kind == formats::Kind::json || records.kind == formats::Kind::avro;
  if (records.envelope == formats::Envelope::debezium && !can_be) {
    diagnostics.error(at, fmt::format("{}: `envelope: debezium` needs a format", what),
                      "set `format: json` or `format: avro`");
    return false;
  }
  return true;
}

bool check_permissive(const formats::DecodingOptions& records, const Location& at,
                      Diagnostics& diagnostics, const std::string& what) {
  if (!records.corrupt_record_column.empty() && records.on_malformed != OnMalformed::permissive) {
    diagnostics.error(
        at, fmt::format("{} has a `corrupt_record_column`, which nothing would fill", what),
        "set `on_malformed: permissive`");
    return false;
  }
  return true;
}

bool check_encoding(const formats::EncodingOptions& records, const Location& at,
                    Diagnostics& diagnostics, const std::string& what) {
  if (records.framing == formats::Framing::confluent && records.kind != formats::Kind::avro) {
    diagnostics.error(at, fmt::format("{} can write `framing: confluent` with Avro only", what),
                      "leave `framing` out, or set `format: avro`");
    return false;
  }
  if (!records.auto_register && !records.schema_file.empty()) {
    diagnostics.error(at,
                      fmt::format("{} is to write with the subject's latest schema and with "
                                  "that of `schema_file`",
                                  what),
                      "leave `schema_file` or `auto_register_schemas: false` out");
    return false;
  }
  return true;
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
    auto& records = options.records;
    resolve_paths(request.base_dir, connection, records.schema_file, options.key.schema_file);
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
    const Asked asked{request.at, diagnostics, what};
    good &= settle_framing(connection, records.kind, records.schema_file.empty(), records.framing,
                           asked);
    good &= check_permissive(records, request.at, diagnostics, what);
    good &= check_envelope(records, request.at, diagnostics, what);
    good &= kafka::settle_schema_change(records, request.at, diagnostics, what);
    good &= settle_subject(options.topic, "-value", records, asked);
    good &= settle_key(connection, options, {request.at, diagnostics, what, "key_"});
    return good ? std::make_unique<kafka::KafkaSource>(request.name, std::move(connection),
                                                       std::move(options), request.database,
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
    good &= SinkOptions::table().parse(*request.options, diagnostics, options, what);
    if (!good) {
      return nullptr;
    }
    auto& records = options.records;
    resolve_paths(request.base_dir, connection, records.schema_file, options.key.schema_file);
    good &= kafka::check_connection(connection, request.at, diagnostics, what);
    good &= check_encoding(records, request.at, diagnostics, what);
    good &= settle_framing(connection, records.kind, true, records.framing,
                           {request.at, diagnostics, what});
    good &= settle_key(connection, options, {request.at, diagnostics, what, "key_"});
    if (records.subject.empty()) {
      records.subject = options.topic + "-value";
    }
    return good ? std::make_unique<kafka::KafkaSink>(request.name, std::move(connection),
                                                     std::move(options), request.stop)
                : nullptr;
  }
};

}  // namespace

std::unique_ptr<Connector> kafka_connector() { return std::make_unique<KafkaConnector>(); }

}  // namespace millrace
