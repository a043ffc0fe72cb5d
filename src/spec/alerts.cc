#include "spec/alerts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/references.h"
#include "base/strings.h"
#include "spec/alert_findings.h"
#include "spec/alert_receivers.h"
#include "spec/alert_tables.h"
#include "spec/loader.h"
#include "spec/sql_text.h"

namespace millrace {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kRulesMax = 1000;

/// Turns `alerts:` into an AlertsSpec. Reports what is wrong on the way. One use each.
class AlertsReader {
 public:
  AlertsReader(const YamlFile& yaml, const std::string& file, Connections& connections,
               Diagnostics& diagnostics)
      : yaml_(yaml), file_(file), connections_(connections), diagnostics_(diagnostics) {}

  AlertsSpec read(const Node::Entry& section) {
    alerts_.at = section.at;
    if (!section.value.is_mapping()) {
      diagnostics_.error(
          section.value.at, "`alerts` must be a mapping of options",
          "for example `alerts: { rules: [{ name: behind, metric: lag_rows, above: 100000 }] }`");
      return std::move(alerts_);
    }
    (void)alerts_table().parse(section.value, diagnostics_, options_, "alerts");
    alerts_.every = options_.every;
    alerts_.receivers = read_receivers(options_.receivers, alerts_.at, file_, connections_,
                                       declared_, diagnostics_);
    check_receivers(options_.notify, section.value, "alerts");
    read_rules();
    return std::move(alerts_);
  }

 private:
  void read_rules() {
    if (!options_.rules.is_sequence()) {
      if (options_.rules.at.line != 0) {
        diagnostics_.error(options_.rules.at, "`rules` of alerts must be a list",
                           "for example `- { name: behind, metric: lag_rows, above: 100000 }`");
      }
      return;
    }
    if (options_.rules.items.size() > kRulesMax) {
      diagnostics_.error(options_.rules.at,
                         fmt::format("{} rules are more than the {} that there may be",
                                     options_.rules.items.size(), kRulesMax));
      return;
    }
    alerts_.rules.reserve(options_.rules.items.size());
    for (const Node& item : options_.rules.items) {
      read_rule(item);
    }
  }

  void read_rule(const Node& node) {
    const std::size_t errors = diagnostics_.error_count();
    AlertRuleOptions options;
    (void)alert_rule_table().parse(node, diagnostics_, options, "a rule of alerts");
    if (diagnostics_.error_count() != errors) {
      return;
    }
    const std::string what = fmt::format("alert `{}`", options.name);
    AlertRuleSpec rule{.name = options.name, .at = node.at};
    check_rule_name(*node.find("name"), rule.name);
    rule.wait = options.wait;
    rule.keep_firing_for = options.keep_firing_for;
    rule.every = options.every;
    rule.repeat = options.repeat ? options.repeat : options_.repeat;
    rule.severity = options.severity;
    check_receivers(options.notify, node, what);
    rule.notify = node.find("notify") != nullptr ? options.notify : options_.notify;
    rule.labels = merged(options_.labels, options.labels);
    if (const Node* message = node.find("message")) {
      if (!message->is_scalar()) {
        diagnostics_.error(message->at, fmt::format("`message` of {} must be a text", what));
      } else {
        rule.message =
            TextTemplate::read(*message, fmt::format("`message` of {}", what), diagnostics_);
      }
    }
    if (read_subject(node, options, what, rule) && read_test(node, what, rule)) {
      alerts_.rules.push_back(std::move(rule));
    }
  }

  void check_rule_name(const Node& node, const std::string& name) {
    if (!is_identifier(name)) {
      diagnostics_.error(node.at,
                         fmt::format("`{}` cannot be the name of an alert: letters, digits "
                                     "and `_`, not beginning with a digit",
                                     name));
    }
    if (std::ranges::any_of(alerts_.rules, [&](const AlertRuleSpec& other) {
          return equal_ignoring_case(other.name, name);
        })) {
      diagnostics_.error(node.at, fmt::format("two alerts are called `{}`", name));
    }
  }

  /// Labels of the rule go before those of all.
  static std::vector<std::pair<std::string, std::string>> merged(
      std::vector<std::pair<std::string, std::string>> all,
      const std::vector<std::pair<std::string, std::string>>& own) {
    for (const auto& [name, value] : own) {
      const auto same = std::ranges::find(all, name, &std::pair<std::string, std::string>::first);
      if (same != all.end()) {
        same->second = value;
      } else {
        all.emplace_back(name, value);
      }
    }
    return all;
  }

  void check_receivers(const std::vector<std::string>& names, const Node& owner,
                       const std::string& what) {
    for (const std::string& name : names) {
      if (std::ranges::find(declared_, name) == declared_.end()) {
        const Node* node = owner.find("notify");
        diagnostics_.error(
            node != nullptr ? node->at : owner.at,
            fmt::format("`notify` of {} names `{}`, which is no receiver", what, name),
            did_you_mean(name, declared_));
      }
    }
  }

  /// What is watched: a metric, a finding, or a query.
  bool read_subject(const Node& node, const AlertRuleOptions& options, const std::string& what,
                    AlertRuleSpec& rule) {
    const Node* metric = node.find("metric");
    const Node* finding = node.find("finding");
    const Node* query = node.find("query");
    const std::array subjects = {metric, finding, query};
    if (std::ranges::count(subjects, nullptr) != 2) {
      diagnostics_.error(node.at,
                         fmt::format("{} must have one of `metric`, `finding` and `query`", what),
                         "for example `metric: lag_rows`");
      return false;
    }
    if (query != nullptr) {
      return read_query(node, *query, what, rule);
    }
    rule.metric = finding != nullptr ? find_alert_finding(options.finding)
                                     : find_alert_metric(options.metric);
    rule.of = options.of;
    if (const Node* of = node.find("of")) {
      rule.of_at = of->at;
    }
    if (rule.metric == nullptr) {
      const bool is_metric = metric != nullptr;
      const std::string& name = is_metric ? options.metric : options.finding;
      diagnostics_.error(
          (is_metric ? metric : finding)->at,
          fmt::format("{} watches `{}`, which is no {}", what, name,
                      is_metric ? "metric" : "finding"),
          did_you_mean(name, is_metric ? alert_metric_names() : alert_finding_names()));
      return false;
    }
    const Node* over = node.find("over");
    if (over != nullptr && !rule.metric->counted) {
      diagnostics_.error(
          over->at,
          fmt::format("{} has `over`, and {} is nothing that is counted", what, rule.metric->name),
          "remove it; `for` says how long it has to be so");
      return false;
    }
    constexpr milliseconds kOfRestarts{600'000};
    const bool restarts = rule.metric->id == AlertMetric::Id::restarts;
    rule.over = options.over.value_or(restarts ? kOfRestarts : milliseconds(0));
    return true;
  }

  bool read_query(const Node& node, const Node& query, const std::string& what,
                  AlertRuleSpec& rule) {
    for (const char* key : {"of", "over"}) {
      if (const Node* other = node.find(key)) {
        diagnostics_.error(other->at, fmt::format("{} has a query; `{}` is for metrics", what, key),
                           "let the query say it");
        return false;
      }
    }
    if (!query.is_scalar()) {
      diagnostics_.error(query.at, fmt::format("`query` of {} must be SQL", what),
                         "for example `query: SELECT id FROM totals WHERE total < 0`");
      return false;
    }
    auto sql = read_sql(yaml_, query, file_, what, diagnostics_);
    if (sql) {
      rule.query = std::move(*sql);
    }
    return sql.has_value();
  }

  /// When it fires: one of `above`, `below` and `equal`.
  bool read_test(const Node& node, const std::string& what, AlertRuleSpec& rule) {
    constexpr std::array<std::pair<const char*, AlertTest>, 3> kTests = {
        {{"above", AlertTest::above}, {"below", AlertTest::below}, {"equal", AlertTest::equal}}};
    const Node* threshold = nullptr;
    int tests = 0;
    for (const auto& [key, test] : kTests) {
      if (const Node* given = node.find(key)) {
        threshold = given;
        rule.test = test;
        tests++;
      }
    }
    const bool is_finding = rule.metric != nullptr && rule.metric->id == AlertMetric::Id::finding;
    if (is_finding && tests > 0) {
      diagnostics_.error(
          threshold->at,
          fmt::format("{} has a threshold, and {} is so or not", what, rule.metric->name),
          "remove it");
      return false;
    }
    if (tests > 1 || (tests == 0 && rule.metric != nullptr && !is_finding)) {
      diagnostics_.error(
          node.at,
          fmt::format("{} has {}", what, tests == 0 ? "no threshold" : "several thresholds"),
          "it has one of `above`, `below` and `equal`");
      return false;
    }
    if (tests == 0) {
      return true;
    }
    if (rule.metric != nullptr && rule.metric->unit == AlertUnit::state) {
      return read_states(*threshold, what, rule);
    }
    return read_threshold(*threshold, what, rule);
  }

  bool read_states(const Node& node, const std::string& what, AlertRuleSpec& rule) {
    if (rule.test != AlertTest::equal) {
      diagnostics_.error(node.at, fmt::format("{} compares a state, which is a word", what),
                         "write `equal: failed`");
      return false;
    }
    OptionInfo info;
    info.name = "equal";
    info.kind = OptionKind::string_list;
    info.required = true;
    bool good = options::read({node, info, what, diagnostics_}, rule.words);
    const auto known = alert_state_words();
    for (const std::string& word : rule.words) {
      if (std::ranges::find(known, word) == known.end()) {
        diagnostics_.error(node.at, fmt::format("{} waits for `{}`, which is no state", what, word),
                           did_you_mean(word, known));
        good = false;
      }
    }
    return good;
  }

  bool read_threshold(const Node& node, const std::string& what, AlertRuleSpec& rule) {
    const auto unit = rule.metric == nullptr ? AlertUnit::none : rule.metric->unit;
    const auto text = node.is_scalar() ? interpolate(node, diagnostics_) : std::optional("");
    if (!text) {
      return false;
    }
    std::optional<double> value;
    std::string wanted = "a number";
    if (unit == AlertUnit::seconds) {
      wanted = "a duration such as 10m";
      if (const auto duration = parse_duration(*text)) {
        value = std::chrono::duration<double>(*duration).count();
      }
    } else if (unit == AlertUnit::bytes) {
      wanted = "a size such as 2GB";
      if (const auto bytes = parse_bytes(*text)) {
        value = static_cast<double>(*bytes);
      }
    } else if (unit == AlertUnit::share) {
      wanted = "a share such as 0.05 or 5%, at most 100%";
      const bool percent = text->ends_with('%');
      value =
          parse_number(trim(std::string_view(*text).substr(0, text->size() - (percent ? 1 : 0))));
      if (value && percent) {
        *value /= 100;
      }
      if (value && (*value < 0 || *value > 1)) {
        value.reset();
      }
    } else {
      value = parse_number(*text);
    }
    if (!value) {
      diagnostics_.error(node.at, fmt::format("the threshold of {} must be {}, not {}", what,
                                              wanted, options::shown(node)));
      return false;
    }
    rule.threshold = *value;
    return true;
  }

  const YamlFile& yaml_;
  const std::string& file_;
  Connections& connections_;
  Diagnostics& diagnostics_;
  AlertsOptions options_;
  AlertsSpec alerts_;
  std::vector<std::string> declared_;  // receivers, also those with mistakes
};

}  // namespace

std::string AlertRuleSpec::threshold_text() const {
  if (!words.empty()) {
    return join(words, " or ");
  }
  return test == AlertTest::any_row
             ? ""
             : alert_value_text(metric == nullptr ? AlertUnit::none : metric->unit, threshold);
}

const AlertReceiverSpec* AlertsSpec::receiver(std::string_view name) const noexcept {
  const auto found = std::ranges::find(receivers, name, &AlertReceiverSpec::name);
  return found == receivers.end() ? nullptr : &*found;
}

std::vector<std::string> AlertsSpec::names() const {
  std::vector<std::string> names;
  for (const AlertRuleSpec& rule : rules) {
    const SqlWords words = scan_sql(rule.query.text);
    names.insert(names.end(), words.names.begin(), words.names.end());
  }
  std::ranges::sort(names);
  const auto repeats = std::ranges::unique(names);
  names.erase(repeats.begin(), repeats.end());
  return names;
}

AlertsSpec read_alerts(const YamlFile& yaml, const Node::Entry& section, const std::string& file,
                       Connections& connections, Diagnostics& diagnostics) {
  return AlertsReader(yaml, file, connections, diagnostics).read(section);
}

}  // namespace millrace
