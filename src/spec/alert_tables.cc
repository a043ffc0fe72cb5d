#include "spec/alert_tables.h"

namespace millrace {

using std::chrono::milliseconds;

OptionTable<AlertsOptions> alerts_table() {
  using O = AlertsOptions;
  return {
      Option<O>{&O::receivers, "receivers",
                "Who can be told, each under a name. `log` is always one of them."}
          .example("{ ops: { type: webhook, url: 'https://hooks.example.com/x' } }"),
      Option<O>{&O::notify, "notify", "Receivers that are told by rules that name none."},
      Option<O>{&O::every, "every",
                "How often rules are looked at while no batch comes. They are looked at after each "
                "batch, too; those with a query at most once a second."}
          .at_least(milliseconds(100)),
      Option<O>{&O::repeat, "repeat",
                "Remind again of an alert that is still firing, so long after the last time."}
          .default_text("none: it is told of once")
          .example("4h")
          .at_least(milliseconds(1000)),
      Option<O>{&O::labels, "labels", "Labels that the notices of all rules have."}.example(
          "{ team: shop }"),
      Option<O>{&O::rules, "rules", "What is watched: a list."}.required().example(
          "[{ name: behind, metric: lag_rows, above: 100000, for: 5m }]"),
  };
}

OptionTable<ReceiverOptions> receiver_table() {
  using O = ReceiverOptions;
  return {
      Option<O>{&O::type, "type", "What the receiver is, if it has no `to`."}
          .default_text("none: required without `to`")
          .example("webhook"),
      Option<O>{&O::to, "to",
                "Where notices are written as rows: a connection, as `to` of a sink, with that "
                "system's options of a sink beside it. `format` is json there if it says nothing "
                "else."}
          .example("bus"),
      Option<O>{&O::send_resolved, "send_resolved", "Whether to tell that an alert is over."},
      Option<O>{&O::retry_for, "retry_for",
                "For how long to go on trying to send a notice. Then it is given up, which is "
                "counted, and logged as an error."},
  };
}

OptionTable<WebhookOptions> webhook_table() {
  using O = WebhookOptions;
  return {
      Option<O>{&O::url, "url",
                "Where notices are sent by POST. It is never logged, and may hold "
                "`${env:NAME}` or be `${file:PATH}`."}
          .required()
          .example("https://hooks.example.com/x"),
      Option<O>{&O::headers, "headers",
                "Headers of each request, whose values may hold `${env:NAME}` or be "
                "`${file:PATH}`; secrets have to. They are never logged."}
          .example("{ Authorization: 'Bearer ${env:HOOK}' }"),
      Option<O>{
          &O::body, "body",
          "The JSON that is sent, with `$value` and other words for what differs. A text that "
          "is one word alone becomes a number, list or mapping, if the word stands for one."}
          .default_text("all that a notice has")
          .example("{ text: '$alert of $pipeline: $message' }"),
      Option<O>{&O::ca_file, "ca_file", "Certificates (PEM) of those whom to trust."}
          .path()
          .default_text("those that the system trusts"),
      Option<O>{&O::timeout, "timeout", "How long a request may take."}
          .at_least(milliseconds(1))
          .at_most(milliseconds(600'000)),
  };
}

OptionTable<AlertRuleOptions> alert_rule_table() {
  using O = AlertRuleOptions;
  return {
      Option<O>{&O::name, "name", "The name of the alert."}.required().example("behind"),
      Option<O>{&O::metric, "metric",
                "What is watched; see the table of metrics. Or `finding`, or `query`."}
          .example("lag_rows"),
      Option<O>{
          &O::finding, "finding",
          "Fire while the server finds this by itself, and say it in its words; see the table "
          "of findings. It has no threshold."}
          .example("falling_behind"),
      Option<O>{&O::of, "of",
                "The source, dataset, sink or check (`dataset.check`) that the metric, or the "
                "finding, is of."}
          .default_text("all of them together")
          .example("clicks"),
      Option<O>{
          &O::query, "query",
          "A SELECT over datasets as of the last batch, or the path of a .sql file. Without a "
          "threshold the alert fires while it has rows; with one, its first row has a column "
          "`value`, or one column, which is compared."}
          .example("SELECT id FROM totals WHERE total < 0"),
      Option<O>{&O::above, "above",
                "Fire while the value is larger: a number, a duration, a size or a share, as the "
                "metric has it."}
          .example("100000"),
      Option<O>{&O::below, "below", "Fire while the value is smaller."}.example("1"),
      Option<O>{&O::equal, "equal",
                "Fire while the value is this one; of the metric `state`, one or more words."}
          .example("failed"),
      Option<O>{&O::over, "over", "Counts and shares are those of so long, not of the last batch."}
          .default_text("the last batch")
          .example("5m")
          .at_least(milliseconds(1000))
          .at_most(milliseconds(7LL * 24 * 3'600'000)),
      Option<O>{&O::wait, "for", "For how long it has to be so before the alert fires."},
      Option<O>{&O::keep_firing_for, "keep_firing_for",
                "For how long it must not be so any more before the alert is over."},
      Option<O>{&O::every, "every", "How often the rule is looked at."}
          .default_text("after each batch, and as `every` of alerts says")
          .example("1m")
          .at_least(milliseconds(100)),
      Option<O>{&O::repeat, "repeat", "As `repeat` of alerts, for this rule."}
          .default_text("that of alerts")
          .example("1h")
          .at_least(milliseconds(1000)),
      Option<O>{&O::severity, "severity",
                "How bad it is. In the log, `critical` is an error, `warning` a warning."},
      Option<O>{&O::notify, "notify", "Receivers that are told."}
          .default_text("those of alerts")
          .example("[ops, log]"),
      Option<O>{&O::message, "message", "What is said, with words such as `$value`."}
          .default_text("value and threshold")
          .example("$of is $value rows behind"),
      Option<O>{&O::labels, "labels", "Labels of the notice, beside those of alerts."}.example(
          "{ runbook: lag }"),
  };
}

}  // namespace millrace
