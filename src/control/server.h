// The server of a control API: where it listens, and that others find it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "control/control.h"
#include "control/metrics_http.h"
#include "control/registry.h"
#include "http/server.h"
#include "spec/control.h"

namespace millrace::control {

/// Serves a control until it is destroyed.
class ControlServer {
 public:
  /// If nobody has asked for its address, and that is taken, it is one of the next ports. The
  /// metrics outlive it. Throws Error.
  ControlServer(Control& control, const ControlSpec& spec, Metrics& metrics);
  ~ControlServer();
  /// "http://127.0.0.1:8420"
  [[nodiscard]] const std::string& url() const noexcept { return url_; }
  /// So that `millrace ps` finds it.
  void announce(const std::string& name, const std::vector<std::string>& pipelines);

 private:
  std::unique_ptr<http::Server> server_;
  std::string url_;
  std::optional<ServerMetrics> metrics_;
  std::optional<Registration> registration_;
};

}  // namespace millrace::control
