#include "connectors/kafka/entry.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::kafka {
namespace {

/// What is logged while it lives.
class LogLines {
 public:
  LogLines() {
    set_log_writer([this](std::string_view line) { lines_.emplace_back(line); });
  }
  ~LogLines() { set_log_writer({}); }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  [[nodiscard]] const std::vector<std::string>& all() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

// What it does when it is refused is tested with a real broker, by tests/kafka/security_test.py.
TEST(Entry, NobodyThereIsSaidOnceAndNoRefusal) {
  const LogLines lines;
  ConnectionOptions connection;
  connection.brokers = {"127.0.0.1:1"};
  Troubles troubles("orders");
  const auto client = Config(connection).make(RD_KAFKA_PRODUCER, troubles);
  EXPECT_NE(client, nullptr);
  EXPECT_NE(troubles.last().find("127.0.0.1:1"), std::string::npos) << troubles.last();
  ASSERT_EQ(lines.all().size(), 1U) << lines.all().back();
  EXPECT_NE(lines.all()[0].find("kafka=orders"), std::string::npos) << lines.all()[0];
}

TEST(Entry, TroublesAreKeptUntilItIsKnownWhatTheyMean) {
  const LogLines lines;
  Troubles troubles("orders");
  troubles.hold();
  troubles.note(RD_KAFKA_RESP_ERR__TRANSPORT, "refused");
  EXPECT_TRUE(lines.all().empty());
  ASSERT_EQ(troubles.held().size(), 1U);
  EXPECT_EQ(troubles.held()[0].text, "refused");
  troubles.release(/*say=*/false);
  EXPECT_TRUE(lines.all().empty());
  troubles.hold();
  troubles.note(RD_KAFKA_RESP_ERR__TRANSPORT, "refused again");
  troubles.release(/*say=*/true);
  EXPECT_EQ(lines.all().size(), 1U);
  EXPECT_EQ(troubles.last(), "refused again");
  EXPECT_TRUE(troubles.held().empty());
}

TEST(Entry, AFileThatIsNoCertificateIsNamedByOurOption) {
  ConnectionOptions connection;
  connection.brokers = {"127.0.0.1:1"};
  connection.tls = true;
  connection.tls_ca = "/absent/ca.pem";
  Troubles troubles("orders");
  try {
    (void)Config(connection).make(RD_KAFKA_PRODUCER, troubles);
    FAIL() << "it was taken";
  } catch (const Error& error) {
    EXPECT_TRUE(std::string_view(error.what()).starts_with("`tls_ca`: /absent/ca.pem"))
        << error.what();
  }
}

}  // namespace
}  // namespace millrace::kafka
