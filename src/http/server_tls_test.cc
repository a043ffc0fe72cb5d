#include <gtest/gtest.h>

#include <filesystem>

#include "http/server.h"
#include "http/testing/client.h"

namespace millrace::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Answering;
using testing::Client;
using testing::eventually;
using testing::make_certificate;
using testing::Reply;
using testing::text_answer;

struct TlsTest : ::testing::Test {
  TlsTest() {
    std::filesystem::create_directories(folder);
    options.tls = make_certificate(folder, "first");
  }
  ~TlsTest() override { std::filesystem::remove_all(folder); }
  TlsTest(const TlsTest&) = delete;
  TlsTest& operator=(const TlsTest&) = delete;

  std::string folder = ::testing::TempDir() + "millrace-tls-" + std::to_string(::getpid());
  ServerOptions options{.listen = "127.0.0.1:0", .access_log = AccessLogMode::off};
  Answering handler{[](Request request, Responder respond) {
    respond(text_answer(request.target + std::move(request.body)));
  }};
};

TEST_F(TlsTest, AnswersThroughEachGoodVersion) {
  Server server(options, handler);
  const Address at = server.start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Client client(at, version, "\x02h2\x08http/1.1");
    ASSERT_TRUE(client.is_connected());
    EXPECT_EQ(client.protocol(), "http/1.1");
    EXPECT_EQ(client.get("/a").body, "/a");
    const std::string large(1'000'000, 'x');
    EXPECT_TRUE(client.ask("POST", "/", "", large).body == "/" + large);
    EXPECT_EQ(client.get("/b", "Connection: close\r\n").body, "/b");
    EXPECT_TRUE(client.is_closed());
  }
}

TEST_F(TlsTest, RefusesOldVersionsOtherProtocolsAndPlainText) {
  Server server(options, handler);
  const Address at = server.start();
  EXPECT_FALSE(Client(at, TLS1_1_VERSION).is_connected());
  EXPECT_FALSE(Client(at, TLS1_3_VERSION, "\x02h2").is_connected());
  Client plain(at);
  EXPECT_EQ(plain.get("/").status, 0);
  EXPECT_TRUE(eventually([&] { return server.stats().tls_handshakes_failed == 3; }));
}

TEST_F(TlsTest, TakesAnotherCertificateAndConnectionsStay) {
  Server server(options, handler);
  const Address at = server.start();
  Client old(at, TLS1_3_VERSION);
  EXPECT_EQ(old.certificate_name(), "first");
  make_certificate(folder, "second");
  server.reload_tls();
  EXPECT_EQ(Client(at, TLS1_3_VERSION).certificate_name(), "second");
  EXPECT_EQ(old.get("/still").body, "/still");
  // By itself, too.
  make_certificate(folder, "third");
  EXPECT_TRUE(eventually([&] { return Client(at, TLS1_3_VERSION).certificate_name() == "third"; }));
  EXPECT_EQ(old.get("/still").body, "/still");
}

TEST_F(TlsTest, ABrokenCertificateIsAnErrorAndTheOldOneStays) {
  Server server(options, handler);
  const Address at = server.start();
  write_file_atomically(options.tls->key, "nonsense", false);
  try {
    server.reload_tls();
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("server.key"), std::string::npos);
  }
  EXPECT_EQ(Client(at, TLS1_3_VERSION).certificate_name(), "first");
  Server other(options, handler);
  EXPECT_THROW(other.start(), Error);
}

TEST_F(TlsTest, AHandshakeThatDoesNotComeIsGivenUp) {
  options.request_timeout = milliseconds(300);
  Server server(options, handler);
  Client silent(server.start());
  EXPECT_TRUE(silent.is_closed());
  EXPECT_TRUE(eventually([&] { return server.stats().connections_now == 0; }));
}

TEST_F(TlsTest, ClientsThatVanishAndServersThatStop) {
  for (int round = 0; round < 5; ++round) {
    Server server(options, handler);
    const Address at = server.start();
    for (int i = 0; i < 10; ++i) {
      Client client(at, TLS1_3_VERSION);
      client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
      client.vanish();
    }
    Client last(at, TLS1_3_VERSION);
    EXPECT_EQ(last.get("/").status, 200);
    if (round % 2 == 0) {
      last.vanish();
      EXPECT_TRUE(server.drain(seconds(20)));
    }
  }
}

}  // namespace
}  // namespace millrace::http
