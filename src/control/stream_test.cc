#include "control/stream.h"

#include <gtest/gtest.h>

#include <mutex>

namespace millrace::control {
namespace {

class Client final : public http::EventStream {
 public:
  bool send(std::string_view bytes) override {
    const std::lock_guard guard(lock_);
    text_ += bytes;
    return open_;
  }
  [[nodiscard]] bool is_open() const noexcept override { return open_; }
  void close() override { open_ = false; }
  [[nodiscard]] std::string text() {
    const std::lock_guard guard(lock_);
    return text_;
  }

 private:
  std::mutex lock_;
  std::string text_;
  std::atomic<bool> open_ = true;
};

TEST(Stream, WhoComesBackGoesOnWhereItWas) {
  Stream stream({}, "e");
  stream.send("log", "{}");
  stream.send("state", R"({"a":1})");
  const auto client = std::make_shared<Client>();
  stream.add(client, "e-1");
  EXPECT_EQ(client->text(), "id: e-2\nevent: state\ndata: {\"a\":1}\n\n");
}

TEST(Stream, AGapIsSaid) {
  Stream stream({.events_max = 2}, "e");
  for (int i = 0; i < 5; i++) {
    stream.send("log", "{}");
  }
  for (const char* id : {"e-1", "old-4", "nonsense", "e-9"}) {
    const auto client = std::make_shared<Client>();
    stream.add(client, id);
    EXPECT_EQ(client->text(), "id: e-5\nevent: reset\ndata: {}\n\n") << id;
  }
  const auto client = std::make_shared<Client>();
  stream.add(client, "e-3");
  EXPECT_EQ(client->text().find("reset"), std::string::npos);
}

TEST(Stream, BatchesThatComeTooFastAreMerged) {
  const auto client = std::make_shared<Client>();
  {
    Stream stream({.batch_interval = std::chrono::milliseconds(50)}, "e");
    stream.add(client, "");
    for (int i = 0; i < 10; i++) {
      stream.send_batch("p", R"({"n":)" + std::to_string(i) + "}");
    }
    stream.send_batch("q", R"({"n":0})");
    while (client->text().find("merged") == std::string::npos) {
      std::this_thread::yield();
    }
  }
  EXPECT_NE(client->text().find(R"({"n":9,"merged":9})"), std::string::npos);
  EXPECT_EQ(client->text().find(R"("n":5)"), std::string::npos);
}

}  // namespace
}  // namespace millrace::control
