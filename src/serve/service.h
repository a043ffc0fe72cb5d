// What a pipeline serves: answers to requests by its `serve:`.
//
//   Diagnostics diagnostics;
//   auto service = Service::make({spec, connectors, database, tables, graph}, diagnostics);
//   service->start();
//   http::Server server(spec.serve->server, *service, service->shaper());
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "http/message.h"
#include "http/problem.h"
#include "http/router.h"
#include "serve/absent.h"
#include "serve/answer_cache.h"
#include "serve/changes.h"
#include "serve/commits.h"
#include "serve/endpoint.h"
#include "serve/readable.h"
#include "serve/responses.h"
#include "serve/timer.h"
#include "serve/workers.h"
#include "sql/kept_files.h"

namespace millrace::serve {

/// What a service is made of. All of it outlives the service, but for the graph, which only says
/// what there is: sources that it lacks, and that endpoints read, are waited for.
struct ServiceParts {
  const PipelineSpec& spec;  ///< with `serve`
  const ConnectorList& connectors;
  sql::Database& database;
  sql::LiveTables& tables;
  const Graph& graph;
  std::string version;  ///< of millrace, for the API's description
};

/// All endpoints, for metrics.
struct ServiceStats {
  std::vector<EndpointStats> endpoints;
  std::int64_t cache_bytes = 0;
  std::int64_t cache_answers = 0;
  sql::KeptFiles::Stats kept;  ///< rows of files
  std::int64_t waiting = 0;    ///< queries in the queue
  std::int64_t followers = 0;  ///< of changes
};

/// Thread-safe. A row that is found by its key, and an answer that was kept, are given at once on
/// the thread of the server; all else runs on threads of its own, of which a bounded number of
/// requests may wait.
class Service final : public http::Handler {
 public:
  /// Reports every mistake in queries at its place, as far as what they read is there; nullptr:
  /// there was one. Runs no query.
  [[nodiscard]] static std::unique_ptr<Service> make(const ServiceParts& parts,
                                                     Diagnostics& diagnostics);
  ~Service() override;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Starts the threads. Before, requests get 503.
  void start();
  void handle(http::Request request, http::Responder respond) override;
  /// For the problems of the HTTP server.
  [[nodiscard]] http::ProblemShaper shaper() const;
  /// Whether all that is served has data.
  [[nodiscard]] bool is_ready() const;
  [[nodiscard]] ServiceStats stats() const;
  /// The description of the API, OpenAPI 3.1.
  [[nodiscard]] std::shared_ptr<const std::string> openapi() const;

 private:
  explicit Service(const ServiceParts& parts);

  /// A request on its way.
  struct Call {
    Endpoint& endpoint;
    http::Request request;
    http::Responder respond;
    RequestReader::Values values;
    std::chrono::steady_clock::time_point begin;
    std::chrono::steady_clock::time_point deadline;
    std::atomic_flag is_answered{};
    Timer::Handle too_late;  ///< answers at the deadline, whatever its query waits for
  };
  using CallPtr = std::shared_ptr<Call>;  // shared by what waits, and what makes its answer

  bool prepare(const ServiceParts& parts, Diagnostics& diagnostics);
  bool prepare_endpoint(const ServiceParts& parts, Endpoint& endpoint, Diagnostics& diagnostics);
  void prepare_again();
  bool look_for_absent();
  [[nodiscard]] bool is_waiting(const Endpoint& endpoint) const;
  void describe();
  void add_routes();
  void begin(Endpoint& endpoint, http::Request request, const http::Captured& captured,
             http::Responder respond);
  void answer(const CallPtr& call);
  void look_ahead(const Prepared& prepared, const sql::LiveSnapshot& snapshot);
  void answer_elsewhere(const CallPtr& call, std::shared_ptr<const Prepared> prepared,
                        const sql::LiveSnapshot& snapshot, const std::string& key);
  [[nodiscard]] Outcome make_answer(const CallPtr& call, const Prepared& prepared,
                                    const sql::LiveSnapshot& snapshot, const std::string& key,
                                    sql::QueryRunner& runner, const std::stop_token& stop);
  [[nodiscard]] Outcome run(const Making& making, const std::string& key, sql::QueryRunner& runner,
                            const std::stop_token& stop);
  [[nodiscard]] Stamps with_batch(Stamps stamps, const sql::LiveSnapshot& snapshot) const;
  [[nodiscard]] bool keeps(const Endpoint& endpoint, const Prepared& prepared) const;
  void give(Call& call, const Outcome& outcome, const sql::LiveVersion& version);
  void refuse(Call& call, const Refused& refused);
  void follow(Changes& changes, const http::Request& request, http::Responder respond);

  const PipelineSpec& spec_;
  const ServeSpec& serve_;
  const std::string version_;
  const bool makes_batches_;  ///< or another process does, of this pipeline
  sql::Database& database_;
  sql::LiveTables& tables_;
  Responses responses_;
  AnswerCache cache_;
  Flights flights_;
  std::unique_ptr<sql::KeptFiles> kept_;  // outlives the readables; may be null
  std::stop_source stop_;
  Absent absent_;
  std::mutex preparing_;
  std::vector<std::shared_ptr<Readable>> readables_;  // shared with what was prepared
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::vector<std::unique_ptr<Changes>> changes_;
  http::Router router_;
  mutable std::mutex openapi_lock_;
  std::shared_ptr<const std::string> openapi_;  // shared with responses
  std::atomic<bool> is_started_{false};
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<Commits> commits_;
  std::unique_ptr<Workers> workers_;
};

}  // namespace millrace::serve
