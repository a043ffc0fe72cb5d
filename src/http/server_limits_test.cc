// Clients that are slow, broken, too many or up to something.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <string>
#include <vector>

#include "http/server.h"
#include "http/testing/client.h"

namespace millrace::http {
namespace {

using std::chrono::milliseconds;
using testing::Answering;
using testing::Client;
using testing::eventually;
using testing::quiet;
using testing::Reply;
using testing::text_answer;

void answer_target(const Request& request, Responder respond) {
  respond(text_answer(request.target + request.body));
}

struct Bad {
  const char* name;
  std::string request;
  int status;
};

class BadRequestTest : public ::testing::TestWithParam<Bad> {};

TEST_P(BadRequestTest, IsRefusedAndTheConnectionClosed) {
  int asked = 0;
  Answering handler([&](const Request& request, Responder respond) {
    ++asked;
    answer_target(request, std::move(respond));
  });
  ServerOptions options = quiet();
  options.threads = 1;
  Server server(options, handler);
  const Address at = server.start();
  Client client(at);
  // What follows must not pass for a request of its own.
  client.send(GetParam().request + "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const Reply reply = client.reply();
  EXPECT_EQ(reply.status, GetParam().status);
  EXPECT_NE(reply.body.find(R"("code":)"), std::string::npos) << reply.body;
  EXPECT_EQ(reply.header("Connection"), "close");
  EXPECT_TRUE(client.is_closed());
  // The same, byte by byte, of which the first thousands say enough.
  Client slow(at);
  for (const char c : GetParam().request.substr(0, 4000)) {
    if (!slow.send({&c, 1})) {
      break;
    }
  }
  if (GetParam().request.size() <= 4000) {
    slow.send("\r\n\r\n");
    EXPECT_EQ(slow.reply().status, GetParam().status);
  }
  EXPECT_EQ(asked, 0);
}

std::string get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}
std::string with(const std::string& headers, const std::string& body = "") {
  return "POST / HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n" + body;
}
std::string many_headers() {
  std::string all;
  for (int i = 0; i < 200; ++i) {
    all += "X-" + std::to_string(i) + ": 1\r\n";
  }
  return with(all);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadRequestTest,
    ::testing::Values(
        Bad{"Garbage", "\x16\x03\x01\x02 hello\r\n\r\n", 400},
        Bad{"NoTarget", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Bad{"BareLineEnds", "GET / HTTP/1.1\nHost: a\n\n", 505},
        Bad{"BareLineEndInHead", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400},
        Bad{"UnknownVersion", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        Bad{"UnknownMethod", "BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", 501},
        Bad{"Connect", "CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 501},
        Bad{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
        Bad{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
        Bad{"HostWithPath", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        Bad{"SpaceBeforeColon", with("Content-Length : 5\r\n", "hello"), 400},
        Bad{"HeaderInTwoLines", with("X-A: b\r\n c\r\n"), 400},
        Bad{"NulInHeader", with(std::string("X-A: b\0c\r\n", 10)), 400},
        Bad{"TwoLengths", with("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400},
        Bad{"SameLengthTwice", with("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400},
        Bad{"ListOfLengths", with("Content-Length: 5, 5\r\n", "hello"), 400},
        Bad{"NegativeLength", with("Content-Length: -1\r\n"), 400},
        Bad{"LengthWithSign", with("Content-Length: +5\r\n", "hello"), 400},
        Bad{"HexLength", with("Content-Length: 0x5\r\n", "hello"), 400},
        Bad{"HugeLength", with("Content-Length: 99999999999999999999999\r\n"), 400},
        Bad{"LengthAndChunks",
            with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
        Bad{"ChunksAndLength",
            with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400},
        Bad{"UnknownCoding", with("Transfer-Encoding: gzip\r\n"), 501},
        Bad{"CodingBeforeChunks", with("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501},
        Bad{"ChunkedTwice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            400},
        Bad{"ChunkedDisguised", with("Transfer-Encoding: \x0b chunked\r\n"), 400},
        Bad{"ChunksOfOldVersion", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400},
        Bad{"BadChunkSize", with("Transfer-Encoding: chunked\r\n", "zz\r\n"), 400},
        Bad{"NegativeChunk", with("Transfer-Encoding: chunked\r\n", "-5\r\nhello\r\n"), 400},
        Bad{"HugeChunk", with("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"), 400},
        Bad{"ChunkLongerThanSaid", with("Transfer-Encoding: chunked\r\n", "2\r\nhello\r\n"), 400},
        Bad{"EndlessChunkSize", with("Transfer-Encoding: chunked\r\n", std::string(70'000, '0')),
            431},
        Bad{"EndlessChunkExtension",
            with("Transfer-Encoding: chunked\r\n", "5;x=" + std::string(70'000, 'y')), 431},
        Bad{"ManyChunksTooLarge",
            with("Transfer-Encoding: chunked\r\n",
                 "ffffe\r\n" + std::string(0xffffe, 'x') + "\r\n5\r\nhello\r\n"),
            413},
        Bad{"LargeBody", with("Content-Length: 1048577\r\n"), 413},
        Bad{"LongTarget", get("/" + std::string(9000, 'a')), 414},
        Bad{"EndlessTarget", "GET /" + std::string(70'000, 'a'), 414},
        Bad{"EndlessHeader", with("X-A: " + std::string(70'000, 'a')), 431},
        Bad{"ManyHeaders", many_headers(), 431}, Bad{"BadEscape", get("/%zz"), 400},
        Bad{"CutEscape", get("/a%2"), 400}, Bad{"NulInPath", get("/a%00b"), 400},
        Bad{"NulInQuery", get("/?a=%00"), 400}, Bad{"PathNotUtf8", get("/%ff"), 400},
        Bad{"RawNotUtf8", get("/\xff\xfe"), 400}, Bad{"OverlongUtf8", get("/%c0%af"), 400},
        Bad{"QueryNotUtf8", get("/?a=%c3%28"), 400}, Bad{"DotSegments", get("/a/../b"), 400},
        Bad{"DotSegment", get("/./a"), 400}, Bad{"EscapedDots", get("/a/%2e%2E/b"), 400},
        Bad{"HalfEscapedDots", get("/.%2e"), 400}, Bad{"Fragment", get("/a#b"), 400},
        Bad{"NoSlash", get("a"), 400}, Bad{"StarOfGet", get("*"), 400}),
    [](const auto& bad) { return std::string(bad.param.name); });

TEST(ServerLimitsTest, ASlowHeadIsGivenUp) {
  Answering handler(answer_target);
  ServerOptions options = quiet();
  options.request_timeout = milliseconds(300);
  Server server(options, handler);
  Client client(server.start());
  client.send("GET / HTTP/1.1\r\nHost: ");
  // A byte now and then does not help.
  for (int i = 0; server.stats().timeouts == 0 && i < 10'000; ++i) {
    client.send("x");
    (void)eventually([n = 0]() mutable { return ++n > 10; });
  }
  EXPECT_EQ(client.reply().status, 408);
  EXPECT_TRUE(client.is_closed());
  EXPECT_EQ(server.stats().timeouts, 1);
}

TEST(ServerLimitsTest, ASlowBodyIsGivenUp) {
  Answering handler(answer_target);
  ServerOptions options = quiet();
  options.request_timeout = milliseconds(300);
  Server server(options, handler);
  Client client(server.start());
  client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc");
  EXPECT_EQ(client.reply().status, 408);
  EXPECT_TRUE(client.is_closed());
}

TEST(ServerLimitsTest, IdleConnectionsAreClosedWithoutAWord) {
  Answering handler(answer_target);
  ServerOptions options = quiet();
  options.idle_timeout = milliseconds(200);
  Server server(options, handler);
  const Address at = server.start();
  Client fresh(at);
  Client used(at);
  EXPECT_EQ(used.get("/").status, 200);
  EXPECT_EQ(fresh.reply().status, 0);
  EXPECT_EQ(used.reply().status, 0);
  EXPECT_EQ(server.stats().timeouts, 0);
}

TEST(ServerLimitsTest, WhoDoesNotReadIsLetGoAndTakesNoMemory) {
  const auto large = std::make_shared<const std::string>(64 << 20, 'x');
  int asked = 0;
  Answering handler([&](const Request&, Responder respond) {
    ++asked;
    respond({.body = large});
  });
  ServerOptions options = quiet();
  options.threads = 1;
  options.request_timeout = milliseconds(500);
  Server server(options, handler);
  Client client(server.start());
  std::string requests;
  for (int i = 0; i < 100; ++i) {
    requests += "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  client.send(requests);
  EXPECT_TRUE(eventually([&] { return server.stats().timeouts == 1; }));
  EXPECT_TRUE(eventually([&] { return server.stats().connections_now == 0; }));
  EXPECT_LE(asked, options.max_pipelined);
  EXPECT_EQ(large.use_count(), 1);
}

TEST(ServerLimitsTest, TooManyConnectionsAreToldSo) {
  Answering handler(answer_target);
  ServerOptions options = quiet();
  options.max_connections = 3;
  Server server(options, handler);
  const Address at = server.start();
  std::vector<Client> clients;
  clients.reserve(3);
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(at);
    EXPECT_EQ(clients.back().get("/").status, 200);
  }
  Client one_more(at);
  const Reply reply = one_more.reply();
  EXPECT_EQ(reply.status, 503);
  EXPECT_NE(reply.body.find("too_many_connections"), std::string::npos);
  EXPECT_TRUE(reply.body.ends_with("}\n"));
  EXPECT_TRUE(one_more.is_closed());
  EXPECT_EQ(server.stats().connections_refused, 1);
  clients.pop_back();
  EXPECT_TRUE(eventually([&] { return server.stats().connections_now == 2; }));
  EXPECT_EQ(Client(at).get("/").status, 200);
}

TEST(ServerLimitsTest, TooManyRequestsUnderWayAreToldSo) {
  std::vector<Responder> kept;
  Answering handler([&](const Request&, Responder respond) { kept.push_back(std::move(respond)); });
  ServerOptions options = quiet();
  options.threads = 1;
  options.max_in_flight = 2;
  Server server(options, handler);
  const Address at = server.start();
  Client busy(at);
  busy.send(get("/") + get("/"));
  EXPECT_TRUE(eventually([&] { return server.stats().in_flight_now == 2; }));
  Client other(at);
  const Reply reply = other.get("/");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.header("Retry-After"), "1");
  server.stop();
  kept.clear();
  EXPECT_EQ(server.stats().in_flight_now, 0);
}

TEST(ServerLimitsTest, BodiesOfAllClientsTogetherAreBounded) {
  Answering handler(answer_target);
  ServerOptions options = quiet();
  options.max_bodies_size = Bytes{150'000};
  Server server(options, handler);
  const Address at = server.start();
  const std::string part(100'000, 'x');
  const std::string head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n";
  Client first(at);
  first.send(head + part);
  EXPECT_TRUE(eventually([&] { return server.stats().bytes_in > 100'000; }));
  Client second(at);
  second.send(head + part);
  EXPECT_EQ(second.reply().status, 503);
  first.vanish();
  EXPECT_TRUE(eventually([&] { return server.stats().connections_now <= 1; }));
  Client third(at);
  EXPECT_EQ(third.ask("POST", "/", "", part).body.size(), part.size() + 1);
}

TEST(ServerLimitsTest, ThousandsOfIdleConnectionsCostLittle) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const int count = files.rlim_cur >= 6000 ? 2500 : static_cast<int>(files.rlim_cur / 3);
  Answering handler(answer_target);
  Server server(quiet(), handler);
  const Address at = server.start();
  std::vector<Client> clients;
  clients.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    clients.emplace_back(at);
  }
  EXPECT_TRUE(eventually([&] { return server.stats().connections_now == count; }));
  for (int i = 0; i < count; i += 50) {
    EXPECT_EQ(clients[static_cast<std::size_t>(i)].get("/x").body, "/x");
  }
  clients.clear();
  EXPECT_TRUE(eventually([&] { return server.stats().connections_now == 0; }));
}

}  // namespace
}  // namespace millrace::http
