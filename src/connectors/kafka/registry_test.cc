#include "connectors/kafka/registry.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "connectors/kafka/registry_test_server.h"

namespace millrace::kafka {
namespace {

using namespace std::chrono_literals;

/// Takes the log's lines while it lives.
class LogLines {
 public:
  explicit LogLines(const std::function<void()>& call = nullptr) {
    set_log_writer([this, call](std::string_view line) {
      lines.emplace_back(line);
      if (call) {
        call();
      }
    });
  }
  ~LogLines() { set_log_writer(nullptr); }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;
  std::vector<std::string> lines;
};

nlohmann::json schema_answer(const std::string& schema) { return {{"schema", schema}}; }

const nlohmann::json kLong = schema_answer(R"("long")");
const Scripted kNoSchema{.status = 404,
                         .body = R"({"error_code": 40403, "message": "Schema not found"})"};

class RegistryTest : public testing::Test {
 protected:
  // The machine's proxy is not for a server of this machine.
  static void SetUpTestSuite() { ::setenv("no_proxy", "*", 1); }
  SchemaRegistry& client() {
    if (!client_) {
      if (options_.urls.empty()) {
        options_.urls = {fake_.url()};
      }
      client_.emplace(options_, stop_.get_token());
    }
    return *client_;
  }
  /// What the client says of schema 1.
  std::string reason() { return client().find(1).reason; }
  /// The Error of a call.
  template <class Call>
  static Error error_of(const Call& call) {
    try {
      call();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "no Error";
    return {Blame::internal, ""};
  }
  Error error_of_schema() {
    return error_of([this] { (void)client().find(1); });
  }

  FakeRegistry fake_;
  std::stop_source stop_;
  RegistryOptions options_{.retry_first = 1ms, .retry_most = 2ms};
  std::optional<SchemaRegistry> client_;
};

bool has(const std::string& text, std::string_view part) { return text.contains(part); }

TEST_F(RegistryTest, AsksOnceForASchema) {
  fake_.good("GET /schemas/ids/1", kLong);
  const auto first = client().find(1);
  ASSERT_TRUE(first.schema) << first.reason;
  EXPECT_EQ(first.schema->root().kind, avro::Kind::long_);
  EXPECT_EQ(client().find(1).schema, first.schema);
  EXPECT_EQ(fake_.count(), 1U);
}

TEST_F(RegistryTest, ThreadsShareASchema) {
  fake_.good("GET /schemas/ids/1", kLong);
  std::mutex lock;
  std::set<avro::SharedSchema> seen;
  SchemaRegistry& registry = client();
  {
    std::vector<std::jthread> threads(4);
    for (auto& thread : threads) {
      thread = std::jthread([&] {
        const auto lookup = registry.find(1);
        const std::lock_guard guard(lock);
        seen.insert(lookup.schema);
      });
    }
  }
  EXPECT_EQ(seen.size(), 1U);
}

TEST_F(RegistryTest, AnUnknownNumberIsNoErrorAndBelievedForAWhile) {
  fake_.answer("GET /schemas/ids/1", {kNoSchema, {.body = kLong.dump()}});
  EXPECT_EQ(reason(), "the registry has no schema 1");
  EXPECT_EQ(reason(), "the registry has no schema 1");
  EXPECT_EQ(fake_.count(), 1U);
}

TEST_F(RegistryTest, AnUnknownNumberIsAskedForAgainLater) {
  options_.unknown_for = 0ms;
  fake_.answer("GET /schemas/ids/1", {kNoSchema, kNoSchema, {.body = kLong.dump()}});
  EXPECT_EQ(reason(), "the registry has no schema 1");
  EXPECT_EQ(reason(), "the registry has no schema 1");
  EXPECT_TRUE(client().find(1).schema);
  EXPECT_TRUE(client().find(1).schema);
  EXPECT_EQ(fake_.count(), 3U);
}

TEST_F(RegistryTest, ANumberThatNoSchemaCanHaveIsNotAskedFor) {
  EXPECT_EQ(client().find(0xffff'ffff).reason, "no schema can have the number 4294967295");
  EXPECT_EQ(fake_.count(), 0U);
}

TEST_F(RegistryTest, GoesOnTryingAndSaysSoOnce) {
  const LogLines log;
  fake_.answer("GET /schemas/ids/1", {{.status = 503, .body = R"({"message": "not yet"})"},
                                      {.status = 500},
                                      {.status = 429},
                                      {.status = 408},
                                      {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"},
                                      {.body = kLong.dump()}});
  EXPECT_TRUE(client().find(1).schema);
  EXPECT_EQ(fake_.count(), 6U);
  ASSERT_EQ(log.lines.size(), 2U);
  EXPECT_TRUE(has(log.lines[0], "/schemas/ids/1: status 503: not yet; going on trying"));
  EXPECT_TRUE(has(log.lines[1], "answers again"));
}

TEST_F(RegistryTest, ARequestThatTakesTooLongIsMadeAgain) {
  const LogLines log;
  options_.request_timeout = 30ms;
  fake_.answer("GET /schemas/ids/1", {{.is_silent = true}, {.body = kLong.dump()}});
  EXPECT_TRUE(client().find(1).schema);
}

TEST_F(RegistryTest, TheNextUrlIsTriedAndKept) {
  FakeRegistry other;
  other.answer("GET /v7/schemas/ids/1", {{.status = 503}});
  options_.urls = {other.url() + "/v7/", fake_.url()};
  fake_.good("GET /schemas/ids/1", kLong);
  fake_.good("GET /schemas/ids/2", kLong);
  EXPECT_TRUE(client().find(1).schema);
  EXPECT_TRUE(client().find(2).schema);
  EXPECT_EQ(other.count(), 1U);
}

TEST_F(RegistryTest, AStopEndsTheWaitForAnAnswer) {
  fake_.on_request([&] { stop_.request_stop(); });
  fake_.answer("GET /schemas/ids/1", {{.is_silent = true}});
  EXPECT_THROW((void)client().find(1), Stopped);
}

TEST_F(RegistryTest, AStopEndsTheWaitForTheNextAttempt) {
  const LogLines log([&] { stop_.request_stop(); });
  options_.retry_first = options_.retry_most = 1h;
  fake_.answer("GET /schemas/ids/1", {{.status = 503}});
  EXPECT_THROW((void)client().find(1), Stopped);
  EXPECT_EQ(fake_.count(), 1U);
}

TEST_F(RegistryTest, SaysWhoWeAreOnlyIfToldTo) {
  fake_.good("GET /schemas/ids/1", kLong);
  (void)client().find(1);
  options_.username = "anna";
  options_.password = Secret("s:cret");
  (void)SchemaRegistry(options_).find(1);
  const auto requests = fake_.requests();
  EXPECT_FALSE(has(requests[0], "Authorization"));
  EXPECT_TRUE(has(requests[1], "Authorization: Basic YW5uYTpzOmNyZXQ=\r\n"));
}

TEST_F(RegistryTest, ARegistryThatDoesNotLetUsInIsTheUsers) {
  fake_.answer("GET /schemas/ids/1", {{.status = 401}, {.status = 403}});
  Error error = error_of_schema();
  EXPECT_EQ(error.blame(), Blame::user);
  EXPECT_TRUE(has(error.what(), "status 401; set `username` and `password`")) << error.what();
  options_.username = "anna";
  options_.password = Secret("s3cret");
  client_.reset();
  error = error_of_schema();
  EXPECT_TRUE(has(error.what(), "status 403; check `username`")) << error.what();
  EXPECT_FALSE(has(error.what(), "s3cret"));
}

TEST_F(RegistryTest, AnAnswerThatIsTooLargeIsAnError) {
  fake_.answer("GET /schemas/ids/1", {{.body = std::string(kAnswerBytesMax + 1, ' ')}});
  const Error error = error_of_schema();
  EXPECT_EQ(error.blame(), Blame::external);
  EXPECT_TRUE(has(error.what(), "/schemas/ids/1: an answer of more than")) << error.what();
  EXPECT_EQ(fake_.count(), 1U);
}

TEST_F(RegistryTest, AnswersThatMakeNoSenseAreErrorsWithTheUrl) {
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  for (const std::string& body :
       {std::string("<html>"), std::string("[1]"), std::string("{}"),
        std::string(R"({"schema": 7})"), std::string("{\"schema\": \"\xff\"}"), deep, std::string(),
        std::string(R"({"schema": "\"long\"", "references": 7})"),
        std::string(R"({"schema": "\"long\"", "references": [{"subject": "a"}]})"),
        std::string(
            R"({"schema": "\"long\"", "references": [{"subject": "a", "version": -1}]})")}) {
    fake_.answer("GET /schemas/ids/1", {{.body = body}});
    const Error error = error_of_schema();
    EXPECT_EQ(error.blame(), Blame::external) << body.substr(0, 80);
    EXPECT_TRUE(has(error.what(), fake_.url() + "/schemas/ids/1")) << error.what();
  }
  fake_.answer("GET /schemas/ids/1", {{.raw = "SSH-2.0-OpenSSH_9.2\r\n"}});
  EXPECT_TRUE(has(error_of_schema().what(), "is this the URL of a schema registry?"));
}

TEST_F(RegistryTest, AnotherServerIsNotARegistryWithoutTheSchema) {
  const Error error = error_of_schema();
  EXPECT_EQ(error.blame(), Blame::user);
  EXPECT_TRUE(has(error.what(), "status 404; is this the URL of a schema registry?"));
}

TEST_F(RegistryTest, ASchemaOfNoUseIsNoError) {
  options_.unknown_for = 0ms;
  fake_.good("GET /schemas/ids/1", {{"schema", "syntax"}, {"schemaType", "PROTOBUF"}});
  EXPECT_EQ(reason(), R"(schema 1 is of type "PROTOBUF", not AVRO)");
  fake_.good("GET /schemas/ids/1", schema_answer(R"({"type": "record"})"));
  EXPECT_TRUE(has(reason(), "schema 1: avro schema: ")) << reason();
  fake_.good("GET /schemas/ids/1", {{"schema", R"("long")"}, {"schemaType", "AVRO"}});
  EXPECT_EQ(reason(), "");
}

nlohmann::json record_answer(const std::string& name, const std::vector<std::string>& types) {
  nlohmann::json fields = nlohmann::json::array();
  nlohmann::json references = nlohmann::json::array();
  for (const std::string& type : types) {
    fields.push_back({{"name", "f" + type}, {"type", type}});
    references.push_back({{"name", type}, {"subject", type}, {"version", 1}});
  }
  const nlohmann::json record{{"type", "record"}, {"name", name}, {"fields", fields}};
  return {{"schema", record.dump()}, {"references", references}};
}

TEST_F(RegistryTest, ReferencesAreFollowed) {
  fake_.good("GET /schemas/ids/1", record_answer("Top", {"Left", "Right"}));
  fake_.good("GET /subjects/Left/versions/1", record_answer("Left", {"Base"}));
  fake_.good("GET /subjects/Right/versions/1", record_answer("Right", {"Base"}));
  fake_.good("GET /subjects/Base/versions/1", record_answer("Base", {}));
  const auto lookup = client().find(1);
  ASSERT_TRUE(lookup.schema) << lookup.reason;
  const auto& fields = lookup.schema->root().fields;
  EXPECT_EQ(fields[0].type->fields[0].type->name, "Base");
  EXPECT_EQ(fields[0].type->fields[0].type, fields[1].type->fields[0].type);
  EXPECT_EQ(fake_.count(), 4U);
}

TEST_F(RegistryTest, ReferencesThatLeadNowhereAreNoError) {
  options_.unknown_for = 0ms;
  fake_.good("GET /schemas/ids/1", record_answer("Top", {"Left"}));
  fake_.answer("GET /subjects/Left/versions/1",
               {{.status = 404, .body = R"({"error_code": 40402, "message": "none"})"}});
  EXPECT_EQ(reason(), "the registry has no `Left` version 1, to which a schema refers");
  fake_.good("GET /subjects/Left/versions/1", record_answer("Left", {"Left"}));
  EXPECT_EQ(reason(), "");  // to itself, which needs no reference
  client_.reset();
  fake_.good("GET /subjects/Left/versions/1", record_answer("Left", {"Right"}));
  fake_.good("GET /subjects/Right/versions/1", record_answer("Right", {"Left"}));
  EXPECT_TRUE(has(reason(), "no type `Left` is defined before")) << reason();
}

TEST_F(RegistryTest, TooManyReferencesAreRefused) {
  for (int i = 0; i < 300; i++) {
    fake_.good(fmt::format("GET /subjects/S{}/versions/1", i),
               record_answer(fmt::format("S{}", i), {fmt::format("S{}", i + 1)}));
  }
  fake_.good("GET /schemas/ids/1", record_answer("Top", {"S0"}));
  EXPECT_TRUE(has(reason(), "more than 256 schemas")) << reason();
}

TEST_F(RegistryTest, TheLatestSchemaOfASubject) {
  fake_.answer(
      "GET /subjects/a%2Fb%20%C3%BC/versions/latest",
      {{.status = 404, .body = R"({"error_code": 40401, "message": "none"})"},
       {.body = R"({"subject": "x", "id": 7, "version": 2, "schema": "\"long\""})"},
       {.body = R"({"subject": "x", "id": 3000000000, "version": 2, "schema": "\"int\""})"},
       {.body = R"({"id": 7, "version": 2, "schema": "", "schemaType": "JSON"})"}});
  EXPECT_FALSE(client().latest("a/b ü"));
  const auto latest = client().latest("a/b ü");
  ASSERT_TRUE(latest);
  EXPECT_EQ(latest->id, 7U);
  EXPECT_EQ(latest->version, 2);
  EXPECT_EQ(latest->schema->root().kind, avro::Kind::long_);
  EXPECT_TRUE(has(error_of([&] { (void)client().latest("a/b ü"); }).what(), "as `id`"));
  EXPECT_EQ(error_of([&] { (void)client().latest("a/b ü"); }).blame(), Blame::user);
}

TEST_F(RegistryTest, RegistersASchema) {
  fake_.answer("POST /subjects/s/versions",
               {{.body = R"({"id": 7})"},
                {.status = 409, .body = R"({"error_code": 409, "message": "reader type"})"},
                {.status = 422, .body = R"({"error_code": 42201, "message": "no schema"})"},
                {.body = R"({"id": "7"})"}});
  EXPECT_EQ(client().register_schema("s", R"("long")"), 7U);
  const std::string request = fake_.requests()[0];
  EXPECT_TRUE(has(request, "Content-Type: application/vnd.schemaregistry.v1+json\r\n"));
  EXPECT_EQ(nlohmann::json::parse(request.substr(request.find("\r\n\r\n"))),
            (nlohmann::json{{"schema", R"("long")"}, {"schemaType", "AVRO"}}));
  const auto again = [&] { (void)client().register_schema("s", R"("long")"); };
  Error error = error_of(again);
  EXPECT_EQ(error.blame(), Blame::user);
  EXPECT_TRUE(has(error.what(), "status 409: reader type; change the schema")) << error.what();
  error = error_of(again);
  EXPECT_EQ(error.blame(), Blame::user);
  EXPECT_TRUE(has(error.what(), "status 422: no schema")) << error.what();
  EXPECT_TRUE(has(error_of(again).what(), "as `id`"));
}

TEST_F(RegistryTest, SaysWhetherASchemaIsCompatible) {
  fake_.answer("POST /compatibility/subjects/s/versions/latest",
               {{.body = R"({"is_compatible": true})"},
                {.body = R"({"is_compatible": false})"},
                {.status = 404, .body = R"({"error_code": 40401, "message": "none"})"},
                {.body = R"({"is_compatible": 1})"}});
  EXPECT_TRUE(client().is_compatible("s", R"("long")"));
  EXPECT_FALSE(client().is_compatible("s", R"("long")"));
  EXPECT_TRUE(client().is_compatible("s", R"("long")"));
  EXPECT_TRUE(
      has(error_of([&] { (void)client().is_compatible("s", "1"); }).what(), "as `is_compatible`"));
}

Scripted redirect(const std::string& to) {
  return {.status = 307, .headers = "Location: " + to + "\r\n"};
}

TEST_F(RegistryTest, RedirectsOnTheSameServerAreFollowed) {
  fake_.answer("POST /subjects/s/versions", {redirect("/other")});
  fake_.answer("POST /other", {redirect(fake_.url() + "/third")});
  fake_.good("POST /third", {{"id", 7}});
  EXPECT_EQ(client().register_schema("s", R"("long")"), 7U);
  EXPECT_TRUE(has(fake_.requests()[2], "schemaType"));
  fake_.answer("GET /schemas/ids/1", {redirect("/schemas/ids/1")});
  EXPECT_TRUE(has(error_of_schema().what(), "redirected more than 3 times"));
  EXPECT_EQ(fake_.count(), 7U);
}

TEST_F(RegistryTest, RedirectsToOtherServersAreNotFollowed) {
  FakeRegistry other;
  for (const std::string& to :
       {other.url() + "/x", fake_.url("localhost") + "/x", std::string("file:///etc/passwd"),
        "http://a:b@127.0.0.1:" + fake_.url().substr(17) + "/x"}) {
    fake_.answer("GET /schemas/ids/1", {redirect(to)});
    EXPECT_FALSE(has(error_of_schema().what(), "a:b"));
  }
  EXPECT_EQ(other.count(), 0U);
  EXPECT_EQ(fake_.count(), 4U);
}

TEST(RegistryUrls, ThoseOfNoUseAreRefusedWithoutBeingShown) {
  for (const auto* url :
       {"", "host:8081", "ftp://host", "file:///x", "http://", "http://u:geheim@h",
        "http://h/?geheim", "http://h/#geheim", "http://geheim:x/"}) {
    try {
      const SchemaRegistry registry({.urls = {"http://good:8081", url}});
      ADD_FAILURE() << url;
    } catch (const Error& error) {
      EXPECT_EQ(error.blame(), Blame::user);
      EXPECT_TRUE(has(error.what(), "URL number 2")) << error.what();
      EXPECT_FALSE(has(error.what(), "geheim"));
    }
  }
  EXPECT_THROW(SchemaRegistry({}), Error);
}

}  // namespace
}  // namespace millrace::kafka
