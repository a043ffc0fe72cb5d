#include "control/alerts/notice.h"

#include <fmt/core.h>

#include <algorithm>

#include "engine/progress.h"

namespace millrace::control {
namespace {

/// "a=1, b=x; a=2, b=y"
std::string rows_text(const OrderedJson& rows) {
  std::string text;
  for (const OrderedJson& row : rows) {
    text += text.empty() ? "" : "; ";
    bool first = true;
    for (const auto& [name, value] : row.items()) {
      text += fmt::format("{}{}={}", first ? "" : ", ", name,
                          value.is_string() ? value.get<std::string>() : value.dump());
      first = false;
    }
  }
  return text;
}

std::string labels_text(const std::vector<std::pair<std::string, std::string>>& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", name, value);
  }
  return text;
}

OrderedJson labels_json(const std::vector<std::pair<std::string, std::string>>& labels) {
  OrderedJson json = OrderedJson::object();
  for (const auto& [name, value] : labels) {
    json[name] = value;
  }
  return json;
}

AlertSeverity severity_of(std::string_view word) {
  const auto& words = EnumNames<AlertSeverity>::kWords;
  const auto* const found = std::ranges::find(words, word, &EnumWord<AlertSeverity>::word);
  return found == std::end(words) ? AlertSeverity::warning : found->value;
}

}  // namespace

std::string_view word_of(AlertNotice::State state) noexcept {
  return state == AlertNotice::State::firing ? "firing" : "resolved";
}

OrderedJson AlertNotice::json() const {
  OrderedJson json;
  json["id"] = id;
  json["alert"] = alert;
  json["pipeline"] = pipeline;
  json["state"] = word_of(state);
  json["reminder"] = reminder;
  json["severity"] = enum_word(severity);
  json["message"] = message;
  json["metric"] = metric;
  json["of"] = of;
  json["value"] = value;
  json["value_text"] = value_text;
  json["threshold"] = threshold;
  json["threshold_text"] = threshold_text;
  json["since"] = iso_time(since_us);
  json["at"] = iso_time(at_us);
  json["since_us"] = since_us;
  json["at_us"] = at_us;
  json["batch"] = batch;
  json["labels"] = labels_json(labels);
  json["rows"] = rows;
  json["row_count"] = row_count;
  return json;
}

AlertNotice AlertNotice::from_json(const OrderedJson& json) {
  AlertNotice notice;
  json.at("id").get_to(notice.id);
  json.at("alert").get_to(notice.alert);
  json.at("pipeline").get_to(notice.pipeline);
  notice.state = json.at("state") == "firing" ? State::firing : State::resolved;
  json.at("reminder").get_to(notice.reminder);
  notice.severity = severity_of(json.at("severity").get<std::string>());
  json.at("message").get_to(notice.message);
  json.at("metric").get_to(notice.metric);
  json.at("of").get_to(notice.of);
  notice.value = json.at("value");
  json.at("value_text").get_to(notice.value_text);
  notice.threshold = json.at("threshold");
  json.at("threshold_text").get_to(notice.threshold_text);
  json.at("since_us").get_to(notice.since_us);
  json.at("at_us").get_to(notice.at_us);
  json.at("batch").get_to(notice.batch);
  for (const auto& [name, value] : json.at("labels").items()) {
    notice.labels.emplace_back(name, value.get<std::string>());
  }
  notice.rows = json.at("rows");
  json.at("row_count").get_to(notice.row_count);
  return notice;
}

TemplateValue AlertNotice::word(std::string_view name) const {
  const auto text = [](std::string_view of) { return TemplateValue{of, std::string(of)}; };
  if (name == "value") {
    return {value, value_text};
  }
  if (name == "threshold") {
    return {threshold, threshold_text};
  }
  if (name == "labels") {
    return {labels_json(labels), labels_text(labels)};
  }
  if (name == "rows") {
    return {rows, rows_text(rows)};
  }
  if (name == "row_count") {
    return {row_count, fmt::format("{}", row_count)};
  }
  if (name == "batch") {
    return {batch < 0 ? OrderedJson(nullptr) : OrderedJson(batch),
            batch < 0 ? "" : fmt::format("{}", batch)};
  }
  return name == "id"         ? text(id)
         : name == "alert"    ? text(alert)
         : name == "pipeline" ? text(pipeline)
         : name == "state"    ? text(word_of(state))
         : name == "severity" ? text(enum_word(severity))
         : name == "metric"   ? text(metric)
         : name == "of"       ? text(of)
         : name == "message"  ? text(message)
         : name == "since"    ? text(iso_time(since_us))
                              : text(iso_time(at_us));
}

}  // namespace millrace::control
