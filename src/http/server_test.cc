#include "http/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

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

/// Says what it was asked.
void echo(const Request& request, Responder respond) {
  std::string text = request.method + " " + request.target + " " + request.body;
  respond(text_answer(std::move(text)));
}

/// Keeps the responders, to be answered later and from elsewhere.
class Later {
 public:
  void keep(std::string target, Responder respond) {
    {
      const std::lock_guard lock(mutex_);
      kept_.emplace_back(std::move(target), std::move(respond));
    }
    changed_.notify_all();
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, seconds(20), [&] { return kept_.size() >= count; }));
  }
  void answer_last_first() {
    const std::lock_guard lock(mutex_);
    while (!kept_.empty()) {
      auto [target, respond] = std::move(kept_.back());
      kept_.pop_back();
      respond(text_answer(target));
    }
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    kept_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<std::string, Responder>> kept_;
};

TEST(ServerTest, AnswersOneRequestAfterTheOtherOnAConnection) {
  Answering handler(echo);
  Server server(quiet(), handler);
  Client client(server.start());
  for (int i = 0; i < 3; ++i) {
    const Reply reply = client.get("/a?b=" + std::to_string(i));
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "GET /a?b=" + std::to_string(i) + " ");
    EXPECT_EQ(reply.header("Server"), "millrace");
    EXPECT_TRUE(reply.header("Date").ends_with(" GMT"));
    EXPECT_EQ(reply.header("Connection"), "");
  }
  EXPECT_TRUE(eventually([&] { return server.stats().requests == 3; }));
  const ServerStats stats = server.stats();
  EXPECT_EQ(stats.connections_accepted, 1);
  EXPECT_EQ(stats.connections_now, 1);
  EXPECT_EQ(stats.by_status_class[2], 3);
  EXPECT_EQ(stats.in_flight_now, 0);
  EXPECT_GT(stats.bytes_in, 100);
  EXPECT_GT(stats.bytes_out, 300);
}

TEST(ServerTest, SaysWhatIsAskedFor) {
  Request seen;
  Answering handler([&](const Request& request, Responder respond) {
    seen = request;
    respond({.status = 204});
  });
  Server server(quiet(), handler);
  Client client(server.start());
  EXPECT_EQ(client.ask("PUT", "/a/b%2Fc/%C3%A9?x=1&y=a%20b+c", "X-Tag: t\r\n", "body").status, 204);
  EXPECT_EQ(seen.method, "PUT");
  EXPECT_EQ(seen.target, "/a/b%2Fc/%C3%A9?x=1&y=a%20b+c");
  EXPECT_EQ(seen.segments, (std::vector<std::string>{"a", "b/c", "é"}));
  EXPECT_EQ(seen.parameter("y"), "a b c");
  EXPECT_EQ(seen.parameter("z"), std::nullopt);
  EXPECT_EQ(seen.header("x-tag"), "t");
  EXPECT_EQ(seen.body, "body");
  EXPECT_EQ(seen.client, "127.0.0.1");
  EXPECT_TRUE(seen.may(Permission::control));
}

TEST(ServerTest, AnswersPipelinedRequestsInTheirOrder) {
  Later later;
  Answering handler([&](const Request& request, Responder respond) {
    later.keep(request.target, std::move(respond));
  });
  Server server(quiet(), handler);
  Client client(server.start());
  std::string requests;
  for (int i = 0; i < 10; ++i) {
    requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  client.send(requests);
  later.wait_for(10);
  EXPECT_EQ(server.stats().in_flight_now, 10);
  std::thread other([&] { later.answer_last_first(); });
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(client.reply().body, "/" + std::to_string(i));
  }
  other.join();
  EXPECT_EQ(server.stats().in_flight_now, 0);
}

TEST(ServerTest, TakesNoMorePipelinedRequestsThanItMay) {
  Later later;
  std::atomic<int> asked{0};
  Answering handler([&](const Request& request, Responder respond) {
    ++asked;
    later.keep(request.target, std::move(respond));
  });
  ServerOptions options = quiet();
  options.max_pipelined = 4;
  Server server(options, handler);
  Client client(server.start());
  std::string requests;
  for (int i = 0; i < 1000; ++i) {
    requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  client.send(requests);
  for (int done = 0; done < 1000; done += 4) {
    later.wait_for(4);
    EXPECT_EQ(asked, done + 4);
    later.answer_last_first();
    for (int i = done; i < done + 4; ++i) {
      ASSERT_EQ(client.reply().body, "/" + std::to_string(i));
    }
  }
}

TEST(ServerTest, RequestsThatChangeSomethingWaitForThoseBefore) {
  Later later;
  std::atomic<int> asked{0};
  Answering handler([&](const Request& request, Responder respond) {
    ++asked;
    later.keep(request.method, std::move(respond));
  });
  Server server(quiet(), handler);
  Client client(server.start());
  client.send(
      "GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n"
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  for (const char* const method : {"GET", "POST", "GET"}) {
    later.wait_for(1);
    const int before = asked;
    later.answer_last_first();
    EXPECT_EQ(client.reply().body, method);
    EXPECT_LE(asked - before, 1);
  }
  EXPECT_EQ(asked, 3);
}

TEST(ServerTest, HeadHasTheHeadersOfGet) {
  Answering handler(echo);
  Server server(quiet(), handler);
  Client client(server.start());
  const Reply reply = client.ask("HEAD", "/a");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("Content-Length"), "8");
  EXPECT_EQ(client.get("/a").body, "GET /a ");
}

TEST(ServerTest, TellsWhoExpectsItToGoOn) {
  Answering handler(echo);
  Server server(quiet(), handler);
  Client client(server.start());
  client.send(
      "POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.reply().status, 100);
  client.send("body");
  EXPECT_EQ(client.reply().body, "POST /p body");
  client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: magic\r\n\r\n");
  EXPECT_EQ(client.reply().status, 417);
}

TEST(ServerTest, DoesNotAskForABodyThatIsTooLarge) {
  Answering handler(echo);
  Server server(quiet(), handler);
  Client client(server.start());
  client.send(
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n"
      "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.reply().status, 413);
  EXPECT_TRUE(client.is_closed());
}

TEST(ServerTest, ReadsBodiesInChunksHoweverTheyArrive) {
  Answering handler(echo);
  Server server(quiet(), handler);
  const Address at = server.start();
  const std::string request =
      "POST /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;x=y\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Trailer: t\r\n\r\n";
  Client whole(at);
  whole.send(request + request);
  EXPECT_EQ(whole.reply().body, "POST /c hello world");
  EXPECT_EQ(whole.reply().body, "POST /c hello world");
  Client byte_by_byte(at);
  for (const char c : request) {
    byte_by_byte.send({&c, 1});
  }
  EXPECT_EQ(byte_by_byte.reply().body, "POST /c hello world");
}

TEST(ServerTest, LargeBodiesAndAnswersPassWhole) {
  Answering handler(
      [](Request request, Responder respond) { respond(text_answer(std::move(request.body))); });
  ServerOptions options = quiet();
  options.max_body_size = Bytes{16 << 20};
  Server server(options, handler);
  Client client(server.start());
  std::string body(10 << 20, 'x');
  for (std::size_t i = 0; i < body.size(); i += 1000) {
    body[i] = static_cast<char>('a' + (i / 1000 % 26));
  }
  EXPECT_TRUE(client.ask("POST", "/", "", body).body == body);
  EXPECT_EQ(client.ask("POST", "/", "", "small").body, "small");
}

TEST(ServerTest, OldClientsCloseUnlessTheySayOtherwise) {
  Answering handler(echo);
  Server server(quiet(), handler);
  const Address at = server.start();
  Client closing(at);
  closing.send("GET / HTTP/1.0\r\n\r\n");
  const Reply last = closing.reply();
  EXPECT_EQ(last.status, 200);
  EXPECT_EQ(last.header("Connection"), "close");
  EXPECT_TRUE(closing.is_closed());
  Client staying(at);
  for (int i = 0; i < 2; ++i) {
    staying.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(staying.reply().header("Connection"), "keep-alive");
  }
  Client polite(at);
  EXPECT_EQ(polite.get("/", "Connection: close\r\n").header("Connection"), "close");
  EXPECT_TRUE(polite.is_closed());
}

TEST(ServerTest, AClientThatHasEndedItsSideGetsItsAnswer) {
  Later later;
  Answering handler([&](const Request& request, Responder respond) {
    later.keep(request.target, std::move(respond));
  });
  Server server(quiet(), handler);
  Client client(server.start());
  client.send("GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client.end();
  later.wait_for(1);
  later.answer_last_first();
  EXPECT_EQ(client.reply().body, "/late");
  EXPECT_TRUE(client.is_closed());
}

TEST(ServerTest, WhoDoesNotAnswerOrThrowsMakesA500) {
  Answering handler([](const Request& request, Responder respond) {
    if (request.target == "/throws") {
      throw std::runtime_error("no");
    }
    if (request.target == "/breaks") {
      respond({.headers = {{"X-A", "b\r\nX-Evil: c"}}});
    }
  });
  Server server(quiet(), handler);
  Client client(server.start());
  for (const char* const target : {"/forgets", "/throws", "/breaks"}) {
    const Reply reply = client.get(target);
    EXPECT_EQ(reply.status, 500);
    EXPECT_EQ(reply.header("X-Evil"), "");
    EXPECT_TRUE(reply.body.find(R"("code":"internal")") != std::string::npos) << reply.body;
  }
}

TEST(ServerTest, ShapesItsProblemsAsItsOwnerWants) {
  Answering handler(echo);
  Server server(quiet(), handler, [](const Problem& problem) {
    Response response = text_answer(R"({"error": ")" + problem.code + R"("})");
    response.status = 422;  // the one that it wants
    return response;
  });
  Client client(server.start());
  const Reply reply = client.get("/%zz");
  EXPECT_EQ(reply.status, 422);
  EXPECT_EQ(reply.body, R"({"error": "bad_request"})");
}

TEST(ServerTest, CompressesOnceWhatIsKept) {
  const auto kept = std::make_shared<const std::string>(100'000, 'x');
  Answering handler([&](const Request&, Responder respond) {
    respond({.headers = {{"Content-Type", "application/json"}, {"ETag", R"("1")"}}, .body = kept});
  });
  Server server(quiet(), handler);
  Client client(server.start());
  const Reply plain = client.get("/");
  EXPECT_TRUE(plain.body == *kept);
  EXPECT_EQ(plain.header("Vary"), "Accept-Encoding");
  EXPECT_EQ(plain.header("ETag"), R"("1")");
  const Reply compressed = client.get("/", "Accept-Encoding: br, gzip\r\n");
  EXPECT_EQ(compressed.header("Content-Encoding"), "gzip");
  EXPECT_EQ(compressed.header("ETag"), R"(W/"1")");
  EXPECT_LT(compressed.body.size(), 1000);
  EXPECT_TRUE(compressed.body.starts_with("\x1f\x8b"));
  EXPECT_TRUE(client.get("/", "Accept-Encoding: gzip;q=0\r\n").body == *kept);
  client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
  EXPECT_EQ(client.reply(true).header("Content-Length"), std::to_string(compressed.body.size()));
}

TEST(ServerTest, StopsAtAnyTimeAndLateAnswersAreHarmless) {
  Later later;
  Answering handler([&](const Request& request, Responder respond) {
    later.keep(request.target, std::move(respond));
  });
  {
    Server server(quiet(), handler);
    const Address at = server.start();
    std::vector<Client> clients;
    clients.reserve(20);
    for (int i = 0; i < 20; ++i) {
      clients.emplace_back(at).send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HT");
    }
    later.wait_for(20);
  }
  later.answer_last_first();
}

TEST(ServerTest, ServersComeAndGoWhileClientsAsk) {
  for (int round = 0; round < 10; ++round) {
    Answering handler(echo);
    auto server = std::make_unique<Server>(quiet(), handler);
    const Address at = server->start();
    std::thread asking([&] {
      try {
        for (int i = 0; i < 1000; ++i) {
          Client client(at);
          if (client.get("/").status != 200) {
            return;
          }
        }
      } catch (const std::runtime_error&) {
        return;  // nobody listens any more
      }
    });
    EXPECT_TRUE(eventually([&] { return server->stats().requests > 20; }));
    server.reset();
    asking.join();
  }
}

TEST(ServerTest, WhoVanishesMidAnswerDoesNoHarm) {
  const auto large = std::make_shared<const std::string>(8 << 20, 'x');
  Answering handler([&](const Request&, Responder respond) { respond({.body = large}); });
  Server server(quiet(), handler);
  const Address at = server.start();
  for (int i = 0; i < 20; ++i) {
    Client client(at);
    client.send(
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_TRUE(client.reads("xxx"));
    client.vanish();
  }
  EXPECT_TRUE(eventually([&] { return server.stats().connections_now == 0; }));
  EXPECT_EQ(Client(at).get("/").body.size(), large->size());
  EXPECT_TRUE(eventually([&] { return large.use_count() == 1; }));
}

TEST(ServerTest, AnAddressThatIsTakenIsAnErrorWithTheWayOut) {
  Answering handler(echo);
  Server first(quiet(), handler);
  ServerOptions options = quiet();
  options.listen = first.start().text();
  Server second(options, handler);
  try {
    second.start();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.blame(), Blame::external);
    EXPECT_NE(std::string(error.what()).find("choose another port"), std::string::npos);
  }
}

}  // namespace
}  // namespace millrace::http
