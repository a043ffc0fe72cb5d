#include "spec/pipeline.h"

#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "spec/test_support.h"

namespace millrace {
namespace {

using testing::load;
using testing::Loaded;
using namespace std::chrono_literals;

// The middle of a pipeline that is right; what stands before or after it may be wrong.
constexpr std::string_view kRest =
    "sources:\n"
    "  ticks: { from: rate }\n"
    "sinks:\n"
    "  show: { from: ticks, to: console }\n";

/// The messages of a pipeline "p" with these lines, and then kRest.
std::string with_settings(const std::string& lines) {
  return load("pipeline: p\n" + lines + std::string(kRest)).messages;
}

std::string with_source(const std::string& source) {
  return load("pipeline: p\nsources:\n  ticks: " + source +
              "\nsinks:\n  show: { from: ticks, to: console }\n")
      .messages;
}

std::string with_dataset(const std::string& dataset) {
  return load("pipeline: p\nsources: { ticks: { from: rate } }\ndatasets:\n  d: " + dataset +
              "\nsinks: { show: { from: d, to: console } }\n")
      .messages;
}

std::string with_sink(const std::string& sink) {
  return load("pipeline: p\nsources:\n  ticks: { from: rate }\nsinks:\n  show: " + sink + "\n")
      .messages;
}

std::string with_quarantine(const std::string& quarantine) {
  return load("pipeline: p\n" + std::string(kRest) + "quarantine: " + quarantine + "\n").messages;
}

TEST(Pipeline, QuarantineIsASinkWithoutFrom) {
  const auto loaded =
      load("pipeline: p\n" + std::string(kRest) + "quarantine: { to: console, limit: 7 }\n");
  EXPECT_EQ(loaded.messages, "");
  ASSERT_EQ(loaded.spec->sinks.size(), 2U);
  EXPECT_FALSE(loaded.spec->sinks[0].quarantine);
  const auto& sink = loaded.spec->sinks[1];
  EXPECT_TRUE(sink.quarantine);
  EXPECT_EQ(sink.name, "quarantine");
  EXPECT_EQ(sink.from, "");
  EXPECT_EQ(sink.connector, "console");
  EXPECT_EQ(sink.at.line, 6);
  EXPECT_EQ(sink.options.find("limit")->text, "7");
}

TEST(Pipeline, MistakesInQuarantine) {
  EXPECT_EQ(with_quarantine("console"),
            "p.yaml:6:13: error: `quarantine` must be a mapping of options; for example "
            "`quarantine: { to: lake, format: json }`\n");
  EXPECT_EQ(with_quarantine(""),
            "p.yaml:6:1: error: `quarantine` must be a mapping of options; for example "
            "`quarantine: { to: lake, format: json }`\n");
  EXPECT_EQ(with_quarantine("{ limit: 7 }"),
            "p.yaml:6:13: error: `quarantine` needs the option `to`; for example `to: console`\n");
  EXPECT_EQ(
      with_quarantine("{ to: consol }"),
      "p.yaml:6:19: error: `to` of `quarantine` names `consol`, which is neither a connection "
      "nor a kind of system; did you mean `console`?\n");
  EXPECT_EQ(with_quarantine("{ to: rate }"),
            "p.yaml:6:19: error: rate cannot be written to; these can: console\n");
  EXPECT_EQ(with_quarantine("{ to: console, limit: none }"),
            "p.yaml:6:35: error: `limit` of sink console must be a whole number, not `none`\n");
  EXPECT_EQ(with_quarantine("{ to: console, limits: 7 }"),
            "p.yaml:6:28: error: sink console has no option `limits`; did you mean `limit`?\n");
  for (const char* option :
       {"from: ticks", "late: ticks", "mode: append", "key: [a]", "delete: a"}) {
    const std::string text = option;
    EXPECT_EQ(with_quarantine("{ to: console, " + text + " }"),
              "p.yaml:6:28: error: `quarantine` has no `" + text.substr(0, text.find(':')) +
                  "`; it appends all that is put aside; remove it\n");
  }
  EXPECT_EQ(load("pipeline: p\nquarantine: { to: console }\nsources: { ticks: { from: rate } }\n"
                 "sinks:\n  Quarantine: { from: ticks, to: console }\n")
                .messages,
            "p.yaml:2:1: error: `quarantine` is a sink of this name, and line 5 has another one; "
            "give that one another name\n");
}

TEST(Pipeline, ASinkGetsRowsOrLateRows) {
  EXPECT_EQ(
      with_sink("{ to: console }"),
      "p.yaml:5:9: error: sink `show` needs the option `from`; for example `from: orders`, or "
      "`late: hourly` for rows that came too late for a dataset\n");
  EXPECT_EQ(
      with_sink("{ from: ticks, late: ticks, to: console }"),
      "p.yaml:5:30: error: sink `show` has both `from` and `late`; a sink gets the rows of a "
      "dataset, or those that came too late for it: give the late rows a sink of their own\n");
  EXPECT_EQ(with_sink("{ late: ticks, to: console }"),
            "p.yaml:5:17: error: sink `show` asks for the late rows of `ticks`, which is a source; "
            "rows come too late for a dataset; name the dataset that groups them by a window\n");
  EXPECT_EQ(
      load("pipeline: p\nsources: { ticks: { from: rate } }\ndatasets: { d: SELECT * FROM ticks "
           "}\nsinks: { show: { late: d, mode: append, to: console } }\n")
          .messages,
      "");
}

TEST(Pipeline, EverythingItCanHold) {
  ::setenv("MILLRACE_TEST_PASSWORD", "secret", 1);
  const TempFolder folder;
  folder.write("sql/big.sql", "-- the big ones\nSELECT * FROM clicks WHERE value > 10;\n");
  const Loaded loaded =
      load(folder,
           "pipeline: customer-360\n"
           "trigger: 1m30s\n"
           "threads: 2\n"
           "memory_limit: 2GB\n"
           "checkpoint: { path: state, sync: false, snapshot_log_size: 1MiB }\n"
           "connections:\n"
           "  bus: { type: topics, brokers: a:1, "
           "password: ${env:MILLRACE_TEST_PASSWORD} }\n"
           "sources:\n"
           "  clicks: { from: bus, topic: clicks, poll_timeout: 10ms }\n"
           "  names: { from: { type: topics, brokers: b }, topic: n, as: table }\n"
           "datasets:\n"
           "  big: sql/big.sql\n"
           "  joined: { sql: SELECT * FROM Big JOIN names USING (id) }\n"
           "sinks:\n"
           "  show: { from: joined, to: console, mode: update, key: id, limit: 5 }\n"
           "  raw: { from: clicks, to: { type: console } }\n");
  ASSERT_EQ(loaded.messages, "");
  const PipelineSpec& spec = *loaded.spec;
  EXPECT_EQ(spec.name, "customer-360");
  EXPECT_EQ(spec.base_dir, folder.path());
  EXPECT_EQ(spec.trigger.kind, TriggerSpec::Kind::interval);
  EXPECT_EQ(spec.trigger.interval, 90s);
  EXPECT_EQ(spec.threads, 2);
  EXPECT_EQ(spec.memory_limit_bytes, 2'000'000'000);
  EXPECT_EQ(spec.checkpoint.path, folder.path() + "/state");
  EXPECT_FALSE(spec.checkpoint.sync);
  EXPECT_EQ(spec.checkpoint.snapshot_interval, 30s);
  EXPECT_EQ(spec.checkpoint.snapshot_log_bytes, 1 << 20);

  ASSERT_EQ(spec.sources.size(), 2U);
  EXPECT_EQ(spec.sources[0].connector, "topics");
  EXPECT_EQ(spec.sources[0].connection.find("type"), nullptr);
  EXPECT_EQ(spec.sources[0].connection.find("brokers")->text, "a:1");
  EXPECT_EQ(spec.sources[0].options.find("from"), nullptr);
  EXPECT_EQ(spec.sources[0].options.find("topic")->text, "clicks");
  EXPECT_FALSE(spec.sources[0].table);
  EXPECT_TRUE(spec.sources[1].table);
  EXPECT_EQ(spec.sources[1].options.entries.size(), 1U);

  ASSERT_EQ(spec.datasets.size(), 2U);
  EXPECT_EQ(spec.datasets[0].sql.text, "-- the big ones\nSELECT * FROM clicks WHERE value > 10");
  EXPECT_EQ(spec.datasets[0].sql.locate(23).text(), folder.path() + "/sql/big.sql:2:8");
  EXPECT_EQ(spec.datasets[1].sql.locate(0).line, 13);

  ASSERT_EQ(spec.sinks.size(), 2U);
  EXPECT_EQ(spec.sinks[0].mode, OutputMode::update);
  EXPECT_EQ(spec.sinks[0].key, std::vector<std::string>{"id"});
  EXPECT_EQ(spec.sinks[0].mode_at.column, 44);
  EXPECT_EQ(spec.sinks[0].options.entries.size(), 1U);
  EXPECT_EQ(spec.sinks[1].mode, std::nullopt);
  EXPECT_EQ(spec.sinks[1].from_at.line, 16);
}

TEST(Pipeline, TheSmallest) {
  const TempFolder folder;
  const Loaded loaded = load(folder, "pipeline: p\n" + std::string(kRest));
  ASSERT_EQ(loaded.messages, "");
  EXPECT_EQ(loaded.spec->trigger.kind, TriggerSpec::Kind::as_fast_as_possible);
  EXPECT_EQ(loaded.spec->checkpoint.path, folder.path() + "/.millrace/p");
  EXPECT_TRUE(loaded.spec->checkpoint.sync);
  EXPECT_EQ(loaded.spec->threads, 0);
  EXPECT_TRUE(loaded.spec->sources[0].connection.is_mapping());
}

TEST(Pipeline, TriggersThatAreWords) {
  const auto kind = [](const std::string& word) {
    return load("pipeline: p\ntrigger: " + word + "\n" + std::string(kRest)).spec->trigger.kind;
  };
  EXPECT_EQ(kind("once"), TriggerSpec::Kind::once);
  EXPECT_EQ(kind("available_now"), TriggerSpec::Kind::available_now);
  EXPECT_EQ(kind("as_fast_as_possible"), TriggerSpec::Kind::as_fast_as_possible);
}

// The example of the house style: every mistake at once, in the order of their places, those of
// the connectors among them.
TEST(Pipeline, EveryMistakeIsReportedAtOnce) {
  const Loaded loaded = load(
      "pipelin: orders\n"
      "connections:\n"
      "  bus: { type: topics, brokers: a, password: hunter2 }\n"
      "sources:\n"
      "  orders:\n"
      "    from: bus\n"
      "    topics: orders\n"
      "    poll_timeout: 10\n"
      "datasets:\n"
      "  clean: SELECT * FROM orders\n"
      "sinks:\n"
      "  show: { from: claen, to: consol }\n");
  EXPECT_FALSE(loaded.spec.has_value());
  EXPECT_EQ(loaded.messages,
            "p.yaml:1:1: error: the pipeline has no option `pipelin`; did you mean `pipeline`?\n"
            "p.yaml:1:1: error: the pipeline needs the option `pipeline`; for example `pipeline: "
            "orders`\n"
            "p.yaml:3:46: error: `password` of connection topics must not be written into the "
            "file; put it into an environment variable and write `password: ${env:NAME}`, or into "
            "a file of its own and write `password: ${file:PATH}`\n"
            "p.yaml:6:5: error: source topics needs the option `topic`; for example `topic: "
            "orders`\n"
            "p.yaml:7:5: error: source topics has no option `topics`; did you mean `topic`?\n"
            "p.yaml:8:19: error: `poll_timeout` of source topics must be a duration such as "
            "`250ms`, `10s` or `1h30m`, not `10`; say the unit, for example `10s`\n"
            "p.yaml:12:17: error: sink `show` reads `claen`, which is neither a dataset nor a "
            "source; did you mean `clean`?\n"
            "p.yaml:12:28: error: `to` of sink `show` names `consol`, which is neither a "
            "connection nor a kind of system; did you mean `console`?\n");
}

TEST(Pipeline, FilesThatAreNone) {
  const ConnectorList none;
  Diagnostics diagnostics;
  EXPECT_FALSE(load_pipeline("/nowhere/p.yaml", none, diagnostics));
  EXPECT_FALSE(load_pipeline("/tmp", none, diagnostics));
  EXPECT_EQ(diagnostics.text(),
            "/nowhere/p.yaml: error: cannot read the pipeline file: No such file or directory\n"
            "/tmp: error: cannot read the pipeline file: Is a directory\n");
  EXPECT_EQ(load("# nothing\n").messages,
            "p.yaml:1:1: error: the pipeline file is empty; it needs `pipeline`, `sources` and "
            "`sinks`\n");
  EXPECT_EQ(load("hello").messages,
            "p.yaml:1:1: error: the pipeline must be a mapping of options, not `hello`\n");
  EXPECT_EQ(load("- a").messages,
            "p.yaml:1:1: error: the pipeline must be a mapping of options, not a list\n");
}

TEST(Pipeline, NamesOfPipelines) {
  EXPECT_EQ(load("pipeline: My Pipeline!\n" + std::string(kRest)).messages,
            "p.yaml:1:11: error: `My Pipeline!` cannot be the name of a pipeline: lower-case "
            "letters, digits, `-` and `_`, at most 100; for example `my-pipeline`\n");
  EXPECT_EQ(load("pipeline: ../up\n" + std::string(kRest)).messages,
            "p.yaml:1:11: error: `../up` cannot be the name of a pipeline: lower-case letters, "
            "digits, `-` and `_`, at most 100; for example `up`\n");
  EXPECT_EQ(load("pipeline:\n" + std::string(kRest)).messages,
            "p.yaml:1:1: error: `pipeline` of the pipeline has no value; it must be a text\n");
  EXPECT_EQ(load("pipeline: ''\n" + std::string(kRest)).messages,
            "p.yaml:1:11: error: `pipeline` of the pipeline must not be empty\n");
}

TEST(Pipeline, MistakesInSettings) {
  constexpr std::string_view kTrigger =
      "p.yaml:2:10: error: `trigger` of the pipeline must be a duration such as `60s`, or `once`, "
      "`available_now` or `as_fast_as_possible`";
  EXPECT_EQ(with_settings("trigger: 60\n"),
            std::string(kTrigger) + ", not `60`; say the unit, for example `60s`\n");
  EXPECT_EQ(with_settings("trigger: available\n"),
            std::string(kTrigger) + ", not `available`; did you mean `available_now`?\n");
  EXPECT_EQ(with_settings("trigger: 0s\n"), std::string(kTrigger) + ", not `0s`\n");
  EXPECT_EQ(with_settings("trigger: [once]\n"), std::string(kTrigger) + "\n");
  EXPECT_EQ(with_settings("trigger:\n"),
            "p.yaml:2:1: error: `trigger` of the pipeline has no value; give it a duration such as "
            "`60s`, or remove it\n");
  EXPECT_EQ(with_settings("threads: 0\n"),
            "p.yaml:2:10: error: `threads` of the pipeline must be at least 1, not `0`\n");
  EXPECT_EQ(with_settings("threads: two\n"),
            "p.yaml:2:10: error: `threads` of the pipeline must be a whole number, not `two`\n");
  EXPECT_EQ(with_settings("memory_limit: 2G\n"),
            "p.yaml:2:15: error: `memory_limit` of the pipeline must be a size such as `64MB`, "
            "`1GiB` or `4096`, not `2G`\n");
  EXPECT_EQ(with_settings("memory_limit: 1MB\n"),
            "p.yaml:2:15: error: `memory_limit` of the pipeline must be at least 16MB, not "
            "`1MB`\n");
  EXPECT_EQ(with_settings("checkpoint: here\n"),
            "p.yaml:2:13: error: `checkpoint` must be a mapping of options, not a single value; "
            "write `checkpoint: { path: here }`\n");
  EXPECT_EQ(with_settings("checkpoint: { pth: here, sync: no }\n"),
            "p.yaml:2:15: error: checkpoint has no option `pth`; did you mean `path`?\n"
            "p.yaml:2:32: error: `sync` of checkpoint must be `true` or `false`, not `no`; write "
            "`false`\n");
  EXPECT_EQ(with_settings("checkpoint: { path: s3://bucket/x }\n"),
            "p.yaml:2:21: error: `path` of checkpoint must be a folder of this machine, not "
            "`s3://bucket/x`; rows go to remote systems, progress is kept locally\n");
  EXPECT_EQ(with_settings("trigger: 5s\ntrigger: 6s\n"),
            "p.yaml:3:1: error: `trigger` is given twice; it stands on line 2 already\n");
}

TEST(Pipeline, MistakesInConnections) {
  EXPECT_EQ(with_settings("connections: { bus: { brokers: a } }\n"),
            "p.yaml:2:21: error: connection `bus` needs the option `type`; for example `type: "
            "files`\n");
  EXPECT_EQ(with_settings("connections: { bus: { type: topic, brokers: a } }\n"),
            "p.yaml:2:29: error: connection `bus` has an unknown type `topic`; did you mean "
            "`topics`?\n");
  EXPECT_EQ(with_settings("connections: { bus: topics }\n"),
            "p.yaml:2:21: error: connection `bus` must be a mapping; write `bus: { type: topics "
            "}`\n");
  EXPECT_EQ(with_settings("connections: { bus: }\n"),
            "p.yaml:2:16: error: connection `bus` needs the option `type`; for example `type: "
            "files`\n");
  EXPECT_EQ(with_settings("connections: { bus: [a] }\n"),
            "p.yaml:2:16: error: connection `bus` must be a mapping of options, not a list\n");
  EXPECT_EQ(with_settings("connections: [a]\n"),
            "p.yaml:2:14: error: `connections` must be a mapping of names; write `name: ...` "
            "instead of `- ...`\n");
  EXPECT_EQ(with_settings("connections: { bus: { type: topics, broker: a } }\n"),
            "p.yaml:2:37: error: connection topics has no option `broker`; did you mean "
            "`brokers`?\n");
  EXPECT_EQ(with_settings("connections: { out: { type: console, color: red } }\n"),
            "p.yaml:2:38: error: connection console has no option `color`; it takes no options of "
            "its own\n");
  EXPECT_EQ(with_settings("connections: { bus: { type: topics, brokers: a } }\n"),
            "p.yaml:2:16: warning: connection `bus` is never used\n");
}

TEST(Pipeline, MistakesInSources) {
  EXPECT_EQ(with_source("rate"),
            "p.yaml:3:10: error: source `ticks` must be a mapping of options; for example `ticks: "
            "{ from: rate }`\n");
  EXPECT_EQ(with_source("{ as: table }"),
            "p.yaml:3:10: error: source `ticks` needs the option `from`; for example `from: "
            "rate`\n");
  EXPECT_EQ(with_source("{ from: rat }"),
            "p.yaml:3:18: error: `from` of source `ticks` names `rat`, which is neither a "
            "connection nor a kind of system; did you mean `rate`?\n");
  EXPECT_EQ(with_source("{ from: [rate] }"),
            "p.yaml:3:18: error: `from` of source `ticks` must be the name of a connection, a "
            "mapping with a `type`, or a kind of system\n");
  EXPECT_EQ(with_source("{ from: { type: rat } }"),
            "p.yaml:3:26: error: `from` of source `ticks` has an unknown type `rat`; did you mean "
            "`rate`?\n");
  EXPECT_EQ(with_source("{ from: console }"),
            "p.yaml:3:18: error: console cannot be read from; these can: topics, rate\n");
  EXPECT_EQ(with_source("{ from: rate, as: tabel }"),
            "p.yaml:3:28: error: `as` of source `ticks` must be `stream`, `table` or `lookup`, not "
            "`tabel`; "
            "did you mean `table`?\n");
  EXPECT_EQ(with_source("{ from: rate, speed: 5 }"),
            "p.yaml:3:24: error: source rate has no option `speed`; it takes no options of its "
            "own\n");
  EXPECT_EQ(with_source("{ from: { type: topics, brokers: a }, topic: t, brokers: b }"),
            "p.yaml:3:58: error: source topics has no option `brokers`; it is an option of the "
            "connection\n");
  EXPECT_EQ(with_source("{ from: { type: topics, brokers: a }, topic: t, strat: earliest }"),
            "p.yaml:3:58: error: source topics has no option `strat`; did you mean `start`?\n");
}

TEST(Pipeline, TablesThatAreLookedUp) {
  const Loaded loaded = load(
      "pipeline: p\nsources:\n  ticks: { from: rate }\n  names: { from: rate, as: lookup, key: [a, "
      "b], cache_ttl: 90s, cache_rows: 7, cache_size: 2MB }\n  plain: { from: rate, as: lookup, "
      "key: "
      "id }\ndatasets:\n  d: SELECT * FROM ticks JOIN names USING (a, b) JOIN plain USING (id)\n"
      "sinks: { show: { from: d, to: console } }\n");
  ASSERT_EQ(loaded.messages, "");
  const auto& sources = loaded.spec->sources;
  EXPECT_FALSE(sources[0].lookup);
  EXPECT_TRUE(sources[1].table);
  EXPECT_EQ(sources[1].lookup->key, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(sources[1].lookup->cache_ttl, 90s);
  EXPECT_EQ(sources[1].lookup->cache_rows, 7);
  EXPECT_EQ(sources[1].lookup->cache_bytes, 2'000'000);
  EXPECT_EQ(sources[2].lookup->key, std::vector<std::string>{"id"});
  EXPECT_EQ(sources[2].lookup->cache_ttl, 10min);
  EXPECT_EQ(sources[2].lookup->cache_rows, 100'000);

  const std::string sink =
      "p.yaml:5:17: error: sink `show` asks for all rows of `ticks`, which is looked up by key; "
      "let "
      "the source be read whole: `as: table`, without `key`\n";
  EXPECT_EQ(with_source("{ from: rate, as: lookup }"),
            "p.yaml:3:10: error: source `ticks` needs the option `key`, to be looked up by; for "
            "example `key: customer_id`\n");
  EXPECT_EQ(with_source("{ from: rate, as: table, key: id, cache_rows: 3 }"),
            "p.yaml:3:40: error: source `ticks` has `key`, which is for lookups; remove it, or "
            "write `as: lookup`\n"
            "p.yaml:3:56: error: source `ticks` has `cache_rows`, which is for lookups; remove it, "
            "or write `as: lookup`\n");
  EXPECT_EQ(with_source("{ from: rate, as: lookup, key: [a, A] }"),
            "p.yaml:3:41: error: `key` of source `ticks` holds `A` twice\n" + sink);
  EXPECT_EQ(with_source("{ from: rate, as: lookup, key: a, refresh: 5s }"),
            "p.yaml:3:53: error: source `ticks` is a lookup; `refresh` is for tables; `cache_ttl` "
            "says how old what was found may be\n" +
                sink);
  EXPECT_EQ(with_source("{ from: rate, as: lookup, key: a }"), sink);
}

TEST(Pipeline, MistakesInDatasets) {
  EXPECT_EQ(with_dataset("[a]"),
            "p.yaml:4:6: error: dataset `d` must be SQL, or the path of a .sql file; for example "
            "`d: SELECT * FROM orders`\n");
  EXPECT_EQ(with_dataset("{ query: SELECT 1 }"),
            "p.yaml:4:6: error: dataset `d` needs the option `sql`; for example `sql: SELECT * "
            "FROM orders`\n"
            "p.yaml:4:8: error: dataset `d` has no option `query`; known are sql, watermark, "
            "state_ttl\n");
  EXPECT_EQ(with_dataset("-- FROM ticks"),
            "p.yaml:4:6: error: the SQL of dataset `d` is empty; write a SELECT\n");
  EXPECT_EQ(with_dataset("''"),
            "p.yaml:4:7: error: the SQL of dataset `d` is empty; write a SELECT\n");
  EXPECT_EQ(with_dataset("|\n    SELECT * FROM ticks;\n    SELECT 2"),
            "p.yaml:6:5: error: the SQL of dataset `d` holds several statements; give each SELECT "
            "a dataset of its own\n");
  EXPECT_TRUE(with_dataset("no/such.sql")
                  .ends_with("no/such.sql`, the SQL of dataset `d`: No such file or directory; "
                             "paths are relative to the "
                             "pipeline file\n"));
}

TEST(Pipeline, MistakesInSqlFiles) {
  const TempFolder folder;
  folder.write("empty.sql", " \n-- nothing\n");
  folder.write("two.sql", "SELECT * FROM ticks;\n  SELECT 2;\n");
  folder.write("latin1.sql", "SELECT\n  'gr\xFC\xDF' FROM ticks\n");
  const Loaded loaded = load(folder,
                             "pipeline: p\n"
                             "sources: { ticks: { from: rate } }\n"
                             "datasets:\n"
                             "  a: empty.sql\n"
                             "  b: two.sql\n"
                             "  c: latin1.sql\n"
                             "sinks: { show: { from: c, to: console } }\n");
  EXPECT_EQ(loaded.messages,
            "empty.sql:1:1: error: the SQL of dataset `a` is empty; write a SELECT\n"
            "two.sql:2:3: error: the SQL of dataset `b` holds several statements; give each SELECT "
            "a dataset of its own\n"
            "latin1.sql:2:6: error: the file is not in UTF-8; save it in that encoding\n");
}

TEST(Pipeline, MistakesInSinks) {
  EXPECT_EQ(load("pipeline: p\nsources: { ticks: { from: rate } }\n").messages,
            "p.yaml:1:1: error: the pipeline needs the option `sinks`; for example `sinks: { show: "
            "{ from: orders, to: console } }`\n");
  EXPECT_EQ(load("pipeline: p\nsources: { ticks: { from: rate } }\nsinks:\n").messages,
            "p.yaml:3:1: error: the pipeline has no sink, so it would do nothing; add one, for "
            "example `show: { from: orders, to: console }`\n");
  EXPECT_EQ(with_sink("console"),
            "p.yaml:5:9: error: sink `show` must be a mapping of options; for example `show: { "
            "from: orders, to: console }`\n");
  EXPECT_EQ(with_sink("{ from: ticks }"),
            "p.yaml:5:9: error: sink `show` needs the option `to`; for example `to: console`\n");
  EXPECT_EQ(with_sink("{ from: ticks, to: rate }"),
            "p.yaml:5:28: error: rate cannot be written to; these can: console\n");
  EXPECT_EQ(with_sink("{ from: tick, to: console }"),
            "p.yaml:5:17: error: sink `show` reads `tick`, which is neither a dataset nor a "
            "source; did you mean `ticks`?\n");
  EXPECT_EQ(with_sink("{ from: ticks, to: console, mode: upsert }"),
            "p.yaml:5:43: error: `mode` of sink `show` must be `append`, `update` or `complete`, "
            "not `upsert`\n");
  EXPECT_EQ(with_sink("{ from: ticks, to: console, modes: update }"),
            "p.yaml:5:37: error: sink console has no option `modes`; did you mean `mode`?\n");
  EXPECT_EQ(with_sink("{ from: ticks, to: console, key: [a, b, A] }"),
            "p.yaml:5:42: error: `key` of sink `show` holds `A` twice\n");
  EXPECT_EQ(with_sink("{ from: ticks, to: console, limit: 5000 }"),
            "p.yaml:5:44: error: `limit` of sink console must be at most 1000, not `5000`\n");
}

TEST(Pipeline, NamesThatClash) {
  EXPECT_EQ(load("pipeline: p\n"
                 "sources:\n"
                 "  ticks: { from: rate }\n"
                 "  2nd: { from: rate }\n"
                 "datasets:\n"
                 "  Ticks: SELECT 1\n"
                 "  per-minute: SELECT 2\n"
                 "sinks:\n"
                 "  show: { from: ticks, to: console }\n"
                 "  SHOW: { from: ticks, to: console }\n"
                 "  on console: { from: ticks, to: console }\n")
                .messages,
            "p.yaml:4:3: error: `2nd` cannot be the name of a source: letters, digits and `_`, not "
            "beginning with a digit\n"
            "p.yaml:6:3: error: dataset `Ticks` has the same name as the source `ticks` on line 3; "
            "sources and datasets share their names, without regard to case\n"
            "p.yaml:7:3: error: `per-minute` cannot be the name of a dataset: letters, digits and "
            "`_`, not beginning with a digit\n"
            "p.yaml:10:3: error: sink `SHOW` has the same name as the one on line 9; names are "
            "compared without regard to case\n"
            "p.yaml:11:3: error: `on console` cannot be the name of a sink: letters, digits and "
            "`_`, not beginning with a digit\n");
}

TEST(Pipeline, Warnings) {
  const Loaded loaded = load(
      "pipeline: p\n"
      "connections: { bus: { type: topics, brokers: a } }\n"
      "sources:\n"
      "  ticks: { from: rate }\n"
      "  order: { from: rate }\n"
      "datasets:\n"
      "  used: SELECT * FROM \"TICKS\"\n"
      "  lost: SELECT * FROM \"order\" -- ticks\n"
      "sinks: { show: { from: used, to: console } }\n");
  EXPECT_TRUE(loaded.spec.has_value());
  EXPECT_EQ(loaded.messages,
            "p.yaml:2:16: warning: connection `bus` is never used\n"
            "p.yaml:5:3: warning: `order` is a reserved word of SQL; queries have to write "
            "\"order\" in double quotes\n"
            "p.yaml:5:3: warning: source `order` is never used; no sink or endpoint reads "
            "it, directly or through datasets\n"
            "p.yaml:8:3: warning: dataset `lost` is never used; no sink or endpoint reads "
            "it, directly or through datasets\n");
}

}  // namespace
}  // namespace millrace
