// Alerts from their figures to their receivers, without threads that wait for time.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/test_folder.h"
#include "control/alerts/delivery.h"
#include "control/alerts/evaluator.h"
#include "control/alerts/ledger.h"
#include "spec/alert_findings.h"
#include "spec/test_support.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kStart = 1'700'000'000 * kSecond;

AlertRuleSpec rule(const std::string& name, std::string_view metric, AlertTest test, double than) {
  AlertRuleSpec spec{.name = name, .metric = find_alert_metric(metric)};
  spec.test = test;
  spec.threshold = than;
  spec.notify = {"log"};
  return spec;
}

std::vector<AlertStep> steps(const AlertRuleSpec& spec,
                             const std::vector<std::pair<int, bool>>& looks) {
  AlertState state;
  std::vector<AlertStep> found;
  found.reserve(looks.size());
  for (const auto& [second, is_so] : looks) {
    found.push_back(advance(spec, is_so, kStart + second * kSecond, state));
  }
  return found;
}

constexpr auto kNothing = AlertStep::nothing;
constexpr auto kFired = AlertStep::fired;
constexpr auto kReminded = AlertStep::reminded;
constexpr auto kResolved = AlertStep::resolved;

TEST(AlertState, FiresWhenItWasSoForLongEnough) {
  AlertRuleSpec spec = rule("a", "lag_rows", AlertTest::above, 1);
  EXPECT_EQ(steps(spec, {{0, true}, {1, true}, {2, false}, {3, false}}),
            (std::vector{kFired, kNothing, kResolved, kNothing}));
  spec.wait = milliseconds(5'000);
  EXPECT_EQ(steps(spec, {{0, true}, {4, true}, {5, true}, {6, false}}),
            (std::vector{kNothing, kNothing, kFired, kResolved}));
  // What is not so for a moment begins anew.
  EXPECT_EQ(steps(spec, {{0, true}, {4, false}, {5, true}, {9, true}, {10, true}}),
            (std::vector{kNothing, kNothing, kNothing, kNothing, kFired}));
}

TEST(AlertState, IsOverWhenItIsNotSoForLongEnough) {
  AlertRuleSpec spec = rule("a", "lag_rows", AlertTest::above, 1);
  spec.keep_firing_for = milliseconds(5'000);
  EXPECT_EQ(steps(spec, {{0, true}, {4, false}, {5, true}, {9, false}, {10, false}}),
            (std::vector{kFired, kNothing, kNothing, kNothing, kResolved}));
}

TEST(AlertState, Reminds) {
  AlertRuleSpec spec = rule("a", "lag_rows", AlertTest::above, 1);
  spec.repeat = milliseconds(10'000);
  EXPECT_EQ(steps(spec, {{0, true}, {9, true}, {10, true}, {19, true}, {20, true}, {21, false}}),
            (std::vector{kFired, kNothing, kReminded, kNothing, kReminded, kResolved}));
  AlertState state;
  (void)advance(spec, true, kStart, state);
  EXPECT_EQ(next_look_us(spec, state), kStart + 10 * kSecond);
}

TEST(AlertState, AClockThatIsSetBackOnlyDelays) {
  AlertRuleSpec spec = rule("a", "lag_rows", AlertTest::above, 1);
  spec.wait = milliseconds(5'000);
  EXPECT_EQ(steps(spec, {{0, true}, {-1000, true}, {-996, true}, {-995, true}}),
            (std::vector{kNothing, kNothing, kNothing, kFired}));
}

BatchProgress batch_of(std::int64_t rows, std::int64_t malformed, std::int64_t lag) {
  BatchProgress batch;
  batch.total_us = kSecond / 2;
  SourceProgress orders{.name = "orders"};
  orders.rows = rows;
  orders.malformed_rows = malformed;
  orders.lag = Lag{.latest = {}, .behind = {}, .total = lag};
  SourceProgress clicks{.name = "clicks"};
  clicks.rows = 7;
  clicks.lag = Lag{.latest = {}, .behind = {}, .total = 1000};
  batch.sources = {orders, clicks};
  return batch;
}

/// The value of a metric after one batch, some seconds later.
std::optional<double> value(const AlertRuleSpec& spec, const BatchProgress& batch,
                            const PipelineSpec& pipeline = {}, int later_s = 0) {
  MetricWatch watch(spec, kStart);
  watch.add(sample_of(spec, pipeline, batch, kStart), kStart);
  return watch.value(kStart + later_s * kSecond);
}

TEST(AlertFigures, OfOneSourceAndOfAll) {
  AlertRuleSpec lag = rule("a", "lag_rows", AlertTest::above, 1);
  EXPECT_EQ(value(lag, batch_of(10, 1, 500)), 1500);
  lag.of = "Orders";
  EXPECT_EQ(value(lag, batch_of(10, 1, 500)), 500);
  AlertRuleSpec time = rule("a", "lag_time", AlertTest::above, 1);
  time.of = "orders";
  EXPECT_EQ(value(time, batch_of(10, 1, 500)), 25);  // 20 rows a second
  EXPECT_EQ(value(time, batch_of(0, 0, 0)), 0);
  EXPECT_EQ(value(time, batch_of(0, 0, 500)), std::nullopt);
  AlertRuleSpec share = rule("a", "malformed_share", AlertTest::above, 1);
  share.of = "orders";
  EXPECT_EQ(value(share, batch_of(10, 1, 0)), 0.1);
  EXPECT_EQ(value(share, batch_of(0, 0, 0)), 0);
  EXPECT_EQ(value(rule("a", "batch_duration", AlertTest::above, 1), batch_of(1, 1, 1)), 0.5);
  EXPECT_EQ(value(rule("a", "batch_age", AlertTest::above, 1), batch_of(1, 1, 1), {}, 30), 30);
}

TEST(AlertFigures, ChecksSinksAndState) {
  BatchProgress batch;
  DatasetCounts totals{.name = "totals"};
  totals.state_bytes = 100;
  totals.late.rows = 3;
  totals.checks = {{"small", Otherwise::quarantine, 9, 2}, {"known", Otherwise::warn, 9, 5}};
  DatasetCounts made{.name = "totals:unique"};
  made.for_checks = true;
  made.checks = totals.checks;
  batch.datasets = {totals, made};
  SinkCounts lake{.name = "lake", .given = 9, .written = 8, .refused = 1};
  batch.sinks = {lake};
  const auto of = [&](const char* metric, const char* name) {
    AlertRuleSpec spec = rule("a", metric, AlertTest::above, 1);
    spec.of = name;
    return value(spec, batch);
  };
  EXPECT_EQ(of("failed_rows", ""), 7);
  EXPECT_EQ(of("failed_rows", "totals.known"), 5);
  EXPECT_EQ(of("failed_checks", "totals"), 2);
  EXPECT_EQ(of("quarantined_rows", ""), 3);
  EXPECT_EQ(of("quarantined_rows", "lake"), 1);
  EXPECT_EQ(of("output_rows", "lake"), 8);
  EXPECT_EQ(of("late_rows", "totals"), 3);
  EXPECT_EQ(of("state_bytes", ""), 100);
}

TEST(AlertFigures, TimeGoesOnWithoutBatches) {
  PipelineSpec pipeline;
  pipeline.sources.push_back({.name = "orders"});
  pipeline.sources.back().watermark = WatermarkSpec{};
  pipeline.sources.back().watermark->delay = milliseconds(60'000);
  BatchProgress batch = batch_of(1, 0, 0);
  WatermarkProgress orders{.name = "orders"};
  orders.us = kStart - 90 * kSecond;  // its newest row is 30 s old
  WatermarkProgress idle{.name = "clicks"};
  idle.us = kStart - 9000 * kSecond;
  idle.idle = true;
  batch.watermarks = {orders, idle};
  EXPECT_EQ(value(rule("a", "freshness", AlertTest::above, 1), batch, pipeline, 10), 40);
  EXPECT_EQ(value(rule("a", "watermark_delay", AlertTest::above, 1), batch, pipeline, 10), 100);
  batch.watermarks.clear();
  EXPECT_EQ(value(rule("a", "watermark_delay", AlertTest::above, 1), batch, pipeline),
            std::nullopt);
  EXPECT_EQ(value(rule("a", "freshness", AlertTest::above, 1), batch, pipeline, 10), 10);
  // Nothing has come since the start.
  const AlertRuleSpec fresh = rule("a", "freshness", AlertTest::above, 1);
  EXPECT_EQ(MetricWatch(fresh, kStart).value(kStart + 5 * kSecond), 5);
}

TEST(AlertFigures, WindowsAreSummedInBoundedMemory) {
  AlertRuleSpec spec = rule("a", "input_rows", AlertTest::below, 1);
  spec.over = milliseconds(60'000);
  spec.of = "orders";
  MetricWatch watch(spec, kStart);
  EXPECT_EQ(watch.value(kStart + 59 * kSecond), std::nullopt);  // not yet known to be too few
  EXPECT_EQ(watch.value(kStart + 60 * kSecond), 0);
  std::int64_t now = kStart + 60 * kSecond;
  for (int i = 0; i < 1000; i++) {
    now += kSecond / 10;
    watch.add(sample_of(spec, {}, batch_of(2, 0, 0), now), now);
  }
  EXPECT_NEAR(watch.value(now).value_or(0), 1200, 25);
  EXPECT_EQ(watch.value(now + 61 * kSecond), 0);
}

/// A pipeline with some rules, and what is kept of its alerts.
struct Bench {
  explicit Bench(const std::vector<AlertRuleSpec>& rules) {
    spec.name = "shop";
    spec.alerts.rules = rules;
    for (const char* name : {"log", "ops"}) {
      spec.alerts.receivers.push_back({.name = name});
    }
    begin();
  }
  void begin() {
    evaluator.reset();
    ledger.reset();
    ledger = std::make_unique<AlertLedger>(folder.path() + "/alerts", "shop",
                                           std::vector<std::string>{"log", "ops"});
    std::vector<const AlertRuleSpec*> rules;
    rules.reserve(spec.alerts.rules.size());
    for (const AlertRuleSpec& each : spec.alerts.rules) {
      rules.push_back(&each);
    }
    evaluator = std::make_unique<RuleEvaluator>(
        spec, rules, *ledger, [&](const AlertNotice& notice) { events.push_back(notice.alert); },
        now);
  }
  void batch(std::int64_t lag) {
    std::vector<AlertSample> samples;
    samples.reserve(spec.alerts.rules.size());
    for (const AlertRuleSpec& each : spec.alerts.rules) {
      samples.push_back(each.metric == nullptr ? AlertSample{}
                                               : sample_of(each, spec, batch_of(10, 0, lag), now));
    }
    evaluator->add(samples, number++, now);
    evaluator->look(now, true, false, {});
  }
  /// States and messages of what a receiver was not told of yet.
  std::vector<std::string> told(const std::string& receiver) {
    std::vector<std::string> all;
    while (ledger->counts(receiver).waiting > 0) {
      const auto waiting = ledger->next(receiver, {});
      all.push_back(std::string(word_of(waiting->notice.state)) + ": " + waiting->notice.message);
      ledger->done(receiver, waiting->number, true);
    }
    return all;
  }

  TempFolder folder;
  PipelineSpec spec;
  std::int64_t now = kStart;
  std::int64_t number = 0;
  std::vector<std::string> events;
  std::unique_ptr<AlertLedger> ledger;
  std::unique_ptr<RuleEvaluator> evaluator;
};

TEST(Alerts, TellWhatTheyMean) {
  AlertRuleSpec lag = rule("behind", "lag_rows", AlertTest::above, 2000);
  lag.of = "orders";
  Bench bench({lag});
  bench.batch(2000);
  EXPECT_EQ(bench.told("log"), std::vector<std::string>{});
  bench.batch(123'456);
  EXPECT_EQ(bench.told("log"),
            std::vector<std::string>{"firing: lag_rows of orders is 123,456, above 2,000"});
  EXPECT_EQ(bench.evaluator->status()[0].state.phase, AlertState::Phase::firing);
  bench.now += 5 * kSecond;
  bench.batch(7);
  EXPECT_EQ(bench.told("log"),
            std::vector<std::string>{"resolved: lag_rows of orders is 7, no longer above 2,000"});
  EXPECT_EQ(bench.events, (std::vector<std::string>{"behind", "behind"}));
  EXPECT_EQ(bench.evaluator->status()[0].message, "");
}

TEST(Alerts, SayWhatIsFoundInItsWords) {
  AlertRuleSpec lag = rule("lag", "lag_rows", AlertTest::any_row, 0);
  lag.metric = find_alert_finding("lag_growing");
  lag.of = "Orders";
  Bench bench({lag});
  std::vector<Finding> found;
  int asked = 0;
  bench.evaluator->give_findings([&] {
    asked++;
    return found;
  });
  const auto of = [](const std::string& source) {
    return Finding{.kind = "lag_growing", .of = source, .title = "It grows", .detail = "5 behind"};
  };
  found = {of("clicks"), {.kind = "late_rows_rising", .of = "orders"}};
  bench.batch(0);
  EXPECT_EQ(bench.told("log"), std::vector<std::string>{});
  found.push_back(of("orders"));
  bench.batch(0);
  EXPECT_EQ(asked, 1);  // not more often than each second
  bench.now += kSecond;
  bench.batch(0);
  EXPECT_EQ(bench.told("log"), std::vector<std::string>{"firing: It grows: 5 behind"});
  EXPECT_EQ(bench.evaluator->status()[0].message, "It grows: 5 behind");
  found.clear();
  bench.now += kSecond;
  bench.batch(0);
  EXPECT_EQ(bench.told("log"), std::vector<std::string>{"resolved: lag_growing is over"});
}

TEST(Alerts, FireOfTheTimeAlone) {
  AlertRuleSpec age = rule("no_news", "batch_age", AlertTest::above, 60);
  age.wait = milliseconds(4'000);
  Bench bench({age});
  bench.batch(0);
  EXPECT_EQ(bench.evaluator->next_look_us(), kStart + 10 * kSecond);
  bench.now = kStart + 70 * kSecond;
  bench.evaluator->look(bench.now, false, false, {});
  EXPECT_EQ(bench.evaluator->next_look_us(), kStart + 74 * kSecond);  // when `for` is over
  bench.now += 4 * kSecond;
  bench.evaluator->look(bench.now, false, false, {});
  EXPECT_EQ(bench.told("log"),
            std::vector<std::string>{"firing: batch_age is 1m 14s, above 1m 00s for 4s"});
}

TEST(Alerts, AreNeitherForgottenNorToldOfTwice) {
  AlertRuleSpec lag = rule("behind", "lag_rows", AlertTest::above, 5000);
  lag.notify = {"log", "ops"};
  Bench bench({lag});
  bench.batch(9000);
  EXPECT_EQ(bench.told("log").size(), 1U);
  bench.begin();  // as after a kill: `ops` was not told yet
  EXPECT_EQ(bench.evaluator->status()[0].state.phase, AlertState::Phase::firing);
  bench.now += kSecond;
  bench.batch(9000);
  EXPECT_EQ(bench.told("log"), std::vector<std::string>{});
  EXPECT_EQ(bench.told("ops").size(), 1U);
  bench.begin();
  bench.now += kSecond;
  bench.batch(0);
  EXPECT_EQ(bench.told("ops"),
            std::vector<std::string>{"resolved: lag_rows is 1,000, no longer above 5,000"});
}

TEST(Alerts, OfADamagedFileBeginAnew) {
  const AlertRuleSpec lag = rule("behind", "lag_rows", AlertTest::above, 5000);
  Bench bench({lag});
  bench.batch(9000);
  const std::string path = bench.folder.path() + "/alerts/alerts.json";
  const std::string id = bench.ledger->id();
  std::string content = read_file(path);
  content[content.size() / 2] ^= 1;
  write_file_atomically(path, content, false);
  bench.begin();
  EXPECT_NE(bench.ledger->id(), id);
  EXPECT_EQ(bench.ledger->counts("log").waiting, 0);
  EXPECT_TRUE(exists(path + ".damaged"));
}

TEST(Alerts, WaitingNoticesAreBounded) {
  const AlertRuleSpec lag = rule("behind", "lag_rows", AlertTest::above, 5000);
  Bench bench({lag});
  for (std::size_t i = 0; i < AlertLedger::kWaitingMax; i++) {
    bench.batch(9000);
    bench.batch(0);
  }
  EXPECT_EQ(bench.ledger->counts("log").waiting,
            static_cast<std::int64_t>(AlertLedger::kWaitingMax));
  EXPECT_EQ(bench.ledger->counts("log").given_up,
            static_cast<std::int64_t>(AlertLedger::kWaitingMax));
  EXPECT_EQ(bench.ledger->next("log", {})->number,
            static_cast<std::int64_t>(AlertLedger::kWaitingMax));
}

/// Answers as a test says.
class Answers final : public AlertQueries {
 public:
  std::optional<AlertAnswer> ask(const AlertRuleSpec& /*rule*/,
                                 const std::stop_token& /*stop*/) override {
    asked++;
    if (fails) {
      throw Error(Blame::external, "no such file");
    }
    return answer;
  }
  AlertAnswer answer;
  bool fails = false;
  int asked = 0;
};

TEST(Alerts, OfQueries) {
  AlertRuleSpec negative{.name = "negative", .query = {.text = "SELECT 1", .at = {}, .runs = {}}};
  negative.notify = {"log"};
  AlertRuleSpec low = negative;
  low.name = "low";
  low.test = AlertTest::below;
  low.threshold = 1000;
  Bench bench({negative, low});
  const auto answers = std::make_shared<Answers>();
  bench.evaluator->set_queries(answers);
  answers->answer = {
      .row_count = 2, .value = 2000, .rows = {{{"id", 1}, {"why", "x"}}, {{"id", 2}}}};
  bench.batch(0);
  bench.batch(0);  // too soon to ask again
  EXPECT_EQ(answers->asked, 2);
  EXPECT_EQ(bench.evaluator->next_look_us(), kStart + kSecond);
  EXPECT_EQ(bench.told("log"),
            std::vector<std::string>{"firing: the query gives 2 rows: id=1, why=x; id=2"});
  answers->fails = true;
  bench.now += kSecond;
  bench.batch(0);
  EXPECT_EQ(bench.told("log"), std::vector<std::string>{});  // it stays as it is
  EXPECT_EQ(bench.evaluator->status()[0].trouble, "no such file");
  answers->fails = false;
  answers->answer = {.row_count = 0, .value = 12.5};
  bench.now += kSecond;
  bench.batch(0);
  EXPECT_EQ(bench.told("log"),
            (std::vector<std::string>{"resolved: the query gives 0 rows",
                                      "firing: the query is 12.5, below 1,000"}));
}

/// Takes notices, or not.
class Flaky final : public AlertReceiver {
 public:
  Flaky(std::vector<Trouble> troubles, std::vector<std::int64_t>& got)
      : troubles_(std::move(troubles)), got_(got) {}
  std::optional<Trouble> send(const AlertNotice& /*notice*/, std::int64_t number,
                              const std::stop_token& /*stop*/) override {
    if (!troubles_.empty()) {
      Trouble trouble = troubles_.front();
      troubles_.erase(troubles_.begin());
      return trouble;
    }
    got_.push_back(number);
    return std::nullopt;
  }

 private:
  std::vector<Trouble> troubles_;
  std::vector<std::int64_t>& got_;
};

TEST(Delivery, TriesAgainUnlessThatIsInVain) {
  const AlertRuleSpec lag = rule("behind", "lag_rows", AlertTest::above, 5000);
  Bench bench({lag});
  for (int i = 0; i < 2; i++) {
    bench.batch(9000);
    bench.batch(0);
  }
  std::vector<std::int64_t> got;
  {
    const Delivery delivery(
        bench.spec.alerts.receivers[0],
        std::make_unique<Flaky>(
            std::vector<AlertReceiver::Trouble>{
                {.text = "later"}, {.text = "later"}, {.text = "never", .is_lasting = true}},
            got),
        *bench.ledger, "shop", {.first = milliseconds(1), .longest = milliseconds(2)});
    EXPECT_TRUE(
        bench.ledger->wait_until_sent(std::chrono::steady_clock::now() + std::chrono::seconds(60)));
  }
  EXPECT_EQ(got, (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_EQ(bench.ledger->counts("log").sent, 3);
  EXPECT_EQ(bench.ledger->counts("log").given_up, 1);
}

TEST(Delivery, GivesUpWhenItIsTooLate) {
  const AlertRuleSpec lag = rule("behind", "lag_rows", AlertTest::above, 5000);
  Bench bench({lag});
  bench.spec.alerts.receivers[0].retry_for = milliseconds(0);
  bench.batch(9000);
  std::vector<std::int64_t> got;
  const Delivery delivery(
      bench.spec.alerts.receivers[0],
      std::make_unique<Flaky>(std::vector<AlertReceiver::Trouble>{{.text = "later"}}, got),
      *bench.ledger, "shop", {.first = milliseconds(1), .longest = milliseconds(2)});
  EXPECT_TRUE(
      bench.ledger->wait_until_sent(std::chrono::steady_clock::now() + std::chrono::seconds(60)));
  EXPECT_EQ(bench.ledger->counts("log").given_up, 1);
}

TEST(AlertNotices, AreReadBackAsTheyWere) {
  AlertNotice notice{.id = "x-1", .pipeline = "shop", .alert = "a\"b"};
  notice.severity = AlertSeverity::critical;
  notice.value = 1.5;
  notice.threshold = nullptr;
  notice.message = "line\nend \"}";
  notice.labels = {{"team", "a"}, {"b", "c"}};
  notice.rows = {{{"z", 1}, {"a", nullptr}}};
  const OrderedJson json = notice.json();
  EXPECT_EQ(AlertNotice::from_json(OrderedJson::parse(json.dump())).json(), json);
  EXPECT_EQ(notice.word("rows").text, "z=1, a=null");
  EXPECT_EQ(notice.word("labels").text, "team=a, b=c");
  EXPECT_TRUE(notice.word("batch").json.is_null());
  for (const std::string& word : alert_words()) {
    EXPECT_NO_THROW((void)notice.word(word)) << word;
  }
}

}  // namespace
}  // namespace millrace::control
