// millrace generate: messages into a topic.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "cli/generate.h"
#include "connectors/kafka/producer.h"
#include "connectors/kafka/topic_admin.h"

namespace millrace::cli {
namespace {

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

}  // namespace

void generate_topic(const GenerateOptions& options, const std::stop_token& stop) {
  const MessageKind& kind = *kind_of(options);
  const std::string topic = options.topic.empty() ? std::string(kind.topic) : options.topic;
  kafka::ConnectionOptions connection;
  connection.brokers = options.brokers;
  kafka::Troubles troubles(topic);
  need_topic(connection, topic, options.partitions, troubles, stop);
  kafka::Producer producer(connection,
                           {.topic = topic,
                            .transactional_id = "",
                            .compression = kafka::Compression::lz4,
                            .stop = stop},
                           troubles);
  MessageStream stream(kind, format_of(options, kind), options.messages);
  MessageCounts counts;
  Message message;
  Pace pace(options);
  while ((options.rows == 0 || counts.all < options.rows) && pace.wait(counts.all, stop)) {
    stream.make(static_cast<std::uint64_t>(options.first + counts.all), message);
    kafka::Outgoing outgoing;
    outgoing.key = message.key;
    outgoing.value = message.value;
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
