#include "serve/service.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "base/test_folder.h"
#include "serve/lake.h"
#include "spec/test_support.h"

namespace millrace::serve {
namespace {

using sql::Batch;

const Schema kProfile{{{"customer_id", "INTEGER", Physical::i32},
                       {"name", "VARCHAR", Physical::string},
                       {"spend", "DOUBLE", Physical::f64},
                       {"seen", "TIMESTAMP", Physical::i64}}};

struct Customer {
  int id = 0;
  std::string name;
  double spend = 0;
  std::int64_t seen_us = 0;
};

class Customers final : public RowReader {
 public:
  explicit Customers(const std::vector<Customer>& all) : all_(all) {}
  std::size_t read(ChunkWriter& to) override {
    std::size_t row = 0;
    for (; at_ < all_.size() && row < kChunkRows; ++at_, ++row) {
      to.values<std::int32_t>(0)[row] = all_[at_].id;
      to.set_string(1, row, all_[at_].name);
      to.values<double>(2)[row] = all_[at_].spend;
      to.values<std::int64_t>(3)[row] = all_[at_].seen_us;
    }
    return row;
  }

 private:
  const std::vector<Customer>& all_;
  std::size_t at_ = 0;
};

constexpr std::string_view kHead =
    "pipeline: p\n"
    "sources: { ticks: { from: rate } }\n"
    "datasets: { profile: SELECT count(*) AS n FROM ticks }\n"
    "serve:\n";

constexpr std::string_view kEnvelope =
    "  envelope:\n"
    "    success: { status: success, message: $message, data: $data }\n"
    "    error: { status: error, message: $message, data: {} }\n"
    "  errors: { not_found: not-found }\n";

constexpr std::string_view kEndpoints =
    "  endpoints:\n"
    "    - get: /customer/{id}\n"
    "      parameters: { id: { type: int, minimum: 1, error: invalid_customer_id } }\n"
    "      query: SELECT * FROM profile WHERE customer_id = $id\n"
    "      returns: one\n"
    "      message: found\n"
    "    - get: /named\n"
    "      parameters: { name: { required: true }, limit: { type: int, default: 2, minimum: 1, "
    "maximum: 3 } }\n"
    "      query: SELECT customer_id, name FROM profile WHERE name >= $name ORDER BY ALL LIMIT "
    "$limit\n"
    "      data: customers\n"
    "    - get: /cut\n"
    "      query: SELECT customer_id FROM profile ORDER BY ALL\n"
    "      max_rows: 1\n"
    "    - changes: profile\n";

class Stream final : public http::EventStream {
 public:
  bool send(std::string_view bytes) override {
    const std::lock_guard guard(lock_);
    text_ += bytes;
    changed_.notify_all();
    return true;
  }
  [[nodiscard]] bool is_open() const noexcept override { return true; }
  void close() override {}
  /// What has come, once it has this in it.
  std::string wait_for(const std::string& part) {
    std::unique_lock guard(lock_);
    changed_.wait_for(guard, std::chrono::seconds(20), [&] { return text_.contains(part); });
    return std::exchange(text_, {});
  }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  std::string text_;
};

class ServiceTest : public ::testing::Test {
 protected:
  void serve(const std::string& lines) {
    loaded_ = testing::load(folder_, std::string(kHead) + lines);
    ASSERT_EQ(loaded_.messages, "");
    DatasetNode node;
    node.name = "profile";
    node.spec = &loaded_.spec->datasets[0];
    graph_.datasets.push_back(std::move(node));
    table_ = tables_.open("profile", kProfile, {0});
    service_ =
        Service::make({*loaded_.spec, connectors_, database_, tables_, graph_, "1"}, diagnostics_);
    if (service_) {
      service_->start();
    }
  }

  void commit(std::int64_t batch, const std::vector<Customer>& customers) {
    Batch rows(kProfile);
    Customers reader(customers);
    rows.read(reader);
    table_->upsert(std::move(rows), batch);
    tables_.commit({.batch = batch, .time_us = batch, .watermark_us = batch});
  }

  http::Response ask(std::vector<std::string> segments,
                     std::vector<std::pair<std::string, std::string>> query = {},
                     std::vector<http::Header> headers = {}, const std::string& method = "GET") {
    struct Waiting {
      std::mutex lock;
      std::condition_variable changed;
      std::optional<http::Response> response;
    };
    const auto waiting = std::make_shared<Waiting>();
    service_->handle({.method = method,
                      .segments = std::move(segments),
                      .query = std::move(query),
                      .headers = std::move(headers)},
                     [waiting](http::Response response) {
                       const std::lock_guard guard(waiting->lock);
                       waiting->response = std::move(response);
                       waiting->changed.notify_all();
                     });
    std::unique_lock guard(waiting->lock);
    waiting->changed.wait_for(guard, std::chrono::seconds(60),
                              [&] { return waiting->response.has_value(); });
    return waiting->response.value_or(http::Response{.status = 0});
  }

  static std::string text_of(const http::Response& response) {
    return std::to_string(response.status) + " " + (response.body ? *response.body : "");
  }
  static std::string head_of(const http::Response& response, std::string_view name) {
    for (const auto& header : response.headers) {
      if (header.name == name) {
        return header.value;
      }
    }
    return "";
  }

  TempFolder folder_;
  ConnectorList connectors_ = testing::test_connectors();
  sql::Database database_{sql::Database::Options{.threads = 1}};
  sql::LiveTables tables_;
  std::shared_ptr<sql::LiveTable> table_;
  testing::Loaded loaded_;
  Graph graph_;
  Diagnostics diagnostics_;
  std::unique_ptr<Service> service_;
};

TEST_F(ServiceTest, AnswersInTheEnvelopeOfTheFile) {
  serve(std::string(kEnvelope) + std::string(kEndpoints));
  ASSERT_TRUE(service_) << diagnostics_.text();
  EXPECT_EQ(text_of(ask({"customer", "1"})),
            R"(503 {"status":"error","message":"there is no data yet","data":{}})");
  EXPECT_EQ(ask({"readyz"}).status, 503);
  commit(0, {{1, "Ann \"A\"", 1.5, 1'000'000}, {2, "Bob", 2, 0}});
  EXPECT_EQ(ask({"readyz"}).status, 200);
  const auto found = ask({"customer", "1"});
  EXPECT_EQ(text_of(found),
            R"(200 {"status":"success","message":"found","data":{"customer_id":1,"name":)"
            R"("Ann \"A\"","spend":1.5,"seen":"1970-01-01T00:00:01Z"}})");
  EXPECT_EQ(head_of(found, "Millrace-Batch"), "0");
  EXPECT_EQ(head_of(found, "Millrace-Watermark"), "1970-01-01T00:00:00Z");
  EXPECT_EQ(text_of(ask({"customer", "3"})),
            R"(404 {"status":"error","message":"not-found","data":{}})");
  EXPECT_EQ(text_of(ask({"customer", "99999999999"})),
            R"(404 {"status":"error","message":"not-found","data":{}})");
  for (const char* bad : {"x", "0", "-1", "1.0", "1 OR 1=1", "9223372036854775808"}) {
    EXPECT_EQ(text_of(ask({"customer", bad})),
              R"(400 {"status":"error","message":"invalid_customer_id","data":{}})")
        << bad;
  }
  EXPECT_EQ(ask({"customer"}).status, 404);
  EXPECT_EQ(ask({"customer", "1"}, {}, {}, "POST").status, 405);
}

TEST_F(ServiceTest, ParametersAreValues) {
  serve(std::string(kEndpoints));
  ASSERT_TRUE(service_) << diagnostics_.text();
  commit(0, {{1, "a", 1, 0}, {2, "b", 2, 0}, {3, "c", 3, 0}});
  EXPECT_EQ(text_of(ask({"named"}, {{"name", "a"}})),
            R"(200 {"customers":[{"customer_id":1,"name":"a"},{"customer_id":2,"name":"b"}]})");
  EXPECT_EQ(text_of(ask({"named"}, {{"name", "b"}, {"limit", "1"}})),
            R"(200 {"customers":[{"customer_id":2,"name":"b"}]})");
  EXPECT_EQ(text_of(ask({"named"}, {{"name", "' OR 1=1; DROP TABLE profile; --"}, {"limit", "1"}})),
            R"(200 {"customers":[{"customer_id":1,"name":"a"}]})");
  EXPECT_EQ(text_of(ask({"named"}, {})),
            R"(400 {"code":"invalid_parameter","message":"a parameter is missing or wrong",)"
            R"("hint":"`name` is missing"})");
  EXPECT_EQ(ask({"named"}, {{"name", "a"}, {"limit", "4"}}).status, 400);
  EXPECT_EQ(ask({"named"}, {{"name", "a"}, {"name", "b"}}).status, 400);
  const auto cut = ask({"cut"});
  EXPECT_EQ(text_of(cut), R"(200 [{"customer_id":1}])");
  EXPECT_EQ(head_of(cut, "Millrace-Truncated"), "true");
}

TEST_F(ServiceTest, AnswersAreKeptUntilTheirTableChanges) {
  serve(std::string(kEndpoints));
  ASSERT_TRUE(service_) << diagnostics_.text();
  commit(0, {{1, "a", 1, 0}});
  const auto first = ask({"named"}, {{"name", ""}});
  const auto etag = head_of(first, "ETag");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(ask({"named"}, {{"name", ""}}).body, first.body);
  EXPECT_EQ(service_->stats().endpoints[1].cache_hits, 1);
  const auto same = ask({"named"}, {{"name", ""}}, {{"If-None-Match", "\"x\", W/" + etag}});
  EXPECT_EQ(text_of(same), "304 ");
  EXPECT_EQ(head_of(same, "ETag"), etag);
  tables_.commit({.batch = 1, .time_us = 1});
  const auto later = ask({"named"}, {{"name", ""}});
  EXPECT_EQ(later.body, first.body);
  EXPECT_EQ(head_of(later, "Millrace-Batch"), "1");
  commit(2, {{1, "z", 1, 0}});
  const auto changed = ask({"named"}, {{"name", ""}}, {{"If-None-Match", etag}});
  EXPECT_EQ(text_of(changed), R"(200 {"customers":[{"customer_id":1,"name":"z"}]})");
}

TEST_F(ServiceTest, WaitsForABatch) {
  serve("  wait_timeout: 50ms\n" + std::string(kEndpoints));
  ASSERT_TRUE(service_) << diagnostics_.text();
  commit(0, {{1, "a", 1, 0}});
  EXPECT_EQ(ask({"customer", "1"}, {{"wait_for_batch", "0"}}).status, 200);
  EXPECT_EQ(ask({"customer", "1"}, {{"wait_for_batch", "1"}}).status, 504);
  EXPECT_EQ(ask({"customer", "1"}, {{"wait_for_batch", "x"}}).status, 400);
}

TEST_F(ServiceTest, FollowersGetWhatChanges) {
  serve(std::string(kEndpoints));
  ASSERT_TRUE(service_) << diagnostics_.text();
  commit(0, {{1, "a", 1, 0}, {2, "b", 1, 0}});
  const auto follow = [&](std::vector<std::pair<std::string, std::string>> query) {
    const auto response = ask({"profile", "changes"}, std::move(query));
    EXPECT_EQ(head_of(response, "Content-Type"), "text/event-stream");
    auto stream = std::make_shared<Stream>();
    response.events(stream);
    return stream;
  };
  const auto all = follow({});
  EXPECT_EQ(all->wait_for("id: 0\n\n"), "retry: 1000\n\nid: 0\n\n");
  const auto one = follow({{"after", "-1"}, {"customer_id", "2"}});
  EXPECT_EQ(one->wait_for("]}\n\n"),
            "retry: 1000\n\nid: 0\nevent: rows\ndata: {\"batch\":0,\"rows\":[{\"customer_id\":2,"
            "\"name\":\"b\",\"spend\":1,\"seen\":\"1970-01-01T00:00:00Z\"}]}\n\n");
  commit(1, {{2, "c", 1, 0}, {3, "d", 1, 0}});
  const auto text = all->wait_for("]}\n\n");
  EXPECT_TRUE(text.starts_with("id: 1\nevent: rows\ndata: {\"batch\":1,")) << text;
  EXPECT_TRUE(text.contains("\"c\"") && text.contains("\"d\"") && !text.contains("\"a\"")) << text;
  EXPECT_TRUE(one->wait_for("]}\n\n").contains("\"c\""));
  const auto lost = follow({{"after", "9"}});
  EXPECT_EQ(lost->wait_for("reset"), "retry: 1000\n\nid: 1\nevent: reset\ndata: {\"batch\":1}\n\n");
}

TEST_F(ServiceTest, MistakesInQueriesStandAtTheirPlaces) {
  serve("  endpoints: [{ get: /a, query: SELECT nme FROM profile }]\n");
  EXPECT_EQ(service_, nullptr);
  EXPECT_TRUE(diagnostics_.text().contains("p.yaml:5:33: error: endpoint `/a`: "))
      << diagnostics_.text();
}

TEST_F(ServiceTest, DescribesItself) {
  serve(std::string(kEnvelope) + std::string(kEndpoints));
  ASSERT_TRUE(service_) << diagnostics_.text();
  const auto api = Json::parse(*service_->openapi());
  EXPECT_EQ(api["openapi"], "3.1.0");
  const Json& get = api["paths"]["/customer/{id}"]["get"];
  EXPECT_EQ(get["parameters"][0]["schema"]["minimum"], 1);
  const Json& schema = get["responses"]["200"]["content"]["application/json"]["schema"];
  EXPECT_EQ(schema["properties"]["status"]["const"], "success");
  EXPECT_EQ(schema["properties"]["data"]["properties"]["spend"]["type"],
            Json::array({"number", "null"}));
  EXPECT_TRUE(get["responses"]["404"]["description"].get<std::string>().contains("not-found"));
  const auto page = ask({"docs"});
  EXPECT_TRUE(page.body->contains("/customer/{id}"));
  EXPECT_TRUE(head_of(page, "Content-Security-Policy").starts_with("default-src 'none'"));
}

class LakeTest : public ServiceTest {
 protected:
  std::string write(const std::string& name, const std::string& select) {
    const auto path = folder_.write(name, "");
    database_.query("COPY (" + select + ") TO '" + path + "' (FORMAT parquet)");
    return path;
  }
};

TEST_F(LakeTest, FilesAreChosenByTheValuesInTheirPaths) {
  const Schema schema{{{"id", "BIGINT", Physical::i64}, {"date", "DATE", Physical::i32}}};
  std::vector<FileScan::File> files;
  for (const char* day : {"2024-01-01", "2024-01-02", "2024-01-03"}) {
    files.push_back({write(std::string("lake/date=") + day + "/f.parquet", "SELECT 7::BIGINT id")});
  }
  files.push_back({"/nowhere/date=2023-12-31/gone.parquet"});  // would be an error if it were read
  Lake lake("lake", schema, std::nullopt, [&](std::int64_t) {
    return ReadableFiles{files, "read_parquet", "union_by_name = true"};
  });
  tables_.commit({.batch = 0});
  const auto snapshot = tables_.snapshot();
  EXPECT_FALSE(lake.stamp(snapshot));
  lake.look(snapshot);
  EXPECT_TRUE(lake.stamp(snapshot));
  const sql::ReadQuery query(database_, "SELECT * FROM lake WHERE date >= $from AND date <= $to",
                             {lake.relation()}, {{"from", "DATE"}, {"to", "DATE"}});
  const std::vector<std::string> names{"from", "to"};
  const auto rows = [&](std::int32_t from, std::int32_t to) {
    const std::vector<sql::ReadValue> values{sql::DateValue{from}, sql::DateValue{to}};
    sql::ReadMoment moment{.snapshot = snapshot};
    lake.bring({query, names, values}, moment);
    return sql::QueryRunner(database_).run(query, values, moment, 100).rows();
  };
  EXPECT_EQ(rows(19723, 19724), 2);  // 2024-01-01 and the day after
  EXPECT_EQ(rows(19725, 30000), 1);
  EXPECT_EQ(rows(20000, 30000), 0);
}

}  // namespace
}  // namespace millrace::serve
