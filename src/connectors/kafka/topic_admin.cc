#include "connectors/kafka/topic_admin.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/strings.h"

namespace millrace::kafka {

namespace {

using AdminOptionsHandle =
    std::unique_ptr<rd_kafka_AdminOptions_t, FreedBy<&rd_kafka_AdminOptions_destroy>>;
using NewTopicHandle = std::unique_ptr<rd_kafka_NewTopic_t, FreedBy<&rd_kafka_NewTopic_destroy>>;
using ResourceHandle =
    std::unique_ptr<rd_kafka_ConfigResource_t, FreedBy<&rd_kafka_ConfigResource_destroy>>;

}  // namespace

TopicAdmin::TopicAdmin(const ConnectionOptions& connection, Troubles& troubles,
                       std::stop_token stop)
    : client_(Config(connection).make(RD_KAFKA_PRODUCER, troubles)),
      troubles_(troubles),
      stop_(std::move(stop)) {}

/// The event that answers a request, which is made again until the cluster can be reached.
template <class Request>
EventHandle TopicAdmin::ask(rd_kafka_admin_op_t operation, const Request& request) const {
  const QueueHandle queue(rd_kafka_queue_new(client_.get()));
  const AdminOptionsHandle options(rd_kafka_AdminOptions_new(client_.get(), operation));
  for (Patience patience(stop_, troubles_);; patience.check()) {
    std::array<char, 256> problem{};
    rd_kafka_AdminOptions_set_request_timeout(
        options.get(), static_cast<int>(patience.next().count()), problem.data(), problem.size());
    request(options.get(), queue.get());
    EventHandle event(rd_kafka_queue_poll(queue.get(), -1));
    const auto code = rd_kafka_event_error(event.get());
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      troubles_.over();
      return event;
    }
    const Error error = error_of("asking for a topic", code, troubles_.last());
    if (error.retry() == Retry::no) {
      throw error;
    }
    troubles_.note(code, rd_kafka_event_error_string(event.get()));
  }
}

bool TopicAdmin::has(const std::string& topic) const {
  const rd_kafka_metadata_t* raw = nullptr;
  // All topics: to ask for one may make it.
  Patience patience(stop_, troubles_);
  while (const auto code = rd_kafka_metadata(client_.get(), 1, nullptr, &raw,
                                             static_cast<int>(patience.next().count()))) {
    const Error error = error_of("asking for topics", code, troubles_.last());
    if (error.retry() == Retry::no) {
      throw error;
    }
    troubles_.note(code, error.what());
    patience.check();
  }
  const MetadataHandle metadata(raw);
  troubles_.over();
  return std::ranges::any_of(
      std::span(metadata->topics, static_cast<std::size_t>(metadata->topic_cnt)),
      [&](const auto& each) { return topic == each.topic; });
}

bool TopicAdmin::create(const NewTopic& topic) const {
  std::array<char, 512> problem{};
  const NewTopicHandle made(rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions,
                                                  topic.replication_factor, problem.data(),
                                                  problem.size()));
  if (made == nullptr) {
    throw Error(Blame::user, fmt::format("topic {}: {}", topic.name, problem.data()));
  }
  for (const auto& [name, value] : topic.config) {
    if (const auto code = rd_kafka_NewTopic_set_config(made.get(), name.c_str(), value.c_str());
        code != 0) {
      throw Error(Blame::user, fmt::format("topic {}: {}: {}", topic.name, name, text_of(code)));
    }
  }
  rd_kafka_NewTopic_t* list = made.get();
  const auto event = ask(RD_KAFKA_ADMIN_OP_CREATETOPICS, [&](auto* options, auto* queue) {
    rd_kafka_CreateTopics(client_.get(), &list, 1, options, queue);
  });
  std::size_t count = 0;
  const auto* const* results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (const auto* result : std::span(results, count)) {
    const auto code = rd_kafka_topic_result_error(result);
    if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
      return false;
    }
    if (code != 0) {
      const char* why = rd_kafka_topic_result_error_string(result);
      throw error_of(fmt::format("creating topic {}", topic.name), code, why == nullptr ? "" : why);
    }
  }
  return true;
}

std::optional<std::int64_t> TopicAdmin::max_message_bytes(const std::string& topic) const {
  const ResourceHandle resource(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  rd_kafka_ConfigResource_t* list = resource.get();
  const auto event = ask(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, [&](auto* options, auto* queue) {
    rd_kafka_DescribeConfigs(client_.get(), &list, 1, options, queue);
  });
  std::size_t count = 0;
  const auto* const* found = rd_kafka_DescribeConfigs_result_resources(
      rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  for (const auto* each : std::span(found, count)) {
    std::size_t entries = 0;
    const auto* const* configs = rd_kafka_ConfigResource_configs(each, &entries);
    for (const auto* entry : std::span(configs, entries)) {
      const char* value = rd_kafka_ConfigEntry_value(entry);
      if (std::string_view(rd_kafka_ConfigEntry_name(entry)) == "max.message.bytes" &&
          value != nullptr) {
        return parse_integer(value);
      }
    }
  }
  return std::nullopt;
}

}  // namespace millrace::kafka
