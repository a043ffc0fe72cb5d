#include "connectors/kafka/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "base/strings.h"
#include "connectors/kafka/consumer.h"
#include "core/times.h"

namespace millrace::kafka {

namespace {

/// earliest, latest, or an offset.
std::optional<std::int64_t> place_of(const Node& node) {
  if (!node.is_scalar()) {
    return std::nullopt;
  }
  if (node.text == "earliest") {
    return Consumer::kEarliest;
  }
  if (node.text == "latest") {
    return Consumer::kLatest;
  }
  const auto offset = parse_integer(node.text);
  return offset && *offset >= 0 ? offset : std::nullopt;
}

/// A time in milliseconds since 1970. Before that Kafka has no messages, and means something else
/// by -1 and -2.
std::optional<std::int64_t> time_of(std::string_view text) {
  const auto time_ms = parse_timestamp(text, 3);
  return time_ms ? std::optional(std::max<std::int64_t>(*time_ms, 0)) : std::nullopt;
}

}  // namespace

const OptionTable<ConnectionOptions>& ConnectionOptions::table() {
  using O = ConnectionOptions;
  static const OptionTable<O> kTable{
      Option<O>{&O::brokers, "brokers", "One or more brokers, `host:port`, to find the others by."}
          .required()
          .example("localhost:9092"),
      Option<O>{&O::tls, "tls",
                "Encrypt, and check the brokers' certificates and that they are for their hosts."},
      Option<O>{&O::tls_ca, "tls_ca", "Certificates (PEM) of those whom to trust."}
          .path()
          .default_text("those of the system"),
      Option<O>{&O::tls_certificate, "tls_certificate", "Our own certificate (PEM)."}.path(),
      Option<O>{&O::tls_key, "tls_key", "The key (PEM) of our certificate."}.path(),
      Option<O>{&O::tls_key_password, "tls_key_password", "The password of the key."},
      Option<O>{&O::sasl_mechanism, "sasl_mechanism", "How to say who we are."},
      Option<O>{&O::sasl_username, "sasl_username", "Who we are."},
      Option<O>{&O::sasl_password, "sasl_password", "The password."},
      Option<O>{[](O& o) -> auto& { return o.registry.urls; }, "schema_registry",
                "One or more URLs of a schema registry that speaks Confluent's protocol; tried in "
                "turn."}
          .example("https://registry.example.com:8081"),
      Option<O>{[](O& o) -> auto& { return o.registry.username; }, "schema_registry_username",
                "Who we are to the registry."},
      Option<O>{[](O& o) -> auto& { return o.registry.password; }, "schema_registry_password",
                "The password to the registry."},
      Option<O>{[](O& o) -> auto& { return o.registry.tls_ca; }, "schema_registry_tls_ca",
                "Certificates (PEM) of those whom to trust as the registry."}
          .path()
          .default_text("those of the system"),
      Option<O>{&O::librdkafka, "librdkafka",
                "Any other option of librdkafka, by its name there; checked by `validate`."}
          .example("{ socket.timeout.ms: 10000 }"),
  };
  return kTable;
}

const OptionTable<SourceOptions>& SourceOptions::table() {
  using O = SourceOptions;
  static const OptionTable<O> kTable(
      {
          Option<O>{&O::topic, "topic", "One or more topics."}.example("orders"),
          Option<O>{
              &O::topic_pattern, "topic_pattern",
              "In place of `topic`: all topics whose whole name this regular expression matches, "
              "also those that come later."}
              .example("orders-.*"),
          Option<O>{
              &O::starting_offsets, "starting_offsets",
              "Where to begin without a checkpoint: `earliest`, `latest`, a time (the first "
              "message not older), or a mapping of topics to partitions to offsets. Partitions "
              "that come later are read from their beginning."}
              .default_text("earliest")
              .example("{ orders: { 0: 17, 1: latest } }"),
          Option<O>{&O::group_id, "group_id",
                    "The consumer group that is told how far committed batches are, for people who "
                    "watch its lag. Nothing is ever read from it."}
              .default_text("millrace-<source>"),
          Option<O>{
              &O::max_offsets_per_trigger, "max_offsets_per_trigger",
              "At most so many offsets in a batch, shared by the partitions as they have them."}
              .at_least(1),
          Option<O>{&O::max_bytes_per_trigger, "max_bytes_per_trigger",
                    "At most about so many bytes of messages in a batch, judged by the size of "
                    "those that came so far: it bounds the memory that a backlog takes."}
              .at_least(Bytes{1}),
          Option<O>{&O::min_offsets_per_trigger, "min_offsets_per_trigger",
                    "Wait for so many offsets before a batch, but not longer than "
                    "`max_trigger_delay`, and not for more than `buffer` or a batch may hold."}
              .at_least(0),
          Option<O>{&O::max_trigger_delay, "max_trigger_delay",
                    "How long to wait for `min_offsets_per_trigger`."},
          Option<O>{
              &O::on_data_loss, "on_data_loss",
              "When offsets are gone that were not read (by retention, or as a topic was made "
              "anew): stop with an error, or go on with what is there and count what is lost."},
          Option<O>{&O::discovery_interval, "discovery_interval",
                    "How often to look for new topics and partitions."}
              .at_least(std::chrono::milliseconds(100)),
          Option<O>{&O::buffer, "buffer",
                    "Messages fetched ahead take about so much memory; a batch is what is there."}
              .at_least(Bytes{1 << 20}),
          Option<O>{&O::read_uncommitted, "read_uncommitted",
                    "Also read messages of transactions that are open or were aborted."},
          Option<O>{
              &O::metadata, "metadata",
              "Columns beside those of the format: names, and what they have: key, value, topic, "
              "partition, offset, timestamp or headers; with `on_malformed: permissive`: reason, "
              "why "
              "a message is a row of NULLs (NULL in other rows); and of a change event: op (c, u, "
              "d or r), change_time (when the database made it) or source (JSON)."}
              .default_text("for `format: raw` all of them, by these names")
              .example("{ kafka_timestamp: timestamp }"),
          Option<O>{[](O& o) -> auto& { return o.key.kind; }, "key_format",
                    "What keys are, as `format` says it of values. Those that are not raw have "
                    "columns, which come before those of `metadata`; a message without a key has "
                    "NULLs there. JSON's and CSV's options hold for keys, too."},
          Option<O>{[](O& o) -> auto& { return o.key.schema; }, "key_schema",
                    "The columns of keys, as `schema` has those of values. A string is `key "
                    "VARCHAR` without it; an Avro key may be one value, whose column is `key`."}
              .example("id BIGINT"),
          Option<O>{[](O& o) -> auto& { return o.key.schema_file; }, "key_schema_file",
                    "Avro: as `schema_file`, of keys."}
              .path(),
          Option<O>{[](O& o) -> auto& { return o.key.framing; }, "key_framing",
                    "What comes before each key, as `framing`."}
              .default_text("confluent for Avro if there is a registry and no `key_schema_file`"),
          Option<O>{[](O& o) -> auto& { return o.key.subject; }, "key_subject",
                    "Avro with `key_framing: confluent`: as `subject`, of keys."}
              .default_text("<topic>-key"),
      },
      formats::DecodingOptions::options(&O::records));
  return kTable;
}

const OptionTable<SinkOptions>& SinkOptions::table() {
  using O = SinkOptions;
  static const OptionTable<O> kTable(
      {
          Option<O>{&O::topic, "topic", "The topic to write."}.required().example("totals"),
          Option<O>{
              &O::key_column, "key_column",
              "The column (VARCHAR or BLOB) that is the messages' key, if it is there and keys are "
              "raw. It and the columns `partition`, `timestamp` and `headers` are no part of the "
              "value."},
          Option<O>{[](O& o) -> auto& { return o.key.kind; }, "key_format",
                    "What keys are: raw, the bytes of `key_column`; else records of "
                    "`key_columns`, as `format` says it of values."},
          Option<O>{&O::key_columns, "key_columns",
                    "The columns that are the messages' key, in this order, if keys are not raw."}
              .example("[country, city]"),
          Option<O>{&O::key_only, "key_only", "The `key_columns` are no part of the value."},
          Option<O>{[](O& o) -> auto& { return o.key.framing; }, "key_framing",
                    "What comes before each key, as `framing`."}
              .default_text("confluent for Avro if there is a registry"),
          Option<O>{[](O& o) -> auto& { return o.key.subject; }, "key_subject",
                    "Avro with `key_framing: confluent`: where the keys' schema is registered."}
              .default_text("<topic>-key"),
          Option<O>{&O::compression, "compression", "How messages are compressed."},
          Option<O>{
              &O::guarantee, "guarantee",
              "exactly_once: a transaction a batch. at_least_once: messages are seen as soon as "
              "they are written, and again if a batch is repeated."},
          Option<O>{&O::create_topic, "create_topic", "Make the topic if it is not there."},
          Option<O>{&O::partitions, "partitions", "Of a topic that is made."}
              .at_least(1)
              .default_text("as the cluster has it"),
          Option<O>{&O::replication_factor, "replication_factor", "Of a topic that is made."}
              .at_least(1)
              .default_text("as the cluster has it"),
          Option<O>{&O::topic_config, "topic_config",
                    "Settings of a topic that is made, by their names in Kafka."}
              .example("{ cleanup.policy: compact }"),
      },
      formats::EncodingOptions::options(&O::records));
  return kTable;
}

bool read_starting_offsets(SourceOptions& options, Diagnostics& diagnostics,
                           std::string_view what) {
  const Node& node = options.starting_offsets;
  const auto fail = [&](const Node& at) {
    diagnostics.error(at.at,
                      fmt::format("`starting_offsets` of {} must be earliest, latest, a time or "
                                  "offsets, not {}",
                                  what, options::shown(at)),
                      "write it as earliest, 2024-02-29T12:00:00Z or { orders: { 0: 17 } }");
    return false;
  };
  if (node.is_null()) {
    return true;
  }
  if (node.is_scalar()) {
    const auto place = place_of(node);
    const auto time = place ? place : time_of(node.text);
    if (!time || (place && *place >= 0)) {
      return fail(node);
    }
    options.start.time_ms = *time;
    return true;
  }
  for (const auto& topic : node.entries) {
    if (!topic.value.is_mapping()) {
      return fail(topic.value);
    }
    for (const auto& partition : topic.value.entries) {
      const auto number = parse_integer(partition.key);
      const auto place = place_of(partition.value);
      if (!number || *number < 0 || *number > std::numeric_limits<std::int32_t>::max() || !place) {
        return fail(partition.value);
      }
      options.start.exact[{topic.key, static_cast<std::int32_t>(*number)}] = *place;
    }
  }
  return node.is_mapping() && !options.start.exact.empty() ? true : fail(node);
}

}  // namespace millrace::kafka
