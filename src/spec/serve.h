// `serve:` of a pipeline file: which requests are answered, and with what.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/options.h"
#include "http/options.h"
#include "spec/located_sql.h"

namespace millrace {

/// What a parameter of a request is.
enum class ParameterType : std::uint8_t { integer, number, string, boolean, date, timestamp };
template <>
struct EnumNames<ParameterType> {
  using T = ParameterType;
  static constexpr EnumWord<T> kWords[] = {{T::integer, "int"},   {T::number, "number"},
                                           {T::string, "string"}, {T::boolean, "bool"},
                                           {T::date, "date"},     {T::timestamp, "timestamp"}};
};

/// Where a parameter stands in a request.
enum class ParameterPlace : std::uint8_t { path, query };
template <>
struct EnumNames<ParameterPlace> {
  static constexpr EnumWord<ParameterPlace> kWords[] = {{ParameterPlace::path, "path"},
                                                        {ParameterPlace::query, "query"}};
};

/// The value of a parameter. A date is its days, and a timestamp its microseconds, since 1970.
using ParameterValue = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

/// `parameters:` of an endpoint.
struct ParameterSpec {
  std::string name;
  Location at;
  ParameterPlace in = ParameterPlace::query;
  ParameterType type = ParameterType::string;
  bool required = false;         ///< one of a path always is
  ParameterValue default_value;  ///< monostate: NULL
  ParameterValue minimum;        ///< monostate: none; of a string: its number of letters
  ParameterValue maximum;
  std::string pattern;               ///< a regular expression (ECMAScript) of all of it
  std::vector<std::string> allowed;  ///< its `enum`; empty: all
  std::string error;                 ///< the message when it is wrong; empty: that of the endpoint
  std::string description;
  std::string example;
};

/// The value that a text of a request means; nullopt: it means none that is allowed. `pattern` is
/// not looked at.
[[nodiscard]] std::optional<ParameterValue> read_parameter(const ParameterSpec& parameter,
                                                           std::string_view text);
/// What it has to be, to follow "must be".
[[nodiscard]] std::string wanted_of(const ParameterSpec& parameter);
/// The opposite of read_parameter(): "2024-02-29".
[[nodiscard]] std::string parameter_text(ParameterType type, const ParameterValue& value);

/// Why a request gets no result.
enum class Fault : std::uint8_t {
  invalid_parameter,
  unknown_parameter,
  bad_request,
  unauthorized,
  forbidden,
  not_found,
  no_such_endpoint,
  method_not_allowed,
  payload_too_large,
  too_many_requests,
  busy,
  not_ready,
  unavailable,
  timeout,
  internal,
};

/// A fault as clients see it.
struct FaultInfo {
  Fault fault;
  std::string_view code;     ///< for programs, and in `errors:` of the file
  int status;                ///< of HTTP
  std::string_view message;  ///< if the file says no other
};
[[nodiscard]] const FaultInfo& info_of(Fault fault) noexcept;

/// What a file says of an error in place of the usual.
struct ErrorSpec {
  std::string message;  ///< empty: the usual one
  std::string code;     ///< empty: the usual one
  int status = 0;       ///< 0: the usual one
};
using ErrorSpecs = std::map<Fault, ErrorSpec>;
/// A fault as clients of that file see it. Its texts live as long as `own`.
[[nodiscard]] FaultInfo info_of(Fault fault, const ErrorSpecs& own) noexcept;
[[nodiscard]] std::vector<std::string> fault_codes();
/// The fault that an HTTP status tells of.
[[nodiscard]] Fault fault_of(int status) noexcept;

/// The shape of an answer, in which these texts stand for what differs: $data, $message, $status
/// (of HTTP), $code, $hint, $batch, $watermark.
using AnswerShape = nlohmann::ordered_json;
inline constexpr std::string_view kShapeWords[] = {"$data", "$message", "$status",   "$code",
                                                   "$hint", "$batch",   "$watermark"};

/// How many rows an endpoint gives.
enum class Returns : std::uint8_t { many, one };
template <>
struct EnumNames<Returns> {
  static constexpr EnumWord<Returns> kWords[] = {{Returns::many, "many"}, {Returns::one, "one"}};
};

/// What an endpoint says when there is no row.
enum class Empty : std::uint8_t { ok, not_found };
template <>
struct EnumNames<Empty> {
  static constexpr EnumWord<Empty> kWords[] = {{Empty::ok, "ok"}, {Empty::not_found, "not_found"}};
};

/// What becomes of parameters that an endpoint does not know.
enum class UnknownParameters : std::uint8_t { ignore, refuse };
template <>
struct EnumNames<UnknownParameters> {
  using U = UnknownParameters;
  static constexpr EnumWord<U> kWords[] = {{U::ignore, "ignore"}, {U::refuse, "refuse"}};
};

/// One of `endpoints:`: the answer to GET of a path.
struct EndpointSpec {
  /// A piece of the path between slashes: itself, or the name of a parameter.
  struct Segment {
    std::string text;
    bool is_parameter = false;
    bool operator==(const Segment&) const = default;
  };
  std::string path;  ///< "/customer/{id}"
  Location at;
  std::vector<Segment> segments;
  std::vector<ParameterSpec> parameters;
  SqlText query;
  Returns returns = Returns::many;
  Empty empty = Empty::ok;
  std::string message;  ///< of success
  std::string data;     ///< the key that the row or rows come under; empty: none
  std::string description;
  ErrorSpecs errors;  ///< those of the file, too
  std::int64_t max_rows = 10'000;
  std::chrono::milliseconds timeout{10'000};
  bool cache = true;
  std::chrono::milliseconds max_age{0};
  UnknownParameters unknown_parameters = UnknownParameters::ignore;
  std::string changes;  ///< a table whose changes are sent as events; empty: the answer is `query`

  [[nodiscard]] const ParameterSpec* find(std::string_view name) const noexcept;
};

struct ServeSpec {
  Location at;
  http::ServerOptions server;
  std::string title;
  std::string description;
  AnswerShape success;  ///< null: the data itself
  AnswerShape error;
  ErrorSpecs errors;
  std::int64_t cache_bytes = 64LL << 20;
  std::int64_t file_cache_bytes = 256LL << 20;
  int query_threads = 4;
  int query_queue = 1'000;
  std::chrono::milliseconds refresh{1'000};
  std::chrono::milliseconds wait_timeout{30'000};
  std::vector<EndpointSpec> endpoints;

  /// Words of the queries, and the tables whose changes are followed, in lower case: whatever they
  /// read is among them.
  [[nodiscard]] std::vector<std::string> names() const;
};

}  // namespace millrace
