// What goes along with each pipeline of a process: tables kept readable beside it, and those who
// read them: its endpoints, the queries of its alerts, the control API.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "control/hosted_alerts.h"
#include "control/hosted_service.h"
#include "control/readable_tables.h"
#include "core/connector.h"
#include "runtime/host.h"

namespace millrace::control {

/// Outlives the hosts. Thread-safe.
class Companions {
 public:
  /// Connectors and metrics outlive it. `version`: of millrace.
  Companions(const ConnectorList& connectors, Metrics& metrics, std::string version)
      : connectors_(connectors), metrics_(metrics), version_(std::move(version)) {}

  /// Lets a host that has not started serve what its pipeline says, and has its alerts looked at.
  /// Both outlive it.
  void attach(PipelineHost& host, HostedAlerts& alerts);

  /// Calls for each pipeline that serves now; it stays meanwhile, so `call` must not wait.
  void for_each_service(const std::function<void(const PipelineSpec&, const HostedService&,
                                                 const sql::LiveVersion&)>& call) const;
  /// Asks the endpoints of a pipeline; false: it serves nothing now.
  bool ask(std::string_view pipeline, http::Request request, http::Responder respond) const;
  /// nullptr: the pipeline keeps none, or is not there. To be held for seconds at most.
  [[nodiscard]] std::shared_ptr<const ReadableTables> tables(std::string_view pipeline) const;

 private:
  class Along;

  [[nodiscard]] std::unique_ptr<Companion> make(const std::shared_ptr<const PipelineSpec>& spec,
                                                sql::Database& database, HostedAlerts& alerts,
                                                Diagnostics& diagnostics);

  const ConnectorList& connectors_;
  Metrics& metrics_;
  std::string version_;
  mutable std::mutex lock_;                     // guards the list, and who holds tables
  mutable std::condition_variable given_back_;  // of tables
  std::vector<Along*> all_;
};

/// Reports the mistakes of `serve:` and `alerts:` that only planning shows, such as in their
/// queries. Of a pipeline that is right otherwise; the database is used for nothing else.
void check_companions(const PipelineSpec& spec, const ConnectorList& connectors,
                      sql::Database& database, Diagnostics& diagnostics);

}  // namespace millrace::control
