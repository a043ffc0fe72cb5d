#include "control/companions.h"

#include <algorithm>
#include <utility>

#include "control/alerts/table_queries.h"
#include "engine/graph.h"
#include "serve/absent.h"
#include "serve/serving.h"

namespace millrace::control {
namespace {

bool has_queries(const AlertsSpec& alerts) {
  return std::ranges::any_of(alerts.rules,
                             [](const AlertRuleSpec& rule) { return rule.metric == nullptr; });
}

/// What endpoints and alerts read. A word of an alert's query may be a table's name, or none.
Serving serving_of(const PipelineSpec& spec, const ConnectorList& connectors,
                   sql::LiveTables& tables) {
  auto serving = serve::serving_of(spec, connectors, tables);
  serving.live = &tables;
  for (auto& name : alert_table_names(spec)) {
    serving.tables.push_back({.name = std::move(name), .at = spec.alerts.at, .if_possible = true});
  }
  return serving;
}

/// Plans the pipeline with the tables that are kept, and checks what alerts ask of them; nullopt,
/// or with mistakes that have been reported.
std::optional<Graph> graph_with(const Serving& serving, const PipelineSpec& spec,
                                const ConnectorList& connectors, sql::Database& database,
                                Diagnostics& diagnostics) {
  auto graph = build_graph(spec, connectors, database, diagnostics, {}, serving);
  if (graph) {
    check_alert_queries(spec.alerts, database, sql::relations_of(*serving.live), diagnostics);
  }
  return graph;
}

}  // namespace

/// Of one pipeline.
class Companions::Along final : public Companion {
 public:
  Along(Companions& of, std::shared_ptr<const PipelineSpec> spec, sql::Database& database,
        HostedAlerts& alerts)
      : of_(of),
        spec_(std::move(spec)),
        database_(database),
        alerts_(alerts),
        pipeline_(what_is_there()),
        serving_(serving_of(pipeline_, of.connectors_, tables_)) {}

  ~Along() override {
    stop_.request_stop();
    {
      std::unique_lock guard(of_.lock_);
      std::erase(of_.all_, this);
      of_.given_back_.wait(guard, [this] { return holders_ == 0; });
    }
    alerts_.set_queries(nullptr);
  }
  Along(const Along&) = delete;
  Along& operator=(const Along&) = delete;

  /// False: there was a mistake, which has been reported.
  bool start(Diagnostics& diagnostics) {
    const auto graph = graph_with(serving_, pipeline_, of_.connectors_, database_, diagnostics);
    if (graph && spec_->serve) {
      service_ =
          HostedService::start({*spec_, of_.connectors_, database_, tables_, *graph, of_.version_},
                               of_.metrics_, diagnostics);
    }
    if (diagnostics.has_errors()) {
      return false;
    }
    alerts_.use(spec_);
    alerts_.set_queries(std::make_shared<TableQueries>(database_, tables_));
    const std::lock_guard guard(of_.lock_);
    of_.all_.push_back(this);
    return true;
  }

  [[nodiscard]] const PipelineSpec& pipeline() override {
    if (std::exchange(was_asked_, true)) {  // for the first attempt it was made just now
      pipeline_ = what_is_there();
    }
    return pipeline_;
  }
  [[nodiscard]] Serving serving() const override { return serving_; }
  [[nodiscard]] const PipelineSpec& spec() const noexcept { return *spec_; }
  [[nodiscard]] const HostedService* service() const noexcept { return service_.get(); }
  [[nodiscard]] sql::LiveVersion version() const { return tables_.snapshot().version(); }

  /// With the lock held.
  [[nodiscard]] std::shared_ptr<const ReadableTables> hold() {
    ++holders_;
    const auto give_back = [this](const ReadableTables* held) {
      delete held;
      const std::lock_guard guard(of_.lock_);
      --holders_;
      of_.given_back_.notify_all();
    };
    return {new ReadableTables{*spec_, database_, tables_, stop_.get_token()}, give_back};
  }

 private:
  [[nodiscard]] PipelineSpec what_is_there() {
    return serve::without_absent(*spec_, of_.connectors_, database_, stop_.get_token());
  }

  Companions& of_;
  std::shared_ptr<const PipelineSpec> spec_;  // shared with the host that runs it
  sql::Database& database_;
  HostedAlerts& alerts_;
  std::stop_source stop_;
  sql::LiveTables tables_;
  PipelineSpec pipeline_;
  bool was_asked_ = false;
  Serving serving_;
  std::unique_ptr<HostedService> service_;
  int holders_ = 0;  // guarded by the lock of all
};

void Companions::attach(PipelineHost& host, HostedAlerts& alerts) {
  host.observe(alerts);
  host.accompany_with([this, &alerts](const auto& spec, auto& database, auto& diagnostics) {
    return make(spec, database, alerts, diagnostics);
  });
}

std::unique_ptr<Companion> Companions::make(const std::shared_ptr<const PipelineSpec>& spec,
                                            sql::Database& database, HostedAlerts& alerts,
                                            Diagnostics& diagnostics) {
  if (!spec->serve && !has_queries(spec->alerts)) {
    alerts.use(spec);
    return nullptr;
  }
  auto along = std::make_unique<Along>(*this, spec, database, alerts);
  Diagnostics found;  // what the pipeline's own mistakes are it reports itself
  if (!along->start(found)) {
    diagnostics = std::move(found);
    return nullptr;
  }
  return along;
}

void Companions::for_each_service(
    const std::function<void(const PipelineSpec&, const HostedService&, const sql::LiveVersion&)>&
        call) const {
  const std::lock_guard guard(lock_);
  for (const Along* along : all_) {
    if (along->service() != nullptr) {
      call(along->spec(), *along->service(), along->version());
    }
  }
}

bool Companions::ask(std::string_view pipeline, http::Request request,
                     http::Responder respond) const {
  const std::lock_guard guard(lock_);
  const auto found = std::ranges::find_if(all_, [&](const Along* along) {
    return along->service() != nullptr && along->spec().name == pipeline;
  });
  if (found == all_.end()) {
    return false;
  }
  (*found)->service()->ask(std::move(request), std::move(respond));
  return true;
}

std::shared_ptr<const ReadableTables> Companions::tables(std::string_view pipeline) const {
  const std::lock_guard guard(lock_);
  const auto found = std::ranges::find_if(
      all_, [&](const Along* along) { return along->spec().name == pipeline; });
  return found == all_.end() ? nullptr : (*found)->hold();
}

void check_companions(const PipelineSpec& spec, const ConnectorList& connectors,
                      sql::Database& database, Diagnostics& diagnostics) {
  if (!spec.serve && !has_queries(spec.alerts)) {
    return;
  }
  sql::LiveTables tables;
  const auto serving = serving_of(spec, connectors, tables);
  const auto graph = graph_with(serving, spec, connectors, database, diagnostics);
  if (graph && spec.serve) {
    (void)serve::Service::make({spec, connectors, database, tables, *graph, ""}, diagnostics);
  }
}

}  // namespace millrace::control
