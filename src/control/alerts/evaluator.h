// Looks at the rules of alerts: what is so, since when, and who has to be told.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "control/alerts/figures.h"
#include "control/alerts/ledger.h"
#include "control/findings.h"

namespace millrace::control {

/// What the query of a rule gave.
struct AlertAnswer {
  static constexpr std::int64_t kRowsMax = 10'000;  ///< that are counted
  static constexpr std::size_t kShown = 5;          ///< whose values are told

  std::int64_t row_count = 0;
  std::optional<double> value;  ///< of a rule with a threshold; none: NULL, or no row
  OrderedJson rows = OrderedJson::array();
};

/// Answers the queries of rules, as of the last batch.
class AlertQueries {
 public:
  virtual ~AlertQueries() = default;
  /// nullopt: there is no batch yet. Throws Error. Called by one thread at a time.
  [[nodiscard]] virtual std::optional<AlertAnswer> ask(const AlertRuleSpec& rule,
                                                       const std::stop_token& stop) = 0;
};

/// An alert as it is now.
struct AlertStatus {
  std::string name;
  AlertSeverity severity = AlertSeverity::warning;
  AlertState state;
  OrderedJson value;  ///< null: not known
  std::string value_text;
  std::string message;         ///< of one that is not inactive
  std::string trouble;         ///< why it could not be looked at; empty: nothing
  std::int64_t looked_us = 0;  ///< when it was looked at last; 0: never
  std::int64_t batch = -1;     ///< the last one that was committed when it fired
};

/// Rules without threads: those with a metric, or those with a query. One thread at a time, but for
/// status().
class RuleEvaluator {
 public:
  using Event = std::function<void(const AlertNotice&)>;
  /// The spec and the ledger outlive it. `event` hears of what fires and is over.
  RuleEvaluator(const PipelineSpec& spec, std::vector<const AlertRuleSpec*> rules,
                AlertLedger& ledger, Event event, std::int64_t now_us);

  /// What a batch has given, for each rule; see sample_of().
  void add(const std::vector<AlertSample>& samples, std::int64_t batch, std::int64_t now_us);
  void restarted(std::int64_t now_us);
  /// What is found of the pipeline; before the first look. May be called by any thread.
  using Find = std::function<std::vector<Finding>()>;
  void give_findings(Find find) { find_ = std::move(find); }
  void set_state(std::string_view word) { word_ = word; }
  void set_queries(std::shared_ptr<AlertQueries> queries) {
    queries_ = std::move(queries);
    had_queries_ = had_queries_ || queries_ != nullptr;
  }

  /// Looks at the rules that are due: all of them after a batch (`news`), but those with an
  /// interval of their own. `finally`: at all.
  void look(std::int64_t now_us, bool news, bool finally, const std::stop_token& stop);
  /// When to look again, whatever happens.
  [[nodiscard]] std::int64_t next_look_us() const noexcept { return next_us_; }

  [[nodiscard]] std::vector<AlertStatus> status() const;
  [[nodiscard]] const std::vector<const AlertRuleSpec*>& rules() const noexcept { return specs_; }

 private:
  /// What a rule was found to be.
  struct Found {
    bool is_so = false;
    OrderedJson value;
    std::string value_text;
    OrderedJson rows = OrderedJson::array();
    std::int64_t row_count = 0;
  };
  struct Rule {
    const AlertRuleSpec* spec;
    MetricWatch watch;
    AlertState state;
    std::int64_t looked_us = 0;
    std::string trouble;
  };

  [[nodiscard]] bool is_due(const Rule& rule, std::int64_t now_us, bool news) const;
  [[nodiscard]] std::int64_t due_us(const Rule& rule) const;
  [[nodiscard]] std::optional<Found> find(Rule& rule, std::int64_t now_us,
                                          const std::stop_token& stop);
  [[nodiscard]] std::optional<Found> ask(Rule& rule, const std::stop_token& stop);
  [[nodiscard]] std::optional<Found> find_finding(const AlertRuleSpec& rule);
  void note_trouble(Rule& rule, const std::string& trouble);
  [[nodiscard]] Found compare(const AlertRuleSpec& rule, double value) const;
  void go_on(Rule& rule, const Found& found, std::int64_t now_us, AlertStatus& status);
  [[nodiscard]] AlertNotice notice_of(const Rule& rule, const Found& found,
                                      std::int64_t now_us) const;

  const PipelineSpec& spec_;
  std::vector<const AlertRuleSpec*> specs_;
  AlertLedger& ledger_;
  Event event_;
  Log log_;
  std::vector<Rule> rules_;
  std::shared_ptr<AlertQueries> queries_;  // shared with who made them; they may be made anew
  bool had_queries_ = false;               ///< at some time
  Find find_;
  std::optional<std::vector<Finding>> found_;  ///< by the look that is under way
  std::string word_;
  std::int64_t batch_ = -1;
  std::int64_t next_us_ = 0;
  std::int64_t saved_us_ = 0;

  mutable std::mutex lock_;  // guards what follows
  std::vector<AlertStatus> status_;
};

/// "lag_rows of clicks is 120,000, above 100,000 for 5m"
[[nodiscard]] std::string default_message(const AlertRuleSpec& rule, const AlertNotice& notice);

}  // namespace millrace::control
