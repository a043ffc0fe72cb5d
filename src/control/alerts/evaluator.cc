#include "control/alerts/evaluator.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"

namespace millrace::control {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

std::int64_t us(std::chrono::milliseconds duration) noexcept { return duration.count() * 1000; }

bool passes(const AlertRuleSpec& rule, double value) {
  switch (rule.test) {
    case AlertTest::above:
      return value > rule.threshold;
    case AlertTest::below:
      return value < rule.threshold;
    case AlertTest::equal:
      return value == rule.threshold;
    case AlertTest::any_row:
      return value > 0;
  }
  std::unreachable();
}

std::string_view word_of_test(AlertTest test) {
  return test == AlertTest::above ? "above" : test == AlertTest::below ? "below" : "equal to";
}

bool is_finding(const AlertRuleSpec& rule) {
  return rule.metric != nullptr && rule.metric->id == AlertMetric::Id::finding;
}

/// It takes more than a look at a number.
bool is_costly(const AlertRuleSpec& rule) { return rule.metric == nullptr || is_finding(rule); }

/// A number of JSON that reads as people would write it.
OrderedJson number(double value) {
  constexpr double kExact = 9e15;
  const bool whole = std::abs(value) < kExact && std::floor(value) == value;
  return whole ? OrderedJson(static_cast<std::int64_t>(value)) : OrderedJson(value);
}

}  // namespace

std::string default_message(const AlertRuleSpec& rule, const AlertNotice& notice) {
  if (is_finding(rule)) {  // in the words that the log and the web UI have for it
    return notice.value_text.empty() ? fmt::format("{} is over", rule.metric->name)
                                     : notice.value_text;
  }
  const bool is_query = rule.metric == nullptr;
  std::string what(is_query ? "the query" : rule.metric->name);
  if (!rule.of.empty()) {
    what += " of " + rule.of;
  }
  if (rule.over.count() > 0) {
    what += " over " + duration_text(rule.over);
  }
  std::string text;
  if (rule.test == AlertTest::any_row) {
    text = fmt::format("the query gives {}", human_count(notice.row_count, "row"));
    const std::string rows = notice.word("rows").text;
    text += rows.empty() ? "" : fmt::format(": {}", excerpt(rows, 500));
  } else if (rule.words.empty()) {
    text = fmt::format("{} is {}, {}{} {}", what,
                       notice.value_text.empty() ? "not known" : notice.value_text,
                       notice.state == AlertNotice::State::firing ? "" : "no longer ",
                       word_of_test(rule.test), rule.threshold_text());
  } else {
    text = fmt::format("the pipeline is {}", notice.value_text);
  }
  if (rule.wait.count() > 0 && notice.state == AlertNotice::State::firing) {
    text += " for " + duration_text(rule.wait);
  }
  return text;
}

RuleEvaluator::RuleEvaluator(const PipelineSpec& spec, std::vector<const AlertRuleSpec*> rules,
                             AlertLedger& ledger, Event event, std::int64_t now_us)
    : spec_(spec),
      specs_(std::move(rules)),
      ledger_(ledger),
      event_(std::move(event)),
      log_(Log().with("pipeline", spec.name)),
      next_us_(now_us) {
  rules_.reserve(specs_.size());
  status_.reserve(specs_.size());
  for (const AlertRuleSpec* rule : specs_) {
    rules_.push_back({rule, MetricWatch(*rule, now_us), ledger.state_of(rule->name), 0, {}});
    status_.push_back({.name = rule->name, .severity = rule->severity});
    status_.back().state = rules_.back().state;
  }
}

void RuleEvaluator::add(const std::vector<AlertSample>& samples, std::int64_t batch,
                        std::int64_t now_us) {
  batch_ = std::max(batch_, batch);
  for (std::size_t i = 0; i < rules_.size() && i < samples.size(); i++) {
    rules_[i].watch.add(samples[i], now_us);
  }
}

void RuleEvaluator::restarted(std::int64_t now_us) {
  for (Rule& rule : rules_) {
    const auto* metric = rule.spec->metric;
    if (metric != nullptr && metric->id == AlertMetric::Id::restarts) {
      rule.watch.add({.known = true, .amount = 1}, now_us);
    }
  }
}

bool RuleEvaluator::is_due(const Rule& rule, std::int64_t now_us, bool news) const {
  const bool set_back = now_us < rule.looked_us;
  const bool too_soon = is_costly(*rule.spec) && now_us - rule.looked_us < kSecond;
  return set_back || now_us >= due_us(rule) || (news && !rule.spec->every && !too_soon);
}

std::int64_t RuleEvaluator::due_us(const Rule& rule) const {
  const std::int64_t regular = rule.looked_us + us(rule.spec->every.value_or(spec_.alerts.every));
  return rule.spec->every ? regular
                          : std::min(regular, control::next_look_us(*rule.spec, rule.state));
}

void RuleEvaluator::look(std::int64_t now_us, bool news, bool finally,
                         const std::stop_token& stop) {
  next_us_ = kNever;
  found_.reset();
  for (std::size_t i = 0; i < rules_.size(); i++) {
    Rule& rule = rules_[i];
    if (finally || is_due(rule, now_us, news)) {
      const auto found = find(rule, now_us, stop);
      rule.looked_us = now_us;
      AlertStatus status = status_[i];  // which no other thread changes
      status.looked_us = now_us;
      status.trouble = rule.trouble;
      if (found) {
        go_on(rule, *found, now_us, status);
      }
      const std::lock_guard guard(lock_);
      status_[i] = std::move(status);
    }
    // News that came too soon for a query is looked at when it is time.
    const bool soon = news && is_costly(*rule.spec) && !rule.spec->every;
    next_us_ =
        std::min(next_us_, soon ? std::min(due_us(rule), rule.looked_us + kSecond) : due_us(rule));
  }
  if (finally || now_us - saved_us_ >= kSecond || now_us < saved_us_) {  // at most so often
    ledger_.save();
    saved_us_ = now_us;
  }
}

RuleEvaluator::Found RuleEvaluator::compare(const AlertRuleSpec& rule, double value) const {
  const auto unit = rule.metric == nullptr ? AlertUnit::none : rule.metric->unit;
  return {.is_so = passes(rule, value),
          .value = number(value),
          .value_text = alert_value_text(unit, value)};
}

std::optional<RuleEvaluator::Found> RuleEvaluator::find(Rule& rule, std::int64_t now_us,
                                                        const std::stop_token& stop) {
  const AlertRuleSpec& spec = *rule.spec;
  if (spec.metric == nullptr) {
    return ask(rule, stop);
  }
  if (is_finding(spec)) {
    return find_finding(spec);
  }
  if (spec.metric->id == AlertMetric::Id::state) {
    if (word_.empty()) {
      return std::nullopt;
    }
    const bool is_so = std::ranges::find(spec.words, word_) != spec.words.end();
    return Found{.is_so = is_so, .value = word_, .value_text = word_};
  }
  const auto value = rule.watch.value(now_us);
  return value ? std::optional(compare(spec, *value)) : std::nullopt;
}

std::optional<RuleEvaluator::Found> RuleEvaluator::find_finding(const AlertRuleSpec& rule) {
  if (!find_) {
    return std::nullopt;
  }
  if (!found_) {
    found_ = find_();
  }
  Found all;
  for (const Finding& each : *found_) {
    if (each.kind == rule.metric->name &&
        (rule.of.empty() || equal_ignoring_case(rule.of, each.of))) {
      all.row_count++;
      all.value_text += all.value_text.empty() ? "" : "; ";
      all.value_text += each.title;
      all.value_text += ": ";
      all.value_text += each.detail;
    }
  }
  all.is_so = all.row_count > 0;
  all.value = std::exchange(all.row_count, 0);
  return all;
}

std::optional<RuleEvaluator::Found> RuleEvaluator::ask(Rule& rule, const std::stop_token& stop) {
  if (queries_ == nullptr) {
    if (batch_ >= 0 && !had_queries_) {
      note_trouble(rule, "no tables are kept readable, so that nobody answers its query");
    }
    return std::nullopt;
  }
  try {
    const auto answer = queries_->ask(*rule.spec, stop);
    note_trouble(rule, "");
    if (!answer) {
      return std::nullopt;
    }
    Found found;
    if (rule.spec->test == AlertTest::any_row) {
      found = compare(*rule.spec, static_cast<double>(answer->row_count));
    } else if (answer->value) {
      found = compare(*rule.spec, *answer->value);
    }
    found.rows = answer->rows;
    found.row_count = answer->row_count;
    return found;
  } catch (const Stopped&) {
    return std::nullopt;
  } catch (const Error& error) {
    note_trouble(rule, error.what());
    return std::nullopt;
  }
}

/// Says it once.
void RuleEvaluator::note_trouble(Rule& rule, const std::string& trouble) {
  const std::string before = std::exchange(rule.trouble, trouble);
  if (!trouble.empty() && trouble != before) {
    log_.error("alert {} can't be looked at: {}", rule.spec->name, trouble);
  } else if (trouble.empty() && !before.empty()) {
    log_.info("alert {}: its query works again", rule.spec->name);
  }
}

void RuleEvaluator::go_on(Rule& rule, const Found& found, std::int64_t now_us,
                          AlertStatus& status) {
  const AlertState before = rule.state;
  const AlertStep step = advance(*rule.spec, found.is_so, now_us, rule.state);
  status.state = rule.state;
  status.value = found.value;
  status.value_text = found.value_text;
  if (step == AlertStep::nothing) {
    if (rule.state.phase != before.phase) {
      ledger_.note(rule.spec->name, rule.state);
    }
    if (rule.state.phase == AlertState::Phase::inactive) {
      status.message.clear();
    } else if (status.message.empty() || rule.state.phase == AlertState::Phase::firing) {
      status.message = notice_of(rule, found, now_us).message;
    }
    return;
  }
  AlertNotice notice = notice_of(rule, found, now_us);
  notice.id = ledger_.next_id();
  notice.reminder = step == AlertStep::reminded;
  notice.since_us = before.phase == AlertState::Phase::inactive ? now_us : before.since_us;
  if (step == AlertStep::resolved) {
    notice.state = AlertNotice::State::resolved;
  }
  notice.message = rule.spec->message.empty()
                       ? default_message(*rule.spec, notice)
                       : rule.spec->message.fill([&](auto word) { return notice.word(word); });
  std::vector<std::string> receivers;
  receivers.reserve(rule.spec->notify.size());
  for (const std::string& name : rule.spec->notify) {
    if (step != AlertStep::resolved || spec_.alerts.receiver(name)->send_resolved) {
      receivers.push_back(name);
    }
  }
  ledger_.note(rule.spec->name, rule.state, receivers, &notice);
  status.message = step == AlertStep::resolved ? "" : notice.message;
  status.batch = step == AlertStep::fired ? notice.batch : status.batch;
  if (step != AlertStep::reminded && event_) {
    event_(notice);
  }
}

AlertNotice RuleEvaluator::notice_of(const Rule& rule, const Found& found,
                                     std::int64_t now_us) const {
  const AlertRuleSpec& spec = *rule.spec;
  AlertNotice notice{.pipeline = spec_.name, .alert = spec.name, .severity = spec.severity};
  notice.metric = spec.metric == nullptr ? "query" : std::string(spec.metric->name);
  notice.of = spec.of;
  notice.value = found.value;
  notice.value_text = found.value_text;
  notice.threshold = !spec.words.empty()               ? OrderedJson(join(spec.words, " or "))
                     : spec.test == AlertTest::any_row ? OrderedJson(nullptr)
                                                       : number(spec.threshold);
  notice.threshold_text = spec.threshold_text();
  notice.since_us = rule.state.since_us;
  notice.at_us = now_us;
  notice.batch = batch_;
  notice.labels = spec.labels;
  notice.rows = found.rows;
  notice.row_count = found.row_count;
  notice.message = spec.message.empty()
                       ? default_message(spec, notice)
                       : spec.message.fill([&](auto word) { return notice.word(word); });
  return notice;
}

std::vector<AlertStatus> RuleEvaluator::status() const {
  const std::lock_guard guard(lock_);
  return status_;
}

}  // namespace millrace::control
