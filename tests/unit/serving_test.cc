// Tables that a pipeline keeps readable: from the first batch on, over restarts, and from outside.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "base/strings.h"
#include "connectors/all.h"
#include "engine/live_sink.h"
#include "engine/pipeline.h"
#include "runtime/runner.h"
#include "sql/read_query.h"
#include "sql/render.h"
#include "support/rows.h"

namespace millrace {
namespace {

using Rows = std::vector<std::string>;

constexpr std::string_view kPipeline = R"(pipeline: shop
connections:
  db: { type: store, path: shop.db }
sources:
  input:
    from: { type: files, path: in }
    format: csv
    schema: id BIGINT, kind VARCHAR, amount BIGINT
    max_files_per_trigger: 1
  names:
    from: { type: files, path: names }
    as: table
    format: csv
    schema: kind VARCHAR, title VARCHAR
datasets:
  totals: SELECT kind, count(*) AS n, sum(amount) AS amount FROM input GROUP BY kind
  low: SELECT kind, sum(amount) AS amount FROM input GROUP BY kind HAVING sum(amount) < 100
  everything: SELECT count(*) AS n FROM input
  titled: SELECT title, n FROM totals JOIN names USING (kind)
  forgotten:
    sql: SELECT id, count(*) AS n FROM input GROUP BY id
    state_ttl: 1h
  large: SELECT * FROM input WHERE amount > 10
sinks:
  kept: { from: totals, to: db, table: totals, mode: complete }
  large: { from: large, to: blackhole }
)";
const std::vector<std::string> kServed{"totals", "low",       "everything",
                                       "Titled", "forgotten", "names"};

class ServingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/millrace_serving_XXXXXX";
    home_ = ::mkdtemp(pattern.data());
    make_folders(home_ + "/in", false);
    make_folders(home_ + "/names", false);
    write("names/a.csv", "kind,title\na,Apples\nb,Berries\n");
    use(std::string(kPipeline));
  }
  void TearDown() override {
    database_.reset();
    remove_tree(home_);
  }

  void write(const std::string& name, const std::string& text) const {
    write_file_atomically(home_ + "/" + name, text, false);
  }
  void use(const std::string& yaml) {
    write("pipeline.yaml", yaml);
    Diagnostics diagnostics;
    auto spec = load_pipeline(home_ + "/pipeline.yaml", connectors_, diagnostics);
    ASSERT_TRUE(spec) << diagnostics.text();
    spec_ = *std::move(spec);
    spec_.threads = 2;
    spec_.trigger.kind = TriggerSpec::Kind::available_now;
  }
  [[nodiscard]] Serving serving() {
    Serving serving{.live = live_.get(), .tables = {}};
    for (const auto& name : kServed) {
      serving.tables.push_back({name, {"pipeline.yaml", 1, 1}});
    }
    return serving;
  }
  /// Lets all batches run, and keeps what they tell.
  class Guide final : public RunGuide {
   public:
    Guide(std::vector<BatchProgress>& batches, const std::function<void()>& on_open)
        : batches_(batches), on_open_(on_open) {}
    void opened(Pipeline& /*pipeline*/) override { on_open_(); }
    void committed(const BatchProgress& progress) override { batches_.push_back(progress); }
    Next next(Pipeline& /*pipeline*/, const std::function<void()>& /*finish*/) override {
      return Next::when_due;
    }
    [[nodiscard]] std::stop_token wake() override { return {}; }

   private:
    std::vector<BatchProgress>& batches_;
    const std::function<void()>& on_open_;
  };
  /// An attempt: all that is there. Gives the batches.
  std::vector<BatchProgress> attempt(
      const std::vector<std::string>& rebuild = {}, const std::function<void()>& opened = [] {}) {
    if (!database_) {
      database_ = std::make_unique<sql::Database>(database_options(spec_));
    }
    Diagnostics diagnostics;
    std::vector<BatchProgress> batches;
    Pipeline pipeline(spec_, connectors_, *database_, clock_, diagnostics, {}, serving());
    EXPECT_TRUE(pipeline.valid()) << diagnostics.text();
    Guide guide(batches, opened);
    (void)run_pipeline(pipeline, spec_.trigger, {}, guide, rebuild);
    return batches;
  }
  [[nodiscard]] Rows rows(const std::string& table) const { return rows_of(*live_, table); }
  static Rows rows_of(const sql::LiveTables& live, const std::string& name) {
    Rows out;
    const auto table = live.find(name);
    if (table == nullptr) {
      return {"no table"};
    }
    live.snapshot().for_each(*table, [&](const Chunk& chunk) {
      for (const auto& row : sql::render(chunk)) {
        std::string text;
        for (const auto& value : row) {
          text += (text.empty() ? "" : "|") + value.value_or("NULL");
        }
        out.push_back(text);
      }
    });
    std::ranges::sort(out);
    return out;
  }

  std::string home_;
  ConnectorList connectors_ = all_connectors();
  SystemClock clock_;
  PipelineSpec spec_;
  std::unique_ptr<sql::LiveTables> live_ = std::make_unique<sql::LiveTables>();
  std::unique_ptr<sql::Database> database_;
};

TEST_F(ServingTest, TablesAreAsOfTheCommittedBatch) {
  write("in/1.csv", "id,kind,amount\n1,a,60\n2,b,20\n");
  write("in/2.csv", "id,kind,amount\n3,a,50\n4,c,5\n");
  std::vector<std::int64_t> seen;
  const auto handle = live_->on_commit([&](const sql::LiveVersion& version) {
    seen.push_back(version.batch);
    if (version.batch == 0) {
      EXPECT_EQ(rows("totals"), (Rows{"a|1|60", "b|1|20"}));
      EXPECT_EQ(rows("low"), (Rows{"a|60", "b|20"}));
    }
  });
  const auto batches = attempt();
  EXPECT_EQ(seen, (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(rows("totals"), (Rows{"a|2|110", "b|1|20", "c|1|5"}));
  EXPECT_EQ(rows("low"), (Rows{"b|20", "c|5"}));  // a has left
  EXPECT_EQ(rows("everything"), Rows{"4"});
  EXPECT_EQ(rows("titled"), (Rows{"Apples|2", "Berries|1"}));
  EXPECT_EQ(rows("forgotten").size(), 4U);
  EXPECT_EQ(rows("names"), (Rows{"a|Apples", "b|Berries"}));
  EXPECT_EQ(live_->find("totals")->key(), std::vector<std::size_t>{0});
  EXPECT_EQ(live_->find("low")->key(), std::vector<std::size_t>{0});
  EXPECT_EQ(live_->find("titled")->key(), std::vector<std::size_t>{});
  const auto version = live_->snapshot().version();
  ASSERT_EQ(batches.size(), 2U);
  EXPECT_EQ(version.time_us, batches[1].start_us);
  // They are no sinks of the user's.
  ASSERT_EQ(batches[1].sinks.size(), 2U);
  EXPECT_EQ(batches[1].output_rows, batches[1].sinks[0].written + batches[1].sinks[1].written);
}

TEST_F(ServingTest, AfterARestartTablesAreThereBeforeTheFirstBatch) {
  write("in/1.csv", "id,kind,amount\n1,a,60\n2,b,20\n");
  attempt();
  const auto before = live_->snapshot();
  // A new attempt of the same process, then a new process.
  for (const bool same_process : {true, false}) {
    if (!same_process) {
      live_ = std::make_unique<sql::LiveTables>();
      database_.reset();
    }
    bool opened = false;
    const auto batches = attempt({}, [&] {
      opened = true;
      EXPECT_EQ(live_->snapshot().version().batch, 0);
      EXPECT_EQ(live_->snapshot().version().time_us, before.version().time_us);
      EXPECT_EQ(rows("totals"), (Rows{"a|1|60", "b|1|20"}));
      EXPECT_EQ(rows("low"), (Rows{"a|60", "b|20"}));
      EXPECT_EQ(rows("everything"), Rows{"2"});
      EXPECT_EQ(rows("titled"), (Rows{"Apples|1", "Berries|1"}));
      EXPECT_EQ(rows("forgotten").size(), 2U);
    });
    EXPECT_TRUE(opened);
    EXPECT_TRUE(batches.empty());
  }
  write("in/2.csv", "id,kind,amount\n3,a,50\n");
  attempt();
  EXPECT_EQ(rows("totals"), (Rows{"a|2|110", "b|1|20"}));
  EXPECT_EQ(rows("low"), Rows{"b|20"});
  EXPECT_EQ(live_->snapshot().version().batch, 1);
}

TEST_F(ServingTest, ARebuildIsSeenAtOnce) {
  write("in/1.csv", "id,kind,amount\n1,a,60\n2,b,20\n");
  attempt();
  std::string changed(kPipeline);
  const std::string from = "count(*) AS n, sum(amount) AS amount FROM input GROUP BY kind\n  low";
  changed.replace(changed.find(from), from.size(),
                  "count(*) AS n, sum(amount * 2) AS amount FROM input GROUP BY kind\n  low");
  use(changed);
  bool opened = false;
  attempt({"totals"}, [&] {
    if (rows("totals") == Rows{"a|1|120", "b|1|40"}) {
      opened = true;
    }
  });
  EXPECT_EQ(rows("totals"), (Rows{"a|1|120", "b|1|40"}));
  EXPECT_TRUE(opened);
}

TEST_F(ServingTest, QueriesRunOnThePipelinesDatabaseOverAttempts) {
  write("in/1.csv", "id,kind,amount\n1,a,60\n2,b,20\n");
  attempt();
  Diagnostics diagnostics;
  std::string stored;
  {
    const auto graph = build_graph(spec_, connectors_, *database_, diagnostics);
    ASSERT_TRUE(graph) << diagnostics.text();
    stored = graph->sinks[0].sink->query();
  }
  const sql::ReadQuery query(
      *database_,
      "SELECT t.kind, s.amount FROM totals t JOIN stored s USING (kind) WHERE t.n >= $n",
      {{.name = "totals", .kind = sql::Relation::Kind::live, .live = live_->find("totals")},
       {.name = "stored", .kind = sql::Relation::Kind::fixed, .select = stored}},
      {{"n", "BIGINT"}});
  sql::QueryRunner runner(*database_);
  const std::vector<sql::ReadValue> values{std::int64_t{2}};
  const auto run = [&] {
    const sql::ReadMoment moment{.snapshot = live_->snapshot(), .rows = {}, .selects = {}};
    Rows out;
    auto rows = runner.run(query, values, moment, 100);
    rows.for_each([&](const Chunk& chunk) {
      for (const auto& row : sql::render(chunk)) {
        out.push_back(*row[0] + "|" + *row[1]);
      }
    });
    return out;
  };
  EXPECT_EQ(run(), Rows{});
  write("in/2.csv", "id,kind,amount\n3,a,50\n");
  attempt();
  EXPECT_EQ(run(), Rows{"a|110"});
}

TEST_F(ServingTest, AnotherProcessReadsTheCheckpoint) {
  sql::LiveTables copy;
  sql::Database database({.threads = 2});
  const Serving wanted{.live = &copy, .tables = {{"totals", {}}, {"low", {}}, {"titled", {}}}};
  const auto load = [&] {
    Diagnostics diagnostics;
    const auto batch = load_live_tables(spec_, connectors_, database, clock_, wanted, diagnostics);
    EXPECT_FALSE(diagnostics.has_errors()) << diagnostics.text();
    return batch;
  };
  EXPECT_EQ(load(), std::nullopt);
  write("in/1.csv", "id,kind,amount\n1,a,60\n2,b,20\n");
  attempt();
  EXPECT_EQ(load(), 0);
  EXPECT_EQ(rows_of(copy, "totals"), (Rows{"a|1|60", "b|1|20"}));
  EXPECT_EQ(copy.snapshot().version().time_us, live_->snapshot().version().time_us);
  EXPECT_EQ(load(), 0);
  write("in/2.csv", "id,kind,amount\n3,a,50\n");
  attempt();
  EXPECT_EQ(load(), 1);
  EXPECT_EQ(rows_of(copy, "totals"), (Rows{"a|2|110", "b|1|20"}));
  EXPECT_EQ(rows_of(copy, "low"), Rows{"b|20"});
  EXPECT_EQ(rows_of(copy, "titled"), (Rows{"Apples|2", "Berries|1"}));
}

TEST_F(ServingTest, MistakesAreReportedAtTheirPlaces) {
  sql::Database database(database_options(spec_));
  Diagnostics diagnostics;
  const Serving wanted{.live = live_.get(),
                       .tables = {{"large", {"p.yaml", 3, 5}},
                                  {"total", {"p.yaml", 4, 5}},
                                  {"input", {"p.yaml", 5, 5}},
                                  {"totals", {"p.yaml", 6, 5}}}};
  const Pipeline pipeline(spec_, connectors_, database, clock_, diagnostics, {}, wanted);
  EXPECT_FALSE(pipeline.valid());
  EXPECT_EQ(diagnostics.text(),
            "p.yaml:3:5: error: large can't be served: it is a stream, whose rows are not kept; "
            "aggregate it in a dataset, or serve the sink that writes it\n"
            "p.yaml:4:5: error: total can't be served: there is no dataset of this name; did you "
            "mean `totals`?\n"
            "p.yaml:5:5: error: input can't be served: it is a stream, whose rows are not kept; "
            "aggregate it in a dataset, or serve the sink that writes it\n");
}

// It may be a lake of thousands of files, there for those who serve.
TEST_F(ServingTest, ATableThatNothingWrittenNeedsIsNotLookedAt) {
  auto yaml = std::string(kPipeline);
  constexpr std::string_view kDatasets = "datasets:\n";
  yaml.replace(yaml.find(kDatasets), kDatasets.size(), R"(  prices:
    from: { type: files, path: names }
    as: table
    format: csv
    schema: kind VARCHAR, title VARCHAR
datasets:
  priced: SELECT title, n FROM totals JOIN prices USING (kind)
)");
  use(yaml);
  write("in/1.csv", "id,kind,amount\n1,a,60\n");
  const auto batches = attempt();
  ASSERT_EQ(batches.size(), 1);
  std::vector<std::string> looked_at;
  for (const auto& source : batches[0].sources) {
    if (!source.offsets.is_null()) {
      looked_at.push_back(source.name);
    }
  }
  EXPECT_EQ(looked_at, (std::vector<std::string>{"input", "names"}));
}

// An attempt that fails after its rows were published leaves nothing that could be seen.
TEST_F(ServingTest, AFailedAttemptIsNotSeen) {
  write("in/1.csv", "id,kind,amount\n1,a,60\n");
  attempt();
  write("in/2.csv", "id,kind,amount\n2,a,10\n");
  {
    Diagnostics diagnostics;
    Pipeline pipeline(spec_, connectors_, *database_, clock_, diagnostics, {}, serving());
    ASSERT_TRUE(pipeline.valid());
    ASSERT_TRUE(pipeline.open());
    // As a publish() leaves it that no commit follows.
    const auto table = live_->find("totals");
    table->replace(sql::Batch(table->schema()), 1);
    EXPECT_EQ(rows("totals"), Rows{"a|1|60"});
  }
  attempt();
  EXPECT_EQ(rows("totals"), Rows{"a|2|70"});
}

}  // namespace
}  // namespace millrace
