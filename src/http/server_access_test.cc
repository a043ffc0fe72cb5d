// Who may ask, from where, how often, and what is written down of it.
#include <gtest/gtest.h>

#include <mutex>
#include <string>

#include "base/log.h"
#include "http/server.h"
#include "http/testing/client.h"

namespace millrace::http {
namespace {

using std::chrono::milliseconds;
using testing::Answering;
using testing::Client;
using testing::eventually;
using testing::Reply;
using testing::text_answer;

void who(const Request& request, Responder respond) {
  const char* const may = request.may(Permission::control) ? "control"
                          : request.may(Permission::read)  ? "read"
                                                           : "none";
  respond(text_answer(request.user + ":" + may));
}

ServerOptions with_users() {
  ServerOptions options{.listen = "127.0.0.1:0", .access_log = AccessLogMode::off};
  options.users["app"].tokens = {Secret("old-token"), Secret("new-token")};
  options.users["ann"].password = Secret("pass:word");
  options.users["ann"].permission = Permission::control;
  options.open_paths = {"/healthz"};
  return options;
}

TEST(ServerAccessTest, KnowsItsUsers) {
  Answering handler(who);
  Server server(with_users(), handler);
  Client client(server.start());
  EXPECT_EQ(client.get("/", "Authorization: Bearer old-token\r\n").body, "app:read");
  EXPECT_EQ(client.get("/", "Authorization: bearer new-token\r\n").body, "app:read");
  // ann:pass:word
  EXPECT_EQ(client.get("/", "Authorization: Basic YW5uOnBhc3M6d29yZA==\r\n").body, "ann:control");
  // app:old-token
  EXPECT_EQ(client.get("/", "Authorization: Basic YXBwOm9sZC10b2tlbg==\r\n").body, "app:read");
  EXPECT_EQ(client.get("/healthz").body, ":none");
  EXPECT_EQ(client.get("/healthz?a=b").body, ":none");
  EXPECT_EQ(client.get("/healthz", "Authorization: Bearer new-token\r\n").body, "app:read");
  EXPECT_EQ(server.stats().authentication_failures, 0);
}

TEST(ServerAccessTest, RefusesEverybodyElse) {
  Answering handler(who);
  Server server(with_users(), handler);
  Client client(server.start());
  for (const char* const header :
       {"", "Authorization: Bearer wrong\r\n", "Authorization: Bearer\r\n",
        "Authorization: Bearer old-toke\r\n", "Authorization: Bearer old-token2\r\n",
        // ann:old-token, ann:wrong, ann:, no base64, without a colon, a password as a token
        "Authorization: Basic YW5uOm9sZC10b2tlbg==\r\n", "Authorization: Basic YW5uOndyb25n\r\n",
        "Authorization: Basic YW5uOg==\r\n", "Authorization: Basic ###\r\n",
        "Authorization: Basic YW5u\r\n", "Authorization: Bearer ann:pass:word\r\n",
        "Authorization: Digest a=b\r\n"}) {
    const Reply reply = client.get("/", header);
    EXPECT_EQ(reply.status, 401) << header;
    EXPECT_EQ(reply.header("WWW-Authenticate"), R"(Bearer realm="millrace")");
    EXPECT_NE(reply.head.find("Basic realm"), std::string::npos);
  }
  EXPECT_EQ(client.get("/healthz/").status, 401);
  EXPECT_EQ(client.get("/%68ealthz").status, 401);
  EXPECT_EQ(server.stats().authentication_failures, 14);
  // A body that nobody wants is not read.
  const Reply reply = client.ask("POST", "/", "Expect: 100-continue\r\n", "body");
  EXPECT_EQ(reply.status, 401);
  EXPECT_TRUE(client.is_closed());
}

TEST(ServerAccessTest, DoesNotListenForEverybodyUnlessTold) {
  Answering handler(who);
  for (const char* const listen : {"0.0.0.0:0", ":0", "[::]:0", "some-host:0"}) {
    Server server({.listen = listen}, handler);
    try {
      server.start();
      FAIL() << listen;
    } catch (const Error& error) {
      EXPECT_EQ(error.blame(), Blame::user);
      EXPECT_NE(std::string(error.what()).find("allow_public_without_authentication"),
                std::string::npos);
    }
  }
  Server told({.listen = ":0", .allow_public_without_authentication = true}, handler);
  EXPECT_EQ(Client(told.start()).get("/").body, ":control");
  ServerOptions known = with_users();
  known.listen = "0.0.0.0:0";
  Server with(known, handler);
  EXPECT_EQ(Client(with.start()).get("/").status, 401);
}

TEST(ServerAccessTest, AnswersPagesOfOriginsThatMay) {
  Answering handler(who);
  ServerOptions options = with_users();
  options.cors_origins = {"https://app.example.com"};
  Server server(options, handler);
  Client client(server.start());
  const Reply preflight =
      client.ask("OPTIONS", "/x",
                 "Origin: https://app.example.com\r\nAccess-Control-Request-Method: PUT\r\n"
                 "Access-Control-Request-Headers: authorization\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.header("Access-Control-Allow-Origin"), "https://app.example.com");
  EXPECT_EQ(preflight.header("Access-Control-Allow-Headers"), "authorization");
  EXPECT_NE(preflight.header("Access-Control-Allow-Methods").find("PUT"), std::string::npos);
  EXPECT_EQ(preflight.header("Access-Control-Allow-Credentials"), "");
  const Reply other = client.ask("OPTIONS", "/x",
                                 "Origin: https://evil.example.com\r\n"
                                 "Access-Control-Request-Method: PUT\r\n");
  EXPECT_EQ(other.header("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(other.header("Vary"), "Origin");
  const Reply reply =
      client.get("/", "Origin: https://app.example.com\r\nAuthorization: Bearer old-token\r\n");
  EXPECT_EQ(reply.header("Access-Control-Allow-Origin"), "https://app.example.com");
  // Errors can be read by the page, too.
  EXPECT_EQ(
      client.get("/", "Origin: https://app.example.com\r\n").header("Access-Control-Allow-Origin"),
      "https://app.example.com");
}

TEST(ServerAccessTest, PagesOfOtherOriginsChangeNothing) {
  Answering handler(who);
  Server server({.listen = "127.0.0.1:0", .access_log = AccessLogMode::off}, handler);
  Client client(server.start());
  EXPECT_EQ(client.ask("POST", "/", "Origin: https://evil.example.com\r\n").status, 403);
  EXPECT_EQ(client.ask("POST", "/", "Origin: null\r\n").status, 403);
  EXPECT_EQ(client.ask("POST", "/", "Origin: http://localhost\r\n").status, 200);
  EXPECT_EQ(client.ask("POST", "/").status, 200);
  EXPECT_EQ(client.get("/", "Origin: https://evil.example.com\r\n").status, 200);
}

TEST(ServerAccessTest, WithoutAuthenticationOnlyNamesOfThisMachineCount) {
  Answering handler(who);
  Server server({.listen = "127.0.0.1:0", .access_log = AccessLogMode::off}, handler);
  const Address at = server.start();
  const auto status = [&](const std::string& host) {
    Client client(at);
    client.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    return client.reply().status;
  };
  EXPECT_EQ(status("rebound.example.com"), 421);
  EXPECT_EQ(status("127.0.0.1.example.com:80"), 421);
  EXPECT_EQ(status("localhost:8080"), 200);
  EXPECT_EQ(status("127.0.0.1:8080"), 200);
  EXPECT_EQ(status("[::1]:8080"), 200);
}

TEST(ServerAccessTest, LimitsTheRateOfEachUser) {
  Answering handler(who);
  ServerOptions options = with_users();
  options.rate_limit = 0.05;  // one at once
  Server server(options, handler);
  Client client(server.start());
  EXPECT_EQ(client.get("/", "Authorization: Bearer old-token\r\n").status, 200);
  const Reply reply = client.get("/", "Authorization: Bearer new-token\r\n");
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.header("Retry-After"), "20");
  EXPECT_EQ(client.get("/", "Authorization: Basic YW5uOnBhc3M6d29yZA==\r\n").status, 200);
  EXPECT_EQ(client.get("/").status, 401);
  EXPECT_EQ(client.get("/").status, 429);  // who guesses is slowed down, too
  EXPECT_EQ(server.stats().rate_limited, 2);
}

TEST(ServerAccessTest, LogsRequestsWithoutTheirSecrets) {
  std::mutex mutex;
  std::string lines;
  set_log_writer([&](std::string_view line) {
    const std::lock_guard lock(mutex);
    lines += line;
  });
  Answering handler(who);
  ServerOptions options = with_users();
  options.access_log = AccessLogMode::all;
  {
    Server server(options, handler);
    Client client(server.start());
    (void)client.get("/x?day=1&access_token=hidden", "Authorization: Bearer old-token\r\n");
    (void)client.get("/y");
    (void)client.get("/%zz");
    server.stop();
  }
  set_log_writer({});
  EXPECT_NE(lines.find("client=127.0.0.1 user=app GET /x?day=1&access_token=*** 200 "),
            std::string::npos)
      << lines;
  EXPECT_NE(lines.find("user=- GET /y 401 "), std::string::npos) << lines;
  EXPECT_NE(lines.find("user=- GET /%zz 400 "), std::string::npos) << lines;
  EXPECT_EQ(lines.find("hidden"), std::string::npos);
  EXPECT_EQ(lines.find("old-token"), std::string::npos);
}

TEST(ServerAccessTest, GivesAllAnswersTheHeadersOfItsOwner) {
  Answering handler([](const Request&, Responder respond) {
    respond({.headers = {{"X-Frame-Options", "SAMEORIGIN"}}});
  });
  ServerOptions options{.listen = "127.0.0.1:0", .access_log = AccessLogMode::off};
  options.headers = {{"X-Frame-Options", "DENY"}, {"Referrer-Policy", "no-referrer"}};
  Server server(options, handler);
  Client client(server.start());
  const Reply reply = client.get("/");
  EXPECT_EQ(reply.header("X-Frame-Options"), "SAMEORIGIN");
  EXPECT_EQ(reply.header("Referrer-Policy"), "no-referrer");
  EXPECT_EQ(reply.header("X-Content-Type-Options"), "nosniff");
  options.headers = {{"X-A", "b\r\nc"}};
  Server broken(options, handler);
  EXPECT_THROW(broken.start(), Error);
}

}  // namespace
}  // namespace millrace::http
