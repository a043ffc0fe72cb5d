// Targets, header values, routes, rates, kept bodies and options, without a socket.
#include <gtest/gtest.h>

#include <chrono>

#include "base/error.h"
#include "http/gzip.h"
#include "http/header_values.h"
#include "http/options.h"
#include "http/rate_limit.h"
#include "http/router.h"
#include "http/target.h"

namespace millrace::http {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST(TargetTest, IsDecoded) {
  Request request;
  EXPECT_EQ(read_target("/a%20b/c+d/%E2%82%AC/?x=1+2&y&=z&&x=%26", request), std::nullopt);
  EXPECT_EQ(request.segments, (std::vector<std::string>{"a b", "c+d", "€", ""}));
  EXPECT_EQ(request.query, (Pairs{{"x", "1 2"}, {"y", ""}, {"", "z"}, {"x", "&"}}));
}

TEST(TargetTest, OfAProxyIsTheSame) {
  for (const char* const target : {"http://host:80/a?b", "HTTPS://host/a?b"}) {
    Request request;
    EXPECT_EQ(read_target(target, request), std::nullopt);
    EXPECT_EQ(request.segments, (std::vector<std::string>{"a"}));
    EXPECT_EQ(request.query, (Pairs{{"b", ""}}));
  }
  Request request;
  EXPECT_EQ(read_target("http://host", request), std::nullopt);
  EXPECT_TRUE(request.segments.empty());
}

TEST(TargetTest, HasOnlySoManyParameters) {
  std::string target = "/?";
  for (int i = 0; i < 1000; ++i) {
    target += "a&";
  }
  Request good;
  EXPECT_EQ(read_target(target, good), std::nullopt);
  Request bad;
  EXPECT_NE(read_target(target + "b", bad), std::nullopt);
}

TEST(TargetTest, IsLoggedWithoutSecrets) {
  EXPECT_EQ(logged_target("/a?b=c&Token=x&api_key=y&q=z&to%6ben=w&flag"),
            "/a?b=c&Token=***&api_key=***&q=z&to%6ben=***&flag");
  EXPECT_EQ(logged_target("/a\xff"), "/a?");
  EXPECT_LE(logged_target("/" + std::string(5000, 'a')).size(), 1030);
}

TEST(HeaderValuesTest, GzipIsTakenByItsWeight) {
  for (const char* const yes : {"gzip", "deflate, gzip;q=1.0, *;q=0.5", "*", "x-gzip",
                                "GZIP;Q=0.001", "gzip;q=0.5, identity;q=0.5", "identity;q=0, *"}) {
    EXPECT_TRUE(accepts_gzip(yes)) << yes;
  }
  for (const char* const no :
       {"", "identity", "gzip;q=0", "gzip;q=0.000, *", "br", "*;q=0", "gzip;q=0.4, identity;q=0.5",
        "gzip;q=2", "gzip;q=", "gzip;x=1", "gzip;q=0.0001", ",;,"}) {
    EXPECT_FALSE(accepts_gzip(no)) << no;
  }
}

TEST(HeaderValuesTest, AuthorizationIsReadOrRefused) {
  using Kind = Credentials::Kind;
  EXPECT_EQ(read_authorization("").kind, Kind::none);
  EXPECT_EQ(read_authorization("Bearer  abc ").secret, "abc");
  EXPECT_EQ(read_authorization("basic YTpi").secret, "a:b");
  EXPECT_EQ(read_authorization("Basic YWI=").kind, Kind::other);
  EXPECT_EQ(read_authorization("Basic Y").kind, Kind::other);
  EXPECT_EQ(read_authorization("Bearer").kind, Kind::other);
  EXPECT_EQ(read_authorization("Negotiate abc").kind, Kind::other);
}

TEST(HeaderValuesTest, TextIsCompressible) {
  for (const char* const yes : {"text/html; charset=utf-8", "application/json", "TEXT/CSV",
                                "application/problem+json", "image/svg+xml"}) {
    EXPECT_TRUE(is_compressible(yes)) << yes;
  }
  for (const char* const no : {"", "image/png", "text/event-stream", "application/octet-stream",
                               "application/vnd.apache.arrow.stream"}) {
    EXPECT_FALSE(is_compressible(no)) << no;
  }
}

TEST(RateLimiterTest, RefillsAndForgets) {
  using std::chrono::milliseconds;
  RateLimiter limiter(10, 100);
  RateLimiter::Time now{};
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(limiter.take("a", now), std::nullopt);
  }
  EXPECT_EQ(limiter.take("a", now), milliseconds(100));
  EXPECT_EQ(limiter.take("b", now), std::nullopt);
  now += milliseconds(100);
  EXPECT_EQ(limiter.take("a", now), std::nullopt);
  EXPECT_NE(limiter.take("a", now), std::nullopt);
  now += std::chrono::hours(1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(limiter.take("a", now), std::nullopt);
  }
  EXPECT_NE(limiter.take("a", now), std::nullopt);
  for (int i = 0; i < 100'000; ++i) {
    EXPECT_EQ(limiter.take(std::to_string(i), now), std::nullopt);
    if (i % 40 == 0) {
      EXPECT_NE(limiter.take("a", now), std::nullopt) << i;  // who goes on asking is not forgotten
    }
  }
  EXPECT_LE(limiter.clients(), 100);
}

TEST(CompressedBodiesTest, KeepsTheFormsOfBodiesThatAreKept) {
  CompressedBodies bodies(100'000);
  const auto kept = std::make_shared<const std::string>(10'000, 'x');
  const auto first = bodies.of(CompressedBodies::Body(kept));
  EXPECT_EQ(bodies.of(CompressedBodies::Body(kept)), first);
  EXPECT_EQ(bodies.kept(), 1);
  const auto passing = bodies.of(std::make_shared<const std::string>(10'000, 'y'));
  EXPECT_NE(passing, nullptr);
  EXPECT_EQ(bodies.kept(), 1);
}

TEST(CompressedBodiesTest, IsBoundedAndForgetsWhatIsGone) {
  CompressedBodies bodies(20'000);
  std::vector<CompressedBodies::Body> all;
  for (int i = 0; i < 1000; ++i) {
    all.push_back(std::make_shared<const std::string>(10'000, static_cast<char>('a' + (i % 26))));
    EXPECT_NE(bodies.of(CompressedBodies::Body(all.back())), nullptr);
    EXPECT_LE(bodies.kept(), 150);
    if (i % 3 == 0) {
      all.clear();
    }
  }
}

TEST(CompressedBodiesTest, WhatDoesNotGetSmallerStays) {
  std::string noise;
  std::uint32_t state = 1;
  for (int i = 0; i < 5000; ++i) {
    state = state * 1664525 + 1013904223;
    noise += static_cast<char>(state >> 24);
  }
  EXPECT_EQ(compress_gzip(noise), nullptr);
}

/// What a router answers: the status, and Allow or the body.
std::string route(Router& router, std::string method, const std::string& target) {
  Request request{.method = std::move(method), .target = target};
  EXPECT_EQ(read_target(target, request), std::nullopt);
  std::string answer;
  router.handle(std::move(request), [&](const Response& response) {
    answer = std::to_string(response.status);
    for (const Header& header : response.headers) {
      answer += header.name == "Allow" ? " " + header.value : "";
    }
    answer += response.status == 200 ? " " + *response.body : "";
  });
  return answer;
}

Router::Action says(const std::string& name) {
  return [name](const Request&, const Captured& captured, Responder respond) {
    std::string text = name;
    for (const std::string& each : captured) {
      text += "," + each;
    }
    respond({.body = std::make_shared<const std::string>(std::move(text))});
  };
}

TEST(RouterTest, FindsTheNearestPattern) {
  Router router;
  router.add("GET", "/", says("root"));
  router.add("GET", "/customers", says("all"));
  router.add("GET", "/customers/{id}", says("one"));
  router.add("DELETE", "/customers/{id}", says("delete"));
  router.add("GET", "/customers/best", says("best"));
  router.add("GET", "/customers/{id}/orders/{order}", says("order"));
  router.add("GET", "/customers/best/pictures", says("pictures"));
  router.add("GET", "/ui/{path...}", says("ui"));
  router.add("HEAD", "/head", says("head"));
  EXPECT_EQ(route(router, "GET", "/"), "200 root");
  EXPECT_EQ(route(router, "GET", "/customers"), "200 all");
  EXPECT_EQ(route(router, "GET", "/customers/a%2Fb"), "200 one,a/b");
  EXPECT_EQ(route(router, "GET", "/customers/best"), "200 best");
  EXPECT_EQ(route(router, "GET", "/customers/best/orders/7"), "200 order,best,7");
  EXPECT_EQ(route(router, "GET", "/ui/a/b.js"), "200 ui,a/b.js");
  EXPECT_EQ(route(router, "GET", "/ui"), "200 ui,");
  EXPECT_EQ(route(router, "HEAD", "/customers"), "200 all");
  EXPECT_EQ(route(router, "HEAD", "/head"), "200 head");
  EXPECT_EQ(route(router, "GET", "/customers/"), "404");
  EXPECT_EQ(route(router, "GET", "/customers/1/orders"), "404");
  EXPECT_EQ(route(router, "GET", "/nothing"), "404");
  EXPECT_EQ(route(router, "POST", "/customers/1"), "405 DELETE, GET, HEAD, OPTIONS");
  EXPECT_EQ(route(router, "OPTIONS", "/customers"), "204 GET, HEAD, OPTIONS");
}

TEST(RouterTest, RefusesPatternsThatAreNone) {
  Router router;
  router.add("GET", "/a/{b}", says(""));
  for (const char* const pattern : {"a", "/{a", "/{a...}/b", "/a/{c}"}) {
    EXPECT_THROW(router.add("GET", pattern, says("")), Error) << pattern;
  }
}

TEST(AddressTest, IsReadAndWritten) {
  EXPECT_EQ(parse_address("127.0.0.1:80"), (Address{"127.0.0.1", 80}));
  EXPECT_EQ(parse_address("[::1]:0"), (Address{"::1", 0}));
  EXPECT_EQ(parse_address(":8080"), (Address{"", 8080}));
  EXPECT_EQ(parse_address("*:8080"), (Address{"", 8080}));
  EXPECT_EQ((Address{"::1", 80}).text(), "[::1]:80");
  for (const char* const bad : {"", "8080", "a", "a:", "a:b", "a:-1", "a:+1", "a:65536", "::1:80",
                                "[a]:80", "http://a:80", "a b:80"}) {
    EXPECT_EQ(parse_address(bad), std::nullopt) << bad;
  }
}

Node scalar(std::string text) { return {.kind = Node::Kind::scalar, .text = std::move(text)}; }
Node mapping(std::vector<Node::Entry> entries) {
  return {.kind = Node::Kind::mapping, .entries = std::move(entries)};
}

std::string mistakes_of(const Node& node, ServerOptions* into = nullptr) {
  Diagnostics diagnostics;
  ServerOptions options;
  (void)ServerOptions::table().parse(node, diagnostics, options, "`serve`");
  (void)options.read_nested(diagnostics, "`serve`");
  if (into != nullptr) {
    *into = std::move(options);
  }
  return diagnostics.text();
}

TEST(ServerOptionsTest, AreReadWithUsersAndTls) {
  ::setenv("HTTP_TEST_A", "aaa", 1);
  ::setenv("HTTP_TEST_B", "bbb", 1);
  Node list{.kind = Node::Kind::sequence};
  list.items = {scalar("${env:HTTP_TEST_A}"), scalar("${env:HTTP_TEST_B}")};
  Node tls = mapping({{"certificate", {}, scalar("c.pem")}, {"key", {}, scalar("/k.pem")}});
  tls.at.file = "/etc/pipeline.yaml";
  ServerOptions options;
  EXPECT_EQ(mistakes_of(mapping({{"listen", {}, scalar("0.0.0.0:80")},
                                 {"tls", {}, tls},
                                 {"rate_limit", {}, scalar("10")},
                                 {"users",
                                  {},
                                  mapping({{"app", {}, mapping({{"token", {}, list}})},
                                           {"ann",
                                            {},
                                            mapping({{"password", {}, scalar("${env:HTTP_TEST_A}")},
                                                     {"permission", {}, scalar("control")}})}})}}),
                        &options),
            "");
  EXPECT_EQ(options.tls->certificate, "/etc/c.pem");
  EXPECT_EQ(options.tls->key, "/k.pem");
  EXPECT_EQ(options.users.at("app").tokens.size(), 2);
  EXPECT_EQ(options.users.at("app").permission, Permission::read);
  EXPECT_EQ(options.users.at("ann").permission, Permission::control);
  EXPECT_EQ(options.rate_limit, 10);
}

TEST(ServerOptionsTest, SayEachMistakeAndTheWayOut) {
  const auto has = [](const Node& node, std::string_view text) {
    const std::string mistakes = mistakes_of(node);
    EXPECT_NE(mistakes.find(text), std::string::npos) << mistakes;
  };
  has(mapping({{"listen", {}, scalar("0.0.0.0:80")}}), "allow_public_without_authentication");
  has(mapping({{"listen", {}, scalar("80")}}), "no address and port");
  has(mapping({{"users", {}, scalar("x")}}), "must be a mapping of names");
  has(mapping({{"users", {}, mapping({{"a", {}, mapping({{"token", {}, scalar("x")}})}})}}),
      "must not be written into the file");
  has(mapping({{"users", {}, mapping({{"a", {}, mapping({})}})}}), "has no secret");
  has(mapping({{"users", {}, mapping({{"a:b", {}, mapping({})}})}}), "cannot be used");
  has(mapping({{"tls", {}, mapping({{"key", {}, scalar("k")}})}}),
      "needs the option `certificate`");
  has(mapping({{"cors_origins", {}, scalar("app.example.com")}}), "which is no origin");
  has(mapping({{"cors_origins", {}, scalar("*")}, {"cors_credentials", {}, scalar("true")}}),
      "cannot go with the origin `*`");
  EXPECT_EQ(mistakes_of(mapping({{"listen", {}, scalar("0.0.0.0:80")},
                                 {"allow_public_without_authentication", {}, scalar("true")}})),
            "");
}

}  // namespace
}  // namespace millrace::http
