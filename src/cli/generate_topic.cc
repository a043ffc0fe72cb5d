// millrace generate: messages into a topic.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "cli/connection_node.h"
#include "cli/generate.h"
#include "connectors/kafka/client.h"
#include "connectors/kafka/producer.h"
#include "connectors/kafka/registry.h"
#include "connectors/kafka/topic_admin.h"
#include "formats/avro/framing.h"

namespace millrace::cli {
namespace {

constexpr std::string_view kKafkaOption = "--kafka-option";

/// Makes a topic, if that is asked for and it is not there.
void need_topic(const kafka::ConnectionOptions& connection, const std::string& topic,
                std::optional<int> partitions, kafka::Troubles& troubles,
                const std::stop_token& stop) {
  const kafka::TopicAdmin admin(connection, troubles, stop);
  if (partitions) {
    admin.create({.name = topic, .partitions = *partitions, .config = {}});
  } else if (!admin.has(topic)) {
    throw Error(Blame::user, fmt::format("there is no topic {}; --partitions N makes it", topic));
  }
}

/// The connection as a pipeline file would have it.
Node connection_node(const GenerateOptions& options) {
  constexpr std::string_view kOthers = "librdkafka.";
  Node brokers{.kind = Node::Kind::sequence};
  brokers.items.reserve(options.brokers.size());
  std::ranges::transform(options.brokers, std::back_inserter(brokers.items), scalar_node);
  Node others{.kind = Node::Kind::mapping};
  Node node{.kind = Node::Kind::mapping};
  add_entry(node, "brokers", std::move(brokers));
  if (!options.registry.empty()) {
    add_entry(node, "schema_registry", scalar_node(options.registry));
  }
  for (const std::string_view each : options.connection) {
    const auto [name, value] = name_and_value(each, kKafkaOption);
    if (name.starts_with(kOthers)) {
      add_entry(others, name.substr(kOthers.size()), scalar_node(std::string(value)));
    } else {
      add_entry(node, name, scalar_node(std::string(value)));
    }
  }
  if (!others.entries.empty()) {
    add_entry(node, "librdkafka", std::move(others));
  }
  return node;
}

/// What each message begins with: of Avro, if there is a registry, the number of its schema.
std::string frame_of(const kafka::ConnectionOptions& connection, const GenerateOptions& options,
                     const std::string& topic, const std::stop_token& stop) {
  const MessageKind& kind = *kind_of(options);
  std::string frame;
  if (!connection.registry.urls.empty() && format_of(options, kind) == formats::Kind::avro) {
    kafka::SchemaRegistry registry(connection.registry, stop);
    avro::write_frame(registry.register_schema(topic + "-value", kind.avro), frame);
  }
  return frame;
}

}  // namespace

void generate_topic(const GenerateOptions& options, const std::stop_token& stop) {
  const MessageKind& kind = *kind_of(options);
  const std::string topic = options.topic.empty() ? std::string(kind.topic) : options.topic;
  const auto connection = parse_connection<kafka::ConnectionOptions>(
      connection_node(options), kKafkaOption, kafka::check_connection);
  kafka::Troubles troubles(topic);
  need_topic(connection, topic, options.partitions, troubles, stop);
  const std::string frame = frame_of(connection, options, topic, stop);
  kafka::Producer producer(connection,
                           {.topic = topic,
                            .transactional_id = "",
                            .compression = kafka::Compression::lz4,
                            .stop = stop},
                           troubles);
  MessageStream stream(kind, format_of(options, kind), options.messages);
  MessageCounts counts;
  Message message;
  std::string value;
  Pace pace(options);
  while ((options.rows == 0 || counts.all < options.rows) && pace.wait(counts.all, stop)) {
    stream.make(static_cast<std::uint64_t>(options.first + counts.all), message);
    value.assign(frame).append(message.value);
    kafka::Outgoing outgoing;
    outgoing.key = message.key;
    outgoing.value = value;
    producer.send(outgoing);
    counts.add(message);
    if (options.rate && counts.all % std::max<std::int64_t>(std::llround(*options.rate), 1) == 0) {
      producer.flush();  // each second: what is wrong with the cluster is seen then
    }
    pace.show(counts.all);
  }
  producer.flush();
  pace.say_end(counts.all, "message",
               fmt::format("to topic {}{}", topic, counts.text(options.first)));
}

}  // namespace millrace::cli
