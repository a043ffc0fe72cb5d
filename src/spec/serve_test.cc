#include "spec/serve.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "spec/test_support.h"

namespace millrace {
namespace {

using testing::load;

constexpr std::string_view kHead =
    "pipeline: p\n"
    "sources: { ticks: { from: rate } }\n"
    "datasets: { totals: SELECT count(*) AS n FROM ticks }\n"
    "serve:\n";

testing::Loaded serving(const std::string& lines) { return load(std::string(kHead) + lines); }

std::string endpoint(const std::string& lines) {
  return serving("  endpoints:\n" + lines).messages;
}

TEST(Serve, NeedsNoSinks) {
  const auto loaded = serving("  endpoints: [{ get: /totals, query: FROM totals }]\n");
  EXPECT_EQ(loaded.messages, "");
  ASSERT_TRUE(loaded.spec && loaded.spec->serve);
  const auto& one = loaded.spec->serve->endpoints.at(0);
  EXPECT_EQ(one.path, "/totals");
  EXPECT_EQ(one.query.text, "FROM totals");
  EXPECT_EQ(one.at.line, 5);
  EXPECT_EQ(one.empty, Empty::ok);
  EXPECT_EQ(loaded.spec->serve->server.listen, "127.0.0.1:8080");
}

TEST(Serve, ReadsAnEndpointWhole) {
  const auto loaded = serving(
      "  envelope:\n"
      "    success: { status: success, message: $message, data: $data, n: 1, s: '1' }\n"
      "    error: { data: {}, message: $message }\n"
      "  errors: { not_found: not-found }\n"
      "  max_rows: 7\n"
      "  endpoints:\n"
      "    - get: /a/{id}/b\n"
      "      parameters:\n"
      "        id: { type: int, minimum: 1, error: invalid_id }\n"
      "        since: { type: date, default: 2024-02-29 }\n"
      "        kind: { enum: [x, y] }\n"
      "      query: SELECT * FROM totals WHERE n = $id AND $since IS NULL AND $kind = ''\n"
      "      returns: one\n"
      "      data: row\n");
  EXPECT_EQ(loaded.messages, "");
  const ServeSpec& serve = *loaded.spec->serve;
  EXPECT_EQ(serve.success.dump(),
            R"({"status":"success","message":"$message","data":"$data","n":1,"s":"1"})");
  EXPECT_EQ(serve.error.dump(), R"({"data":{},"message":"$message"})");
  const EndpointSpec& one = serve.endpoints.at(0);
  EXPECT_EQ(one.empty, Empty::not_found);
  EXPECT_EQ(one.max_rows, 7);
  EXPECT_EQ(info_of(Fault::not_found, one.errors).message, "not-found");
  ASSERT_EQ(one.segments.size(), 3U);
  EXPECT_TRUE(one.segments[1].is_parameter);
  ASSERT_EQ(one.parameters.size(), 3U);
  EXPECT_EQ(one.parameters[0].in, ParameterPlace::path);
  EXPECT_TRUE(one.parameters[0].required);
  EXPECT_EQ(one.parameters[0].error, "invalid_id");
  EXPECT_EQ(one.parameters[1].default_value, ParameterValue(std::int64_t{19782}));
  EXPECT_EQ(one.parameters[2].allowed, (std::vector<std::string>{"x", "y"}));
}

TEST(Serve, AnErrorOfAnEndpointAddsToThatOfTheFile) {
  const auto loaded = serving(
      "  errors: { not_found: { code: E404, status: 410 }, timeout: too slow }\n"
      "  endpoints:\n"
      "    - { get: /a, query: FROM totals, errors: { not_found: none, internal: { status: 502 } } "
      "}\n"
      "    - { get: /b, query: FROM totals }\n");
  EXPECT_EQ(loaded.messages, "");
  const auto text = [&](std::size_t endpoint, Fault fault) {
    const auto info = info_of(fault, loaded.spec->serve->endpoints.at(endpoint).errors);
    return fmt::format("{} {} {}", info.status, info.code, info.message);
  };
  EXPECT_EQ(text(0, Fault::not_found), "410 E404 none");
  EXPECT_EQ(text(1, Fault::not_found), "410 E404 there is no such row");
  EXPECT_EQ(text(0, Fault::timeout), "504 timeout too slow");
  EXPECT_EQ(text(0, Fault::internal), "502 internal the answer could not be made");
  EXPECT_EQ(text(1, Fault::internal), "500 internal the answer could not be made");
}

TEST(Serve, MistakesStandAtTheirPlaces) {
  EXPECT_EQ(endpoint("    - { get: '/a/{id}', query: FROM totals }\n"),
            "p.yaml:6:14: error: endpoint `/a/{id}` does not say what its parameter `id` is; add "
            "`parameters: { id: { type: int } }`\n");
  EXPECT_EQ(endpoint("    - { get: /a, query: SELECT n FROM totals WHERE n = $m }\n"),
            "p.yaml:6:56: error: the query of endpoint `/a` uses `$m`, which is no parameter of "
            "it; declare it under `parameters`\n");
  EXPECT_EQ(endpoint("    - { get: /a, parameters: { m: { type: int } }, query: FROM totals }\n"),
            "p.yaml:6:32: error: the query of endpoint `/a` does not use its parameter `m`; use "
            "`$m` in it, or remove the parameter\n");
  EXPECT_EQ(endpoint("    - { get: /a, query: FROM totals }\n    - { get: /a, query: FROM totals "
                     "}\n"),
            "p.yaml:7:14: error: endpoint `/a` answers the same requests as the one on line 6; "
            "give one of them another path\n");
  EXPECT_EQ(endpoint("    - { get: a, query: FROM totals }\n"),
            "p.yaml:6:14: error: the path of endpoint `a` does not begin with `/`; write `/a`\n");
  EXPECT_EQ(endpoint("    - { get: /docs, query: FROM totals }\n"),
            "p.yaml:6:14: error: the path of endpoint `/docs` is one that every service has; "
            "choose another one\n");
  EXPECT_EQ(endpoint("    - { query: FROM totals }\n"),
            "p.yaml:6:7: error: an endpoint has either `get` or `changes`; for example `get: "
            "/totals`\n");
  EXPECT_EQ(endpoint("    - { changes: totals, query: FROM totals }\n"),
            "p.yaml:6:26: error: endpoint `/totals/changes` sends changes, and has no `query`; "
            "remove it\n");
  EXPECT_EQ(endpoint("    - { get: /a, query: FROM totals, errors: { notfound: x } }\n"),
            "p.yaml:6:48: error: `errors` of endpoint `/a` names `notfound`, which is no code of "
            "an error; did you mean `not_found`?\n");
  EXPECT_EQ(
      endpoint("    - { get: /a, query: FROM totals, errors: { not_found: { status: 304 } } }\n"),
      "p.yaml:6:69: error: error `not_found` of endpoint `/a` has the status 304, which is not "
      "of an answer; an error has 400 to 599; 200 is for clients that want it so\n");
  EXPECT_EQ(endpoint("    - { get: /a, query: FROM totals, errors: [not_found] }\n"),
            "p.yaml:6:46: error: `errors` of endpoint `/a` must be a mapping of codes; for example "
            "`{ not_found: nothing here }`\n");
  EXPECT_EQ(serving("  envelope: { success: { data: $dat } }\n  endpoints: [{ get: /a, query: FROM "
                    "totals }]\n")
                .messages,
            "p.yaml:5:32: error: `$dat` stands for nothing in an answer; did you mean `$data`?\n");
  EXPECT_EQ(
      serving("  listen: 0.0.0.0:80\n  endpoints: [{ get: /a, query: FROM totals }]\n").messages,
      std::string("p.yaml:5:11: error: `listen: 0.0.0.0:80` of serve lets other machines ask, "
                  "and nobody has to say who they are; ") +
          http::kWayOutOfOpen + "\n");
}

TEST(Serve, MistakesOfParameters) {
  const auto parameter = [](const std::string& options) {
    return endpoint(
        "    - get: /a\n      query: FROM totals WHERE n = $m\n      parameters:\n"
        "        m: { " +
        options + " }\n");
  };
  EXPECT_EQ(parameter("type: int, default: x"),
            "p.yaml:9:34: error: `default` of parameter `m` of endpoint `/a` must be a whole "
            "number, not `x`\n");
  EXPECT_EQ(parameter("type: date, minimum: 2024-02-30"),
            "p.yaml:9:35: error: `minimum` of parameter `m` of endpoint `/a` must be a date such "
            "as 2024-02-29, not `2024-02-30`\n");
  EXPECT_EQ(parameter("type: int, maximum: 9, default: 10"),
            "p.yaml:9:46: error: `default` of parameter `m` of endpoint `/a` must be a whole "
            "number of at most 9, not `10`\n");
  EXPECT_EQ(parameter("type: int, in: path"),
            "p.yaml:9:29: error: parameter `m` of endpoint `/a` is not in the path `/a`; remove "
            "`in`\n");
  EXPECT_EQ(parameter("type: int, enum: [a]"),
            "p.yaml:9:31: error: `enum` of parameter `m` of endpoint `/a` is for strings; remove "
            "it, or write `type: string`\n");
}

TEST(Serve, ValuesOfRequests) {
  const auto read = [](ParameterType type, std::string_view text) {
    return read_parameter({.name = "p", .type = type}, text).has_value();
  };
  for (const char* text : {"1", "-1", "9223372036854775807", "+5"}) {
    EXPECT_TRUE(read(ParameterType::integer, text)) << text;
  }
  for (const char* text : {"", " 1", "1 ", "1.0", "0x1", "9223372036854775808", "1;--", "١"}) {
    EXPECT_FALSE(read(ParameterType::integer, text)) << text;
  }
  for (const char* text : {"nan", "inf", "1e999", "", "1,5"}) {
    EXPECT_FALSE(read(ParameterType::number, text)) << text;
  }
  EXPECT_TRUE(read(ParameterType::number, "1.5e3"));
  EXPECT_TRUE(read(ParameterType::date, "2024-02-29"));
  EXPECT_FALSE(read(ParameterType::date, "2024-02-29T00:00:00Z"));
  EXPECT_FALSE(read(ParameterType::date, "2023-02-29"));
  EXPECT_TRUE(read(ParameterType::timestamp, "2024-02-29T12:00:00Z"));
  const auto noon =
      read_parameter({.name = "p", .type = ParameterType::timestamp}, "1970-01-01T12:00:00Z");
  ASSERT_TRUE(noon);
  EXPECT_EQ(std::get<std::int64_t>(*noon), 43'200'000'000);
  for (const char* text : {"1970-01-01T13:00:00+01:00", "1970-01-01T12:00:00", "1970-01-01 12:00",
                           "1970-01-01T06:30:00-05:30"}) {
    EXPECT_EQ(read_parameter({.name = "p", .type = ParameterType::timestamp}, text), noon) << text;
  }
  EXPECT_FALSE(read(ParameterType::boolean, "yes"));
  EXPECT_TRUE(read(ParameterType::string, "'; DROP TABLE x; --"));
  EXPECT_FALSE(read(ParameterType::string, std::string(1001, 'x')));
  const ParameterSpec bounded{.name = "p",
                              .type = ParameterType::date,
                              .minimum = std::int64_t{0},
                              .maximum = std::int64_t{1}};
  EXPECT_TRUE(read_parameter(bounded, "1970-01-02"));
  EXPECT_FALSE(read_parameter(bounded, "1970-01-03"));
  EXPECT_EQ(wanted_of(bounded), "a date such as 2024-02-29 of 1970-01-01 to 1970-01-02");
}

TEST(Serve, FaultsAreInTheOrderOfTheirCodes) {
  const auto codes = fault_codes();
  for (std::size_t i = 0; i < codes.size(); ++i) {
    EXPECT_EQ(info_of(static_cast<Fault>(i)).code, codes[i]);
  }
}

}  // namespace
}  // namespace millrace
