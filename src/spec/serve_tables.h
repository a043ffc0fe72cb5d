// The options of `serve:`, each declared once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "http/options.h"
#include "spec/serve.h"

namespace millrace {

struct ServeOptions {
  http::ServerOptions server;
  std::string title;
  std::string description;
  Node envelope;
  Node errors;
  Bytes cache_size{64LL << 20};
  Bytes file_cache_size{256LL << 20};
  int query_threads = 4;
  int query_queue = 1'000;
  std::chrono::milliseconds refresh{1'000};
  std::chrono::milliseconds wait_timeout{30'000};
  std::int64_t max_rows = 10'000;
  std::chrono::milliseconds timeout{10'000};
  UnknownParameters unknown_parameters = UnknownParameters::ignore;
  Node endpoints;
};

struct EnvelopeOptions {
  Node success;
  Node error;
};

struct ErrorOptions {
  std::string message;
  std::string code;
  std::optional<int> status;
};

struct EndpointOptions {
  std::string get;
  std::string changes;
  std::string path;
  Node parameters;
  Node query;
  Returns returns = Returns::many;
  std::optional<Empty> empty;
  std::string message;
  std::string data;
  std::string description;
  Node errors;
  std::optional<std::int64_t> max_rows;
  std::optional<std::chrono::milliseconds> timeout;
  bool cache = true;
  std::chrono::milliseconds max_age{0};
  std::optional<UnknownParameters> unknown_parameters;
};

struct ParameterOptions {
  std::optional<ParameterPlace> in;
  ParameterType type = ParameterType::string;
  bool required = false;
  Node default_value;
  Node minimum;
  Node maximum;
  std::string pattern;
  std::vector<std::string> allowed;
  std::string error;
  std::string description;
  std::string example;
};

[[nodiscard]] OptionTable<ServeOptions> serve_table();
[[nodiscard]] OptionTable<EnvelopeOptions> envelope_table();
[[nodiscard]] OptionTable<ErrorOptions> error_table();
[[nodiscard]] OptionTable<EndpointOptions> endpoint_table();
[[nodiscard]] OptionTable<ParameterOptions> parameter_table();

}  // namespace millrace
