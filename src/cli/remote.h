// Running processes of millrace, for the commands that ask them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "connectors/http_client.h"
#include "core/source.h"

namespace millrace::cli {

/// How a running process is reached. Throws Error that says what to do.
struct RemoteOptions {
  std::string url;       ///< empty: the processes of this machine are looked for
  std::string pipeline;  ///< empty: the only one
};

/// The control API of one process.
class Remote {
 public:
  /// `patience`: how long an answer may take.
  explicit Remote(std::string url, std::chrono::milliseconds patience = std::chrono::seconds(30));

  /// JSON of a path below /api/v1. An answer that is a problem is an Error of the user's.
  [[nodiscard]] Json get(const std::string& path);
  [[nodiscard]] Json post(const std::string& path, const Json& body);
  [[nodiscard]] const std::string& url() const noexcept { return url_; }

 private:
  Json ask(HttpRequest request);

  std::string url_;
  std::unique_ptr<HttpClient> client_;
};

/// A pipeline that runs somewhere.
struct RunningPipeline {
  std::shared_ptr<Remote> remote;  // shared by the pipelines of a process
  std::int64_t pid = 0;
  Json summary;  ///< `PipelineSummary` of the control API
};

/// All of the process at the URL, or of this machine's processes of this user. A process that does
/// not answer is left out, unless it was asked for; `silent` takes what is wrong with it, which
/// without it is printed.
[[nodiscard]] std::vector<RunningPipeline> running_pipelines(
    const std::string& url, std::vector<std::string>* silent = nullptr);
/// The one that is meant.
[[nodiscard]] RunningPipeline find_running(const RemoteOptions& options);

}  // namespace millrace::cli
