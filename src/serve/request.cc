#include "serve/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/strings.h"

namespace millrace::serve {
namespace {

sql::ReadValue as_read(ParameterType type, const ParameterValue& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    if (type == ParameterType::date) {
      return sql::DateValue{static_cast<std::int32_t>(*whole)};
    }
    if (type == ParameterType::timestamp) {
      return sql::TimestampValue{*whole};
    }
    return *whole;
  }
  if (const auto* number = std::get_if<double>(&value)) {
    return *number;
  }
  if (const auto* flag = std::get_if<bool>(&value)) {
    return *flag;
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    return *text;
  }
  return std::monostate();
}

std::string_view sql_type(ParameterType type) {
  switch (type) {
    case ParameterType::integer:
      return "BIGINT";
    case ParameterType::number:
      return "DOUBLE";
    case ParameterType::string:
      return "VARCHAR";
    case ParameterType::boolean:
      return "BOOLEAN";
    case ParameterType::date:
      return "DATE";
    case ParameterType::timestamp:
      return "TIMESTAMP";
  }
  std::unreachable();
}

template <class T>
void add_bytes(T value, std::string& to) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  to.append(bytes, sizeof(T));
}

}  // namespace

RequestReader::RequestReader(const EndpointSpec& endpoint) : endpoint_(endpoint) {
  std::vector<std::string_view> in_path;
  for (const auto& segment : endpoint.segments) {
    if (segment.is_parameter) {
      in_path.push_back(segment.text);
    }
  }
  for (const ParameterSpec& parameter : endpoint.parameters) {
    const auto found = std::ranges::find(in_path, parameter.name);
    captured_.push_back(found == in_path.end()
                            ? std::nullopt
                            : std::optional(static_cast<std::size_t>(found - in_path.begin())));
    patterns_.push_back(parameter.pattern.empty() ? std::nullopt
                                                  : std::optional<std::regex>(parameter.pattern));
  }
}

std::expected<RequestReader::Values, Refused> RequestReader::read(
    const http::Request& request, const http::Captured& captured) const {
  if (auto refused = refuse_unknown(request)) {
    return std::unexpected(std::move(*refused));
  }
  Values values;
  values.reserve(endpoint_.parameters.size());
  for (std::size_t i = 0; i < endpoint_.parameters.size(); ++i) {
    auto value = read_one(i, request, captured);
    if (!value) {
      return std::unexpected(std::move(value.error()));
    }
    values.push_back(std::move(*value));
  }
  return values;
}

std::expected<sql::ReadValue, Refused> RequestReader::read_one(
    std::size_t index, const http::Request& request, const http::Captured& captured) const {
  const ParameterSpec& parameter = endpoint_.parameters[index];
  const auto refuse = [&](const std::string& why) {
    return std::unexpected(Refused{Fault::invalid_parameter, parameter.error,
                                   fmt::format("`{}` {}", parameter.name, why)});
  };
  std::optional<std::string_view> text;
  if (captured_[index]) {
    text = captured.at(*captured_[index]);
  } else {
    for (const auto& [name, value] : request.query) {
      if (name == parameter.name && text) {
        return refuse("stands there twice");
      }
      if (name == parameter.name) {
        text = value;
      }
    }
  }
  if (!text && parameter.required) {
    return refuse("is missing");
  }
  if (!text) {
    return as_read(parameter.type, parameter.default_value);
  }
  const auto value = read_parameter(parameter, *text);
  const auto& pattern = patterns_[index];
  if (!value || (pattern && !std::regex_match(text->begin(), text->end(), *pattern))) {
    return refuse(fmt::format("must be {}", wanted_of(parameter)));
  }
  return as_read(parameter.type, *value);
}

std::optional<Refused> RequestReader::refuse_unknown(const http::Request& request) const {
  if (endpoint_.unknown_parameters == UnknownParameters::ignore) {
    return std::nullopt;
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < endpoint_.parameters.size(); ++i) {
    if (!captured_[i]) {
      names.push_back(endpoint_.parameters[i].name);
    }
  }
  for (const auto& [name, value] : request.query) {
    if (name != kWaitParameter && std::ranges::find(names, name) == names.end()) {
      return Refused{Fault::unknown_parameter, "", did_you_mean(name, names)};
    }
  }
  return std::nullopt;
}

std::expected<std::optional<std::int64_t>, Refused> batch_waited_for(const http::Request& request) {
  std::string_view text = request.header(kWaitHeader);
  if (const auto parameter = request.parameter(kWaitParameter)) {
    text = *parameter;
  } else if (text.empty()) {
    return std::nullopt;
  }
  const auto batch = parse_integer(text);
  if (!batch || *batch < 0) {
    return std::unexpected(
        Refused{Fault::invalid_parameter, "",
                fmt::format("`{}` must be the number of a batch, at least 0", kWaitParameter)});
  }
  return batch;
}

std::vector<sql::ReadParameter> read_parameters(const EndpointSpec& endpoint) {
  std::vector<sql::ReadParameter> parameters;
  parameters.reserve(endpoint.parameters.size());
  for (const ParameterSpec& parameter : endpoint.parameters) {
    parameters.push_back({parameter.name, std::string(sql_type(parameter.type))});
  }
  return parameters;
}

std::string key_of(std::size_t endpoint, const std::vector<sql::ReadValue>& values) {
  std::string key;
  add_bytes(endpoint, key);
  for (const sql::ReadValue& value : values) {
    key += static_cast<char>(value.index());
    std::visit(
        [&](const auto& each) {
          using T = std::decay_t<decltype(each)>;
          if constexpr (std::is_same_v<T, std::string>) {
            add_bytes(each.size(), key);
            key += each;
          } else if constexpr (!std::is_same_v<T, std::monostate>) {
            add_bytes(each, key);
          }
        },
        value);
  }
  return key;
}

}  // namespace millrace::serve
