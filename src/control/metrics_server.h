// Metrics alone, for who wants to scrape a pipeline and no control API beside it.
#pragma once

#include <memory>
#include <string>

#include "base/metrics.h"

namespace millrace::control {

/// An HTTP server that answers GET /metrics and GET /healthz. Thread-safe.
class MetricsServer {
 public:
  /// Serves from now on. `listen`: "127.0.0.1:9187"; port 0: one that is free. Throws Error for
  /// what is no address, or is taken. The metrics outlive it.
  MetricsServer(const std::string& listen, Metrics& metrics);
  ~MetricsServer();

  [[nodiscard]] std::string url() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::control
