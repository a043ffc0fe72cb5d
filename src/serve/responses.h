// Responses in the envelope of the file: results, and all that can be wrong.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "http/problem.h"
#include "serve/answer.h"
#include "serve/shape.h"
#include "spec/serve.h"
#include "sql/live_tables.h"

namespace millrace::serve {

/// Thread-safe.
class Responses {
 public:
  /// The spec outlives it.
  explicit Responses(const ServeSpec& spec);

  /// The answer of rows, each a JSON object.
  [[nodiscard]] Answer of_rows(const EndpointSpec& endpoint, std::string rows, std::int64_t count,
                               bool is_truncated, const sql::LiveVersion& version) const;
  /// A kept or new answer, for one who asked; 304 if that one has it already.
  [[nodiscard]] http::Response to(const http::Request& request, const EndpointSpec& endpoint,
                                  const Answer& answer, const sql::LiveVersion& version) const;
  /// `endpoint`: nullptr if none is concerned.
  [[nodiscard]] http::Response refuse(const EndpointSpec* endpoint, const Refused& refused,
                                      std::vector<http::Header> headers = {}) const;
  /// A problem that the HTTP server has found.
  [[nodiscard]] http::Response shape(const http::Problem& problem) const;
  /// Whether answers differ from batch to batch even if their rows do not.
  [[nodiscard]] bool tell_batch() const noexcept { return success_.tells_batch(); }

 private:
  const ServeSpec& spec_;
  Shape success_;
  Shape error_;
};

/// Millrace-Batch and Millrace-Watermark.
void add_version(const sql::LiveVersion& version, std::vector<http::Header>& headers);

}  // namespace millrace::serve
