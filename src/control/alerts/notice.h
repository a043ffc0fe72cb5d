// What receivers are told: that an alert fires, still does, or is over.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spec/alerts.h"

namespace millrace::control {

struct AlertNotice {
  enum class State : std::uint8_t { firing, resolved };
  std::string id;  ///< unique for ever: who gets a notice twice can tell by it
  std::string pipeline;
  std::string alert;
  State state = State::firing;
  bool reminder = false;  ///< it was told of before
  AlertSeverity severity = AlertSeverity::warning;
  std::string metric;  ///< "query" if it has one
  std::string of;
  OrderedJson value;  ///< a number, in seconds if it is a duration; a state; or null
  std::string value_text;
  OrderedJson threshold;  ///< as `value`; null: any row
  std::string threshold_text;
  std::string message;
  std::int64_t since_us = 0;  ///< when it began to be so
  std::int64_t at_us = 0;     ///< when this was noticed
  std::int64_t batch = -1;    ///< the last one that was committed; -1: none by this process
  std::vector<std::pair<std::string, std::string>> labels;
  OrderedJson rows = OrderedJson::array();  ///< of a query: the first ones, as objects
  std::int64_t row_count = 0;

  /// All of it: what a webhook without a template sends, and what is kept until it is sent.
  [[nodiscard]] OrderedJson json() const;
  /// The exact opposite. Throws nlohmann::json::exception for what is none.
  [[nodiscard]] static AlertNotice from_json(const OrderedJson& json);
  /// For templates: a word's value. (`message` is empty while it is being made.)
  [[nodiscard]] TemplateValue word(std::string_view name) const;
};
[[nodiscard]] std::string_view word_of(AlertNotice::State state) noexcept;

}  // namespace millrace::control
