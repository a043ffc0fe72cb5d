// What a sink asks of its topic before it writes: that it is there, and what it takes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>

#include "connectors/kafka/client.h"

namespace millrace::kafka {

/// How a topic is to be made. -1: as the cluster has it.
struct NewTopic {
  std::string name;
  int partitions = -1;
  int replication_factor = -1;
  std::map<std::string, std::string> config;
};

/// A connection for questions of administration. One thread. Each function waits for the cluster,
/// and throws Error for what does not heal by itself.
class TopicAdmin {
 public:
  /// `troubles` must outlive it. A request to `stop` ends waits with Stopped.
  TopicAdmin(const ConnectionOptions& connection, Troubles& troubles, std::stop_token stop);

  [[nodiscard]] bool has(const std::string& topic) const;
  /// Makes a topic if it is not there. True: it was not.
  bool create(const NewTopic& topic) const;
  /// The largest message that a topic takes, in bytes with what is around it (max.message.bytes);
  /// nullopt: we may not ask.
  [[nodiscard]] std::optional<std::int64_t> max_message_bytes(const std::string& topic) const;

 private:
  template <class Request>
  [[nodiscard]] EventHandle ask(rd_kafka_admin_op_t operation, const Request& request) const;

  ClientHandle client_;
  Troubles& troubles_;
  std::stop_token stop_;
};

}  // namespace millrace::kafka
