// The paths of the control API, and what they have in common.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/source.h"
#include "http/message.h"
#include "http/problem.h"
#include "http/router.h"

namespace millrace::control {

class Control;
class Watched;

/// Adds all paths. The control outlives the router.
void add_routes(http::Router& router, Control& control);

// For those who answer:

/// A body of JSON.
struct Reply {
  std::string body;
  bool is_immutable = false;  ///< it will never be another
  int status = 200;
};
using Answer = std::expected<Reply, http::Problem>;

[[nodiscard]] Reply reply(const Json& json);
[[nodiscard]] http::Problem problem(int status, std::string code, std::string message,
                                    std::string hint = "");
/// A number of the query; nullopt: it is not there. A Problem for one that is none.
[[nodiscard]] std::expected<std::optional<std::int64_t>, http::Problem> number_of(
    const http::Request& request, std::string_view name);
/// Who asks, for people.
[[nodiscard]] std::string asker(const http::Request& request);

[[nodiscard]] Json summary_json(const Control& control, const Watched& watched);

// One for each path; on threads of the control.
[[nodiscard]] Answer get_pipelines(Control& control);
[[nodiscard]] Answer get_progress(Watched& watched, const http::Request& request);
[[nodiscard]] Answer get_graph(Watched& watched, const http::Request& request);
[[nodiscard]] Answer get_batch(Watched& watched, const std::string& number,
                               const http::Request& request);
[[nodiscard]] Answer get_checks(Watched& watched, const http::Request& request);
[[nodiscard]] Answer get_state(Watched& watched, const http::Request& request);
[[nodiscard]] Answer get_quarantine(Watched& watched, const http::Request& request);
[[nodiscard]] Answer get_events(Control& control, const http::Request& request);
[[nodiscard]] Answer post_control(Watched& watched, const Json& body, const std::string& by);
/// Answers later, between two batches.
void post_quarantine(Watched& watched, const Json& body, const std::string& by,
                     const std::function<void(Answer)>& done);

/// How many rows wait in the quarantine of a pipeline. Counts each file once.
[[nodiscard]] std::int64_t rows_in_quarantine(const Watched& watched);
/// A row that a check has put aside, of the last batches up to one; nullopt: none is near.
[[nodiscard]] std::optional<std::string> row_in_quarantine(const Watched& watched,
                                                           const std::string& dataset,
                                                           const std::string& check,
                                                           std::int64_t up_to);

}  // namespace millrace::control
