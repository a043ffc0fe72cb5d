// What a request asks for: the values of its endpoint's parameters, checked.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "http/message.h"
#include "http/router.h"
#include "serve/answer.h"
#include "spec/serve.h"
#include "sql/live_tables.h"
#include "sql/read_query.h"

namespace millrace::serve {

/// Query parameters of every endpoint.
inline constexpr std::string_view kWaitParameter = "wait_for_batch";
inline constexpr std::string_view kWaitHeader = "Millrace-Wait-For-Batch";

/// Reads requests to one endpoint. Thread-safe.
class RequestReader {
 public:
  /// The endpoint outlives it.
  explicit RequestReader(const EndpointSpec& endpoint);

  using Values = std::vector<sql::ReadValue>;
  /// By the order of the endpoint's parameters.
  [[nodiscard]] std::expected<Values, Refused> read(const http::Request& request,
                                                    const http::Captured& captured) const;

 private:
  [[nodiscard]] std::expected<sql::ReadValue, Refused> read_one(
      std::size_t index, const http::Request& request, const http::Captured& captured) const;
  [[nodiscard]] std::optional<Refused> refuse_unknown(const http::Request& request) const;

  const EndpointSpec& endpoint_;
  std::vector<std::optional<std::size_t>> captured_;  ///< of a parameter of the path: its place
  std::vector<std::optional<std::regex>> patterns_;
};

/// The batch that a request waits for; nullopt: none.
[[nodiscard]] std::expected<std::optional<std::int64_t>, Refused> batch_waited_for(
    const http::Request& request);

/// "customer_id" as SQL sees it: BIGINT, ...
[[nodiscard]] std::vector<sql::ReadParameter> read_parameters(const EndpointSpec& endpoint);

/// A text that two requests share if, and only if, they have the same values.
[[nodiscard]] std::string key_of(std::size_t endpoint, const std::vector<sql::ReadValue>& values);

}  // namespace millrace::serve
