// Values of requests, and why requests fail: what the file says of them and the answers rest on.
#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "core/times.h"
#include "spec/serve.h"

namespace millrace {
namespace {

constexpr std::int64_t kLongestText = 1'000;

constexpr FaultInfo kFaults[] = {
    {Fault::invalid_parameter, "invalid_parameter", 400, "a parameter is missing or wrong"},
    {Fault::unknown_parameter, "unknown_parameter", 400, "there is no such parameter"},
    {Fault::bad_request, "bad_request", 400, "the request is not valid"},
    {Fault::unauthorized, "unauthorized", 401, "who asks is not known"},
    {Fault::forbidden, "forbidden", 403, "this is not allowed"},
    {Fault::not_found, "not_found", 404, "there is no such row"},
    {Fault::no_such_endpoint, "no_such_endpoint", 404, "there is nothing at this path"},
    {Fault::method_not_allowed, "method_not_allowed", 405, "this path answers GET alone"},
    {Fault::payload_too_large, "payload_too_large", 413, "the request is too large"},
    {Fault::too_many_requests, "too_many_requests", 429, "too many requests"},
    {Fault::busy, "busy", 503, "too many requests wait already"},
    {Fault::not_ready, "not_ready", 503, "there is no data yet"},
    {Fault::unavailable, "unavailable", 503, "what the answer rests on can't be reached now"},
    {Fault::timeout, "timeout", 504, "the answer took too long"},
    {Fault::internal, "internal", 500, "the answer could not be made"},
};

std::size_t letters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
}

/// The value of a text by its type alone.
std::optional<ParameterValue> typed(ParameterType type, std::string_view text) {
  switch (type) {
    case ParameterType::integer:
      if (const auto value = parse_integer(text)) {
        return *value;
      }
      return std::nullopt;
    case ParameterType::number:
      if (const auto value = parse_number(text)) {
        return *value;
      }
      return std::nullopt;
    case ParameterType::string:
      return std::string(text);
    case ParameterType::boolean:
      if (text == "true" || text == "false") {
        return text == "true";
      }
      return std::nullopt;
    case ParameterType::date:
      if (std::int32_t days = 0; read_date(text, days)) {
        return std::int64_t{days};
      }
      return std::nullopt;
    case ParameterType::timestamp:
      if (const auto value = parse_timestamp(text, 6)) {
        return *value;
      }
      return std::nullopt;
  }
  std::unreachable();
}

bool within(const ParameterSpec& parameter, const ParameterValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    const auto length = static_cast<std::int64_t>(letters(*text));
    const auto* least = std::get_if<std::int64_t>(&parameter.minimum);
    const auto* most = std::get_if<std::int64_t>(&parameter.maximum);
    return length >= (least != nullptr ? *least : 0) &&
           length <= (most != nullptr ? *most : kLongestText) &&
           (parameter.allowed.empty() ||
            std::ranges::find(parameter.allowed, *text) != parameter.allowed.end());
  }
  const bool has_minimum = !std::holds_alternative<std::monostate>(parameter.minimum);
  const bool has_maximum = !std::holds_alternative<std::monostate>(parameter.maximum);
  return (!has_minimum || value >= parameter.minimum) &&
         (!has_maximum || value <= parameter.maximum);
}

std::string_view noun_of(ParameterType type) {
  switch (type) {
    case ParameterType::integer:
      return "a whole number";
    case ParameterType::number:
      return "a number";
    case ParameterType::string:
      return "a text";
    case ParameterType::boolean:
      return "`true` or `false`";
    case ParameterType::date:
      return "a date such as 2024-02-29";
    case ParameterType::timestamp:
      return "a time such as 2024-02-29T12:00:00Z";
  }
  std::unreachable();
}

}  // namespace

std::optional<ParameterValue> read_parameter(const ParameterSpec& parameter,
                                             std::string_view text) {
  auto value = typed(parameter.type, text);
  if (value && !within(parameter, *value)) {
    return std::nullopt;
  }
  return value;
}

std::string parameter_text(ParameterType type, const ParameterValue& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    std::string text;
    if (type == ParameterType::date) {
      return write_date(*whole, text) ? text : "";
    }
    if (type == ParameterType::timestamp) {
      return write_moment(*whole, 6, text) ? text + "Z" : "";
    }
    return std::to_string(*whole);
  }
  if (const auto* number = std::get_if<double>(&value)) {
    return fmt::format("{}", *number);
  }
  if (const auto* flag = std::get_if<bool>(&value)) {
    return *flag ? "true" : "false";
  }
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr ? *text : "";
}

std::string wanted_of(const ParameterSpec& parameter) {
  if (!parameter.allowed.empty()) {
    return alternatives(parameter.allowed);
  }
  const bool is_text = parameter.type == ParameterType::string;
  const auto bound = is_text ? ParameterType::integer : parameter.type;
  const auto least = parameter_text(bound, parameter.minimum);
  const auto most = parameter_text(bound, parameter.maximum);
  std::string text(noun_of(parameter.type));
  if (!least.empty() && !most.empty()) {
    text += fmt::format(" of {} to {}", least, most);
  } else if (!least.empty()) {
    text += fmt::format(" of at least {}", least);
  } else if (!most.empty()) {
    text += fmt::format(" of at most {}", most);
  }
  if (is_text && !(least.empty() && most.empty())) {
    text += " letters";
  }
  if (!parameter.pattern.empty()) {
    text += fmt::format(" like `{}`", parameter.pattern);
  }
  return text;
}

const FaultInfo& info_of(Fault fault) noexcept {
  return *std::ranges::find(kFaults, fault, &FaultInfo::fault);
}

FaultInfo info_of(Fault fault, const ErrorSpecs& own) noexcept {
  FaultInfo info = info_of(fault);
  if (const auto found = own.find(fault); found != own.end()) {
    const ErrorSpec& error = found->second;
    info.message = error.message.empty() ? info.message : error.message;
    info.code = error.code.empty() ? info.code : error.code;
    info.status = error.status == 0 ? info.status : error.status;
  }
  return info;
}

std::vector<std::string> fault_codes() {
  std::vector<std::string> codes;
  for (const FaultInfo& info : kFaults) {
    codes.emplace_back(info.code);
  }
  return codes;
}

Fault fault_of(int status) noexcept {
  if (status == 400 || status == 404) {
    return status == 400 ? Fault::bad_request : Fault::no_such_endpoint;
  }
  const auto* const found = std::ranges::find(kFaults, status, &FaultInfo::status);
  if (found != std::end(kFaults)) {
    return found->fault;
  }
  constexpr int kMethodUnknown = 501;
  constexpr int kVersionUnknown = 505;
  const bool is_ours = status >= 500 && status != kMethodUnknown && status != kVersionUnknown;
  return is_ours ? Fault::internal : Fault::bad_request;
}

const ParameterSpec* EndpointSpec::find(std::string_view name) const noexcept {
  const auto found = std::ranges::find(parameters, name, &ParameterSpec::name);
  return found == parameters.end() ? nullptr : &*found;
}

}  // namespace millrace
