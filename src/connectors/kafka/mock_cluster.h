// librdkafka's mock cluster, for tests of what a real one does not do when asked.
#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/kafka/handles.h"
#include "connectors/kafka/options.h"

namespace millrace::kafka {

/// Three brokers and a topic of one partition.
class MockCluster {
 public:
  // Of the protocol, for push_errors().
  static constexpr std::int16_t kProduce = 0;
  static constexpr std::int16_t kFetch = 1;
  static constexpr std::int16_t kListOffsets = 2;
  static constexpr std::int16_t kInitProducerId = 22;
  static constexpr std::int16_t kAddOffsetsToTxn = 25;
  static constexpr std::int16_t kEndTxn = 26;

  MockCluster() {
    std::array<char, 512> problem{};
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", problem.data(), problem.size());
    owner_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf, problem.data(), problem.size()));
    if (owner_ == nullptr) {
      throw std::runtime_error(problem.data());
    }
    cluster_.reset(rd_kafka_mock_cluster_new(owner_.get(), 3));
    rd_kafka_mock_topic_create(get(), "orders", 1, 3);
  }

  [[nodiscard]] rd_kafka_mock_cluster_t* get() const { return cluster_.get(); }
  [[nodiscard]] ConnectionOptions connection() const {
    ConnectionOptions options;
    const std::string all = rd_kafka_mock_cluster_bootstraps(get());
    for (std::size_t at = 0; at < all.size();) {
      const auto end = std::min(all.find(',', at), all.size());
      options.brokers.push_back(all.substr(at, end - at));
      at = end + 1;
    }
    options.librdkafka["retry.backoff.ms"] = "10";
    return options;
  }
  /// The next requests of a kind fail.
  void push_errors(std::int16_t kind, const std::vector<rd_kafka_resp_err_t>& errors) const {
    rd_kafka_mock_push_request_errors_array(get(), kind, errors.size(), errors.data());
  }
  void lead(std::int32_t broker) const {
    rd_kafka_mock_partition_set_leader(get(), "orders", 0, broker);
  }
  void all_down() const { rd_kafka_mock_broker_set_down(get(), -1); }
  void all_up() const { rd_kafka_mock_broker_set_up(get(), -1); }

 private:
  ClientHandle owner_;
  std::unique_ptr<rd_kafka_mock_cluster_t, FreedBy<&rd_kafka_mock_cluster_destroy>> cluster_;
};

}  // namespace millrace::kafka
