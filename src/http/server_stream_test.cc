// Event streams, and the graceful end.
#include <gtest/gtest.h>

#include <mutex>
#include <thread>

#include "http/server.h"
#include "http/testing/client.h"

namespace millrace::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Answering;
using testing::Client;
using testing::eventually;
using testing::quiet;
using testing::Reply;
using testing::text_answer;

/// Keeps the streams of those who ask.
class Streams {
 public:
  void operator()(const Request&, Responder respond) {
    respond({.events = [this](std::shared_ptr<EventStream> stream) {
      const std::lock_guard lock(mutex_);
      all_.push_back(std::move(stream));
    }});
  }
  std::shared_ptr<EventStream> at(std::size_t i) {
    EXPECT_TRUE(eventually([&] {
      const std::lock_guard lock(mutex_);
      return all_.size() > i;
    }));
    const std::lock_guard lock(mutex_);
    return all_.at(i);
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    all_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<EventStream>> all_;
};

struct StreamTest : ::testing::Test {
  Streams streams;
  Answering handler{
      [this](const Request& request, Responder respond) { streams(request, std::move(respond)); }};
};

constexpr std::string_view kAsk = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";

TEST_F(StreamTest, EventsArriveAsTheyAreSent) {
  Server server(quiet(), handler);
  Client client(server.start());
  client.send(kAsk);
  const Reply head = client.reply();
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("Content-Type"), "text/event-stream");
  EXPECT_EQ(head.header("Cache-Control"), "no-store");
  EXPECT_EQ(head.header("Content-Length"), "");
  const auto stream = streams.at(0);
  for (int i = 0; i < 100; ++i) {
    const std::string event = "id: " + std::to_string(i) + "\ndata: {}\n\n";
    EXPECT_TRUE(stream->send(event));
    EXPECT_TRUE(client.reads(event));
  }
  EXPECT_EQ(server.stats().streams_now, 1);
  EXPECT_TRUE(stream->send("data: last\n\n"));
  stream->close();
  EXPECT_FALSE(stream->send("data: too late\n\n"));
  EXPECT_TRUE(client.reads("data: last\n\n"));
  EXPECT_TRUE(client.is_closed());
  EXPECT_TRUE(eventually([&] { return server.stats().streams_now == 0; }));
}

TEST_F(StreamTest, AStreamThatNobodyHoldsIsClosed) {
  Server server(quiet(), handler);
  Client client(server.start());
  client.send(kAsk);
  (void)streams.at(0)->send("data: a\n\n");
  streams.clear();
  EXPECT_TRUE(client.reads("data: a\n\n"));
  EXPECT_TRUE(client.is_closed());
}

TEST_F(StreamTest, ManyThreadsMaySend) {
  Server server(quiet(), handler);
  Client client(server.start());
  client.send(kAsk);
  const auto stream = streams.at(0);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        stream->send("data: x\n\n");
      }
    });
  }
  for (int i = 0; i < 4000; ++i) {
    ASSERT_TRUE(client.reads("data: x\n\n"));
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST_F(StreamTest, ASlowClientIsCutOff) {
  ServerOptions options = quiet();
  options.max_stream_queue = Bytes{100'000};
  Server server(options, handler);
  Client client(server.start());
  client.send(kAsk);
  const auto stream = streams.at(0);
  const std::string event(10'000, 'x');
  std::int64_t sent = 0;
  while (stream->send(event)) {
    ++sent;
    ASSERT_LT(sent, 100'000);
  }
  EXPECT_FALSE(stream->is_open());
  EXPECT_TRUE(eventually([&] { return server.stats().streams_cut_off == 1; }));
  EXPECT_TRUE(eventually([&] { return server.stats().connections_now == 0; }));
}

TEST_F(StreamTest, AClientThatGoesIsNoticed) {
  Server server(quiet(), handler);
  Client client(server.start());
  client.send(kAsk);
  const auto stream = streams.at(0);
  EXPECT_TRUE(stream->is_open());
  client.vanish();
  EXPECT_TRUE(eventually([&] { return !stream->is_open(); }));
  EXPECT_FALSE(stream->send("data: a\n\n"));
}

TEST_F(StreamTest, QuietStreamsShowThatTheyLive) {
  ServerOptions options = quiet();
  options.heartbeat = milliseconds(50);
  Server server(options, handler);
  Client client(server.start());
  client.send(kAsk);
  EXPECT_TRUE(client.reads("\r\n\r\n"));
  EXPECT_TRUE(client.reads(":\n\n"));
  EXPECT_TRUE(client.reads(":\n\n"));
}

TEST_F(StreamTest, ThereAreOnlySoMany) {
  ServerOptions options = quiet();
  options.max_streams = 1;
  Server server(options, handler);
  const Address at = server.start();
  Client first(at);
  first.send(kAsk);
  EXPECT_EQ(first.reply().status, 200);
  Client second(at);
  EXPECT_EQ(second.get("/events").status, 503);
  EXPECT_EQ(second.ask("HEAD", "/events").header("Content-Type"), "text/event-stream");
  streams.clear();
  EXPECT_TRUE(first.is_closed());
  EXPECT_TRUE(eventually([&] { return server.stats().streams_now == 0; }));
  second.send(kAsk);
  EXPECT_EQ(second.reply().status, 200);
}

TEST_F(StreamTest, DrainEndsStreamsAndWhatIsIdle) {
  Server server(quiet(), handler);
  const Address at = server.start();
  Client idle(at);
  Client listening(at);
  listening.send(kAsk);
  EXPECT_TRUE(streams.at(0)->send("data: a\n\n"));
  std::thread draining([&] { EXPECT_TRUE(server.drain(seconds(20))); });
  EXPECT_TRUE(listening.reads("data: a\n\n"));
  EXPECT_TRUE(listening.is_closed());
  listening.vanish();
  EXPECT_TRUE(idle.is_closed());
  draining.join();
  EXPECT_FALSE(streams.at(0)->is_open());
  EXPECT_THROW(Client{at}, std::runtime_error);
}

TEST(DrainTest, RequestsUnderWayAreAnswered) {
  std::mutex mutex;
  std::vector<Responder> kept;
  Answering handler([&](const Request&, Responder respond) {
    const std::lock_guard lock(mutex);
    kept.push_back(std::move(respond));
  });
  Server server(quiet(), handler);
  const Address at = server.start();
  Client busy(at);
  busy.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return server.stats().in_flight_now == 2; }));
  const auto before = server.stats().bytes_in;
  Client half(at);
  half.send("GET / HTTP/1.1\r\nHo");
  Client idle(at);
  EXPECT_TRUE(eventually([&] { return server.stats().bytes_in > before; }));
  std::thread draining([&] { EXPECT_TRUE(server.drain(seconds(20))); });
  EXPECT_TRUE(idle.is_closed());
  half.send("st: localhost\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return server.stats().in_flight_now == 3; }));
  {
    const std::lock_guard lock(mutex);
    for (Responder& respond : kept) {
      respond(text_answer("done"));
    }
  }
  // The first one says that it is the last: what is behind it may be asked elsewhere.
  const Reply reply = busy.reply();
  EXPECT_EQ(reply.body, "done");
  EXPECT_EQ(half.reply().header("Connection"), "close");
  EXPECT_TRUE(half.is_closed());
  busy.vanish();
  half.vanish();
  draining.join();
}

TEST(DrainTest, HasAnEnd) {
  std::vector<Responder> kept;
  Answering handler([&](const Request&, Responder respond) { kept.push_back(std::move(respond)); });
  Server server(quiet(), handler);
  Client client(server.start());
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return server.stats().in_flight_now == 1; }));
  EXPECT_FALSE(server.drain(milliseconds(100)));
  EXPECT_TRUE(client.is_closed());
  kept.clear();
}

TEST(DrainTest, OfAServerThatWasNotStartedDoesNothing) {
  Answering handler([](const Request&, const Responder&) {});
  Server server(quiet(), handler);
  EXPECT_TRUE(server.drain(seconds(1)));
  server.stop();
}

}  // namespace
}  // namespace millrace::http
