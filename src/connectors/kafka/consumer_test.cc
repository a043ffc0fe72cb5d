#include "connectors/kafka/consumer.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "connectors/kafka/mock_cluster.h"
#include "connectors/kafka/producer.h"

namespace millrace::kafka {
namespace {

const Partition kOrders{"orders", 0};

class KafkaConsumerTest : public ::testing::Test {
 protected:
  KafkaConsumerTest() : connection_(cluster_.connection()) {}

  void produce(int count) {
    Producer producer(connection_, {.topic = "orders", .transactional_id = ""}, troubles_);
    for (int i = 0; i < count; ++i) {
      Outgoing message;
      message.value = "x";
      producer.send(message);
    }
    producer.flush();
  }
  std::unique_ptr<Consumer> make(OnDataLoss on_data_loss = OnDataLoss::fail) {
    return std::make_unique<Consumer>(
        connection_,
        Consumer::Settings{
            .group = "test", .on_data_loss = on_data_loss, .stop = stop_.get_token()},
        troubles_);
  }
  /// Takes all messages of a range.
  static std::vector<std::int64_t> take(Consumer& consumer, Range range) {
    std::vector<std::int64_t> offsets;
    std::vector<MessageHandle> messages;
    for (bool more = true; more;) {
      more = consumer.take(kOrders, range, 3, messages);
      for (const auto& message : messages) {
        offsets.push_back(message->offset);
      }
      messages.clear();
    }
    return offsets;
  }
  static std::vector<std::int64_t> from_to(std::int64_t from, std::int64_t to) {
    std::vector<std::int64_t> offsets;
    for (; from < to; ++from) {
      offsets.push_back(from);
    }
    return offsets;
  }

  MockCluster cluster_;
  ConnectionOptions connection_;
  std::stop_source stop_;
  Troubles troubles_{"test"};
};

TEST_F(KafkaConsumerTest, reads_although_the_leader_moves_and_requests_fail) {
  cluster_.lead(1);
  produce(10);
  const auto consumer = make();
  consumer->add({{kOrders, 0}});
  EXPECT_EQ(take(*consumer, {0, 10}), from_to(0, 10));
  cluster_.lead(2);
  cluster_.push_errors(MockCluster::kFetch, {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                             RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE});
  produce(10);
  EXPECT_EQ(take(*consumer, {10, 20}), from_to(10, 20));
  EXPECT_EQ(consumer->places(), (Offsets{{kOrders, 20}}));
}

TEST_F(KafkaConsumerTest, goes_on_when_brokers_come_back) {
  produce(10);
  const auto consumer = make();
  consumer->add({{kOrders, 0}});
  EXPECT_EQ(take(*consumer, {0, 10}), from_to(0, 10));
  cluster_.all_down();
  cluster_.all_up();
  produce(5);
  EXPECT_EQ(take(*consumer, {10, 15}), from_to(10, 15));
}

TEST_F(KafkaConsumerTest, a_slow_broker_is_waited_for) {
  produce(3);
  rd_kafka_mock_broker_set_rtt(cluster_.get(), -1, 1200);  // longer than a first request gets
  const auto consumer = make();
  EXPECT_EQ(consumer->offsets_at({{kOrders, Consumer::kLatest}}), (Offsets{{kOrders, 3}}));
}

TEST_F(KafkaConsumerTest, a_stop_ends_what_waits_for_the_cluster) {
  const auto consumer = make();
  consumer->add({{kOrders, 0}});
  stop_.request_stop();
  EXPECT_THROW(take(*consumer, {0, 1}), Stopped);
  cluster_.all_down();
  EXPECT_THROW((void)make()->partitions({"orders"}, ""), Stopped);
}

TEST_F(KafkaConsumerTest, a_cluster_that_does_not_answer_may_be_asked_again) {
  cluster_.all_down();
  try {
    (void)make()->partitions({"orders"}, "", std::chrono::milliseconds(300));
    FAIL() << "it answered";
  } catch (const Error& error) {
    EXPECT_EQ(error.retry(), Retry::yes);
  }
}

TEST_F(KafkaConsumerTest,
       a_topic_that_ends_before_our_place_is_an_error_or_read_from_its_beginning) {
  produce(3);
  const auto strict = make();
  strict->add({{kOrders, 100}});
  try {
    (void)take(*strict, {100, 101});
    FAIL() << "there is something";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("offset 100 of orders/0 is gone"), std::string::npos)
        << error.what();
  }
  const auto lenient = make(OnDataLoss::proceed);
  lenient->add({{kOrders, 100}});
  EXPECT_TRUE(take(*lenient, {100, 110}).empty());
  EXPECT_EQ(lenient->take_lost(), 10);
  EXPECT_EQ(lenient->take_remade(), (Offsets{{kOrders, 0}}));
  EXPECT_TRUE(lenient->take_remade().empty());
  EXPECT_EQ(lenient->places(), (Offsets{{kOrders, 0}}));
  EXPECT_EQ(take(*lenient, {0, 3}), from_to(0, 3));
  EXPECT_EQ(lenient->take_lost(), 0);
}

TEST_F(KafkaConsumerTest, a_topic_that_may_not_be_read_is_an_error) {
  produce(1);
  const auto consumer = make();
  cluster_.push_errors(MockCluster::kFetch, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  consumer->add({{kOrders, 0}});
  EXPECT_THROW((void)take(*consumer, {0, 1}), Error);
}

}  // namespace
}  // namespace millrace::kafka
