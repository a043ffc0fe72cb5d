#include "connectors/kafka/producer.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "connectors/kafka/consumer.h"
#include "connectors/kafka/mock_cluster.h"

namespace millrace::kafka {
namespace {

class KafkaProducerTest : public ::testing::Test {
 protected:
  KafkaProducerTest() : connection_(cluster_.connection()) {}

  std::unique_ptr<Producer> make(const std::string& id = "millrace-test-out") {
    return std::make_unique<Producer>(connection_,
                                      Producer::Settings{.topic = "orders",
                                                         .transactional_id = id,
                                                         .compression = Compression::none,
                                                         .stop = stop_.get_token()},
                                      troubles_);
  }
  static Outgoing message(std::string_view value) {
    Outgoing message;
    message.value = value;
    return message;
  }
  static void write(Producer& producer, int count) {
    for (int i = 0; i < count; ++i) {
      producer.send(message("x"));
    }
  }
  /// What the topic holds: messages, aborted ones too, and the marker that ends each transaction.
  std::size_t records() {
    Consumer consumer(connection_, {.group = "check"}, troubles_);
    const Partition partition{"orders", 0};
    const auto end = consumer.offsets_at({{partition, Consumer::kLatest}}).at(partition);
    return static_cast<std::size_t>(end);
  }

  MockCluster cluster_;
  ConnectionOptions connection_;
  std::stop_source stop_;
  Troubles troubles_{"test"};
};

TEST_F(KafkaProducerTest, writes_although_the_leader_moves_and_requests_fail) {
  cluster_.lead(1);
  const auto producer = make();
  EXPECT_EQ(producer->init(), std::nullopt);
  producer->begin();
  write(*producer, 10);
  producer->flush();
  cluster_.lead(2);
  cluster_.push_errors(MockCluster::kProduce, {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                               RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION});
  write(*producer, 10);
  producer->flush();
  cluster_.push_errors(MockCluster::kEndTxn, {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                                              RD_KAFKA_RESP_ERR_NOT_COORDINATOR});
  producer->commit("life 7");
  EXPECT_EQ(records(), 20U + 1U);
}

TEST_F(KafkaProducerTest, goes_on_when_brokers_come_back) {
  const auto producer = make();
  (void)producer->init();
  producer->begin();
  cluster_.all_down();
  write(*producer, 10);
  const std::jthread later([this] { cluster_.all_up(); });
  producer->flush();
  producer->commit("life 8");
  EXPECT_EQ(records(), 10U + 1U);
}

TEST_F(KafkaProducerTest, a_stop_ends_what_waits_for_the_cluster) {
  const auto producer = make();
  (void)producer->init();
  producer->begin();
  cluster_.all_down();
  write(*producer, 1);
  stop_.request_stop();
  EXPECT_THROW(producer->flush(), Stopped);
  EXPECT_THROW(producer->commit("life 9"), Stopped);
  EXPECT_THROW((void)make("another")->init(), Stopped);
  producer->abort();  // does not wait for long either
}

TEST_F(KafkaProducerTest, a_fenced_producer_says_that_there_is_another_process) {
  const auto producer = make();
  (void)producer->init();
  producer->begin();
  write(*producer, 1);
  producer->flush();
  cluster_.push_errors(MockCluster::kEndTxn, {RD_KAFKA_RESP_ERR_PRODUCER_FENCED});
  try {
    producer->commit("life 1");
    FAIL() << "it was not fenced";
  } catch (const Error& error) {
    EXPECT_EQ(error.blame(), Blame::user);
    EXPECT_EQ(error.retry(), Retry::no);
    EXPECT_NE(std::string(error.what()).find("another process writes to orders"), std::string::npos)
        << error.what();
  }
}

TEST_F(KafkaProducerTest, a_write_that_is_not_allowed_is_an_error) {
  const auto producer = make();
  (void)producer->init();
  producer->begin();
  cluster_.push_errors(MockCluster::kProduce, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  write(*producer, 1);
  try {
    producer->flush();
    FAIL() << "it was written";
  } catch (const Error& error) {
    EXPECT_EQ(error.retry(), Retry::no);
    EXPECT_NE(std::string(error.what()).find("writing to orders"), std::string::npos)
        << error.what();
  }
}

TEST_F(KafkaProducerTest, an_aborted_transaction_leaves_room_for_the_next) {
  const auto producer = make();
  (void)producer->init();
  producer->begin();
  cluster_.push_errors(MockCluster::kAddOffsetsToTxn,
                       {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED});
  write(*producer, 1);
  producer->flush();
  EXPECT_THROW(producer->commit("life 1"), Error);
  producer->abort();
  producer->begin();
  write(*producer, 1);
  producer->flush();
  producer->commit("life 1");
  EXPECT_EQ(records(), 2U + 2U);
}

TEST_F(KafkaProducerTest, refuses_a_message_that_is_too_large) {
  const auto producer = make("");
  EXPECT_THROW(producer->send(message(std::string(2'000'000, 'x'))), Error);
  producer->send(message("x"));
  producer->flush();
  EXPECT_EQ(records(), 1U);
}

}  // namespace
}  // namespace millrace::kafka
