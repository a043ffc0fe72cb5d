// What librdkafka alone takes to read a topic to its end: a consumer that only counts bytes.
//   consume_bench BROKERS TOPIC
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <vector>

#include "connectors/kafka/handles.h"

namespace millrace::kafka {
namespace {

int count(const char* brokers, const char* topic) {
  ConfHandle conf(rd_kafka_conf_new());
  for (const auto& [name, value] :
       {std::pair{"bootstrap.servers", brokers}, std::pair{"group.id", "consume_bench"},
        std::pair{"enable.auto.commit", "false"}, std::pair{"enable.partition.eof", "true"},
        std::pair{"queued.min.messages", "1000000"}}) {
    if (rd_kafka_conf_set(conf.get(), name, value, nullptr, 0) != RD_KAFKA_CONF_OK) {
      return EXIT_FAILURE;
    }
  }
  const ClientHandle client(rd_kafka_new(RD_KAFKA_CONSUMER, conf.release(), nullptr, 0));
  rd_kafka_poll_set_consumer(client.get());
  const rd_kafka_metadata_t* raw = nullptr;
  if (rd_kafka_metadata(client.get(), 1, nullptr, &raw, 10'000) != 0) {
    return EXIT_FAILURE;
  }
  const MetadataHandle metadata(raw);
  const PartitionListHandle list(rd_kafka_topic_partition_list_new(1));
  for (int t = 0; t < metadata->topic_cnt; t++) {
    for (int p = 0; std::string_view(topic) == metadata->topics[t].topic &&
                    p < metadata->topics[t].partition_cnt;
         p++) {
      rd_kafka_topic_partition_list_add(list.get(), topic, p)->offset = 0;
    }
  }
  rd_kafka_assign(client.get(), list.get());
  const QueueHandle queue(rd_kafka_queue_get_consumer(client.get()));
  std::vector<rd_kafka_message_t*> got(10'000);
  std::int64_t messages = 0;
  std::int64_t bytes = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int ended = 0; ended < list->cnt;) {
    const auto some = rd_kafka_consume_batch_queue(queue.get(), 100, got.data(), got.size());
    for (std::int64_t i = 0; i < some; i++) {
      const MessageHandle message(got[static_cast<std::size_t>(i)]);
      ended += message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ? 1 : 0;
      messages += message->err == 0 ? 1 : 0;
      bytes += message->err == 0 ? static_cast<std::int64_t>(message->len) : 0;
    }
  }
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  fmt::print("{} messages, {} bytes, {:.3f} s\n", messages, bytes, spent.count());
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace millrace::kafka

int main(int argc, char** argv) {
  return argc == 3 ? millrace::kafka::count(argv[1], argv[2]) : EXIT_FAILURE;
}
