#include "spec/alerts.h"

#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "spec/test_support.h"

namespace millrace {
namespace {

using testing::load;
using testing::Loaded;

std::string file_with_alerts(const std::string& alerts) {
  return "pipeline: p\nsources: { ticks: { from: rate }, bus: { from: { type: topics, brokers: x "
         "}, "
         "topic: t } }\nchecks: { ticks: [{ name: small, expect: v < 9, otherwise: warn }] }\n"
         "sinks: { show: { from: ticks, to: console }, n: { from: bus, to: console } }\nalerts:\n" +
         alerts;
}

/// The messages of a pipeline with one rule.
std::string with_rule(const std::string& rule) {
  return load(file_with_alerts("  rules:\n    - " + rule + "\n")).messages;
}

/// The messages of a pipeline with one receiver.
std::string with_receiver(const std::string& receiver) {
  return load(file_with_alerts("  receivers:\n    r: " + receiver +
                               "\n  rules: [{ name: a, metric: lag_rows, above: 1, notify: r }]\n"))
      .messages;
}

TEST(Alerts, All) {
  ::setenv("ALERTS_TEST_TOKEN", "s3cret$value", 1);
  const TempFolder folder;
  folder.write("url", "https://hooks.example.com/T/secret\n");
  const Loaded loaded = load(
      folder, file_with_alerts(
                  "  receivers:\n"
                  "    ops: { type: webhook, url: '${file:url}', timeout: 2s,\n"
                  "           headers: { Authorization: 'Bearer ${env:ALERTS_TEST_TOKEN}' },\n"
                  "           body: { text: '$alert: $$5 ${env:ALERTS_TEST_TOKEN}', v: $value,\n"
                  "                   n: 5, q: '5', list: [true, ~, a] } }\n"
                  "    table: { to: console, limit: 3, send_resolved: false }\n"
                  "  notify: [ops]\n"
                  "  repeat: 1h\n"
                  "  labels: { team: a, all: x }\n"
                  "  rules:\n"
                  "    - { name: lag, metric: lag_time, of: Bus, above: 5m, for: 1m,\n"
                  "        keep_firing_for: 30s, severity: critical, labels: { team: b } }\n"
                  "    - { name: bad, metric: malformed_share, above: 5%, over: 10m, "
                  "notify: [log, table] }\n"
                  "    - { name: mem, metric: memory_bytes, above: 2GB }\n"
                  "    - { name: down, metric: state, equal: [failed, stopped] }\n"
                  "    - { name: check, metric: failed_rows, of: ticks.small, above: 0 }\n"
                  "    - { name: q, query: SELECT * FROM ticks, message: '$row_count rows' }\n"));
  ASSERT_EQ(loaded.messages, "");
  const AlertsSpec& alerts = loaded.spec->alerts;
  ASSERT_EQ(alerts.receivers.size(), 3U);
  const WebhookSpec& ops = alerts.receiver("ops")->webhook;
  EXPECT_EQ(ops.shown, "https://hooks.example.com");
  EXPECT_EQ(ops.url.reveal(), "https://hooks.example.com/T/secret");
  ASSERT_EQ(ops.headers.size(), 1U);
  EXPECT_EQ(ops.headers[0].second.reveal(), "Bearer s3cret$value");
  const auto values = [](std::string_view word) {
    return word == "value" ? TemplateValue{12.5, "12.5 rows"} : TemplateValue{"x\"}", "x\"}"};
  };
  EXPECT_EQ(ops.body->fill(values).dump(),
            R"({"text":"x\"}: $5 s3cret$value","v":12.5,"n":5,"q":"5","list":[true,null,"a"]})");
  EXPECT_FALSE(alerts.receiver("table")->send_resolved);
  EXPECT_EQ(alerts.receiver("log")->kind, AlertReceiverSpec::Kind::log);
  ASSERT_EQ(alerts.rules.size(), 6U);
  EXPECT_EQ(alerts.rules[0].threshold, 300);
  EXPECT_EQ(alerts.rules[0].threshold_text(), "5m 00s");
  EXPECT_EQ(alerts.rules[0].notify, std::vector<std::string>{"ops"});
  EXPECT_EQ(alerts.rules[0].labels,
            (std::vector<std::pair<std::string, std::string>>{{"team", "b"}, {"all", "x"}}));
  EXPECT_EQ(alerts.rules[0].repeat, std::chrono::hours(1));
  EXPECT_EQ(alerts.rules[1].threshold, 0.05);
  EXPECT_EQ(alerts.rules[2].threshold, 2e9);
  EXPECT_EQ(alerts.rules[3].words, (std::vector<std::string>{"failed", "stopped"}));
  EXPECT_EQ(alerts.rules[5].test, AlertTest::any_row);
  EXPECT_EQ(alerts.names(), (std::vector<std::string>{"from", "select", "ticks"}));
}

TEST(Alerts, MistakesOfRules) {
  EXPECT_EQ(with_rule("{ name: a, metric: lag_row, above: 1 }"),
            "p.yaml:7:26: error: alert `a` watches `lag_row`, which is no metric; did you mean "
            "`lag_rows`?\n");
  EXPECT_EQ(with_rule("{ name: a, metric: lag_rows, of: tick, above: 1 }"),
            "p.yaml:7:40: error: alert `a` watches lag_rows of `tick`, which is no source; did you "
            "mean `ticks`?\n");
  EXPECT_EQ(
      with_rule("{ name: a, metric: watermark_delay, of: ticks, above: 1m }"),
      "p.yaml:7:47: error: alert `a` watches watermark_delay of `ticks`, which is no source or "
      "dataset with a watermark; there is no source or dataset with a watermark\n");
  EXPECT_EQ(with_rule("{ name: a, metric: freshness, above: 10 }"),
            "p.yaml:7:44: error: the threshold of alert `a` must be a duration such as 10m, not "
            "`10`\n");
  EXPECT_EQ(with_rule("{ name: a, metric: malformed_share, above: 5 }"),
            "p.yaml:7:50: error: the threshold of alert `a` must be a share such as 0.05 or 5%, at "
            "most 100%, not `5`\n");
  EXPECT_EQ(with_rule("{ name: a, metric: lag_rows }"),
            "p.yaml:7:7: error: alert `a` has no threshold; it has one of `above`, `below` and "
            "`equal`\n");
  EXPECT_EQ(with_rule("{ name: a, metric: lag_rows, above: 1, below: 2 }"),
            "p.yaml:7:7: error: alert `a` has several thresholds; it has one of `above`, `below` "
            "and `equal`\n");
  EXPECT_EQ(with_rule("{ name: a, metric: lag_rows, above: 1, over: 5m }"),
            "p.yaml:7:52: error: alert `a` has `over`, and lag_rows is nothing that is counted; "
            "remove it; `for` says how long it has to be so\n");
  EXPECT_EQ(with_rule("{ name: a, metric: state, equal: faild }"),
            "p.yaml:7:40: error: alert `a` waits for `faild`, which is no state; did you mean "
            "`failed`?\n");
  EXPECT_EQ(with_rule("{ name: a, above: 1 }"),
            "p.yaml:7:7: error: alert `a` must have one of `metric`, `finding` and `query`; for "
            "example `metric: lag_rows`\n");
  EXPECT_EQ(with_rule("{ name: a, finding: faling_behind }"),
            "p.yaml:7:27: error: alert `a` watches `faling_behind`, which is no finding; did you "
            "mean `falling_behind`?\n");
  EXPECT_EQ(with_rule("{ name: a, finding: small_files, above: 1 }"),
            "p.yaml:7:47: error: alert `a` has a threshold, and small_files is so or not; remove "
            "it\n");
  EXPECT_EQ(with_rule("{ name: a, finding: falling_behind, of: ticks }"),
            "p.yaml:7:47: error: alert `a` watches falling_behind, which is of the pipeline as a "
            "whole; remove `of`\n");
  EXPECT_EQ(with_rule("{ name: a, finding: check_failing, of: ticks.big }"),
            "p.yaml:7:46: error: alert `a` watches check_failing of `ticks.big`, which is no "
            "check; known is ticks.small\n");
  EXPECT_EQ(with_rule("{ name: a, finding: check_failing, of: ticks.small, for: 1m }"), "");
  EXPECT_EQ(with_rule("{ name: a, metric: lag_rows, above: 1, notify: [opps] }"),
            "p.yaml:7:54: error: `notify` of alert `a` names `opps`, which is no receiver; known "
            "is log\n");
  EXPECT_EQ(with_rule("{ name: a, metric: lag_rows, above: 1, message: 'at $valu, $5' }"),
            "p.yaml:7:55: error: `message` of alert `a` has `$valu`, which stands for nothing; did "
            "you mean `value`?\n"
            "p.yaml:7:55: error: `message` of alert `a` has `$5`, which stands for nothing; write "
            "`$$` for a dollar\n");
}

TEST(Alerts, MistakesOfReceivers) {
  EXPECT_EQ(with_receiver("{ type: webhook, url: 'ftp://x' }"),
            "p.yaml:7:30: error: `url` of receiver `r` is no URL that can be asked; it has to be "
            "like https://hooks.example.com/x, without a user\n");
  EXPECT_EQ(with_receiver("{ type: webhook, url: 'http://me:pw@x/' }"),
            "p.yaml:7:30: error: `url` of receiver `r` is no URL that can be asked; it has to be "
            "like https://hooks.example.com/x, without a user\n");
  EXPECT_EQ(with_receiver("{ type: webhook, url: 'http://x', headers: { X-Api-Key: abc } }"),
            "p.yaml:7:64: error: the header `X-Api-Key` of receiver `r` must not be written into "
            "the file; write `${env:NAME}` or `${file:PATH}` in the place of what is secret\n");
  EXPECT_EQ(with_receiver(R"({ type: webhook, url: 'http://x', headers: { X-A: "a\nb" } })"),
            "p.yaml:7:58: error: the header `X-A` of receiver `r` has a line end, or another "
            "control character\n");
  EXPECT_EQ(with_receiver("{ type: webhook, url: 'http://x', body: $message }"),
            "p.yaml:7:48: error: `body` of receiver `r` must be JSON: a mapping or a list; for "
            "example `body: { text: '$message' }`\n");
  EXPECT_EQ(with_receiver("{ url: 'http://x' }"),
            "p.yaml:7:8: error: receiver `r` must be a mapping with either `type` or `to`; for "
            "example `r: { type: webhook, url: ... }`\n");
  EXPECT_EQ(with_receiver("{ to: rate }"),
            "p.yaml:7:14: error: receiver `r` cannot write to rate; a system that rows are "
            "appended to can be told, such as kafka or files\n");
  EXPECT_EQ(with_receiver("{ to: console, limt: 3 }"),
            "p.yaml:7:23: error: sink console has no option `limt`; did you mean `limit`?\n");
}

}  // namespace
}  // namespace millrace
