#include "serve/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "serve/openapi.h"
#include "serve/page.h"
#include "spec/sql_text.h"

namespace millrace::serve {

using std::chrono::steady_clock;

namespace {

http::Response page(std::string_view type, std::shared_ptr<const std::string> body,
                    std::vector<http::Header> headers = {}) {
  headers.push_back({"Content-Type", std::string(type)});
  return {.headers = std::move(headers), .body = std::move(body)};
}

}  // namespace

Service::Service(const ServiceParts& parts)
    : spec_(parts.spec),
      serve_(*parts.spec.serve),
      version_(parts.version),
      makes_batches_(!parts.spec.datasets.empty() || !parts.spec.sinks.empty()),
      database_(parts.database),
      tables_(parts.tables),
      responses_(serve_),
      cache_(serve_.cache_bytes),
      kept_(serve_.file_cache_bytes > 0
                ? std::make_unique<sql::KeptFiles>(database_, serve_.file_cache_bytes)
                : nullptr),
      absent_({parts.spec, parts.connectors, parts.database, serve_.refresh, stop_.get_token(),
               kept_.get()}),
      router_([this](const http::Problem& problem) { return responses_.shape(problem); }) {}

Service::~Service() {
  stop_.request_stop();
  absent_.stop();
  if (is_started_) {
    for (const auto& each : changes_) {
      each->close();
    }
    timer_->stop();
    commits_.reset();
    workers_.reset();
  }
}

std::unique_ptr<Service> Service::make(const ServiceParts& parts, Diagnostics& diagnostics) {
  std::unique_ptr<Service> service(new Service(parts));
  if (!service->prepare(parts, diagnostics)) {
    return nullptr;
  }
  service->describe();
  service->add_routes();
  return service;
}

bool Service::prepare(const ServiceParts& parts, Diagnostics& diagnostics) {
  const std::size_t errors_before = diagnostics.error_count();
  const ReadableParts readable_parts{parts.spec,  parts.connectors, parts.database,    parts.tables,
                                     parts.graph, serve_.refresh,   stop_.get_token(), kept_.get()};
  open_live_tables(readable_parts);
  const auto find = [&](const std::string& name) {
    return std::ranges::find_if(spec_.sources, [&](const SourceSpec& source) {
      return equal_ignoring_case(source.name, name) && source.table;
    });
  };
  for (const std::string& name : serve_.names()) {
    const auto source = find(name);
    if (source != spec_.sources.end() && !parts.graph.find(name)) {
      absent_.add(*source, "it is away");
      continue;
    }
    try {
      if (auto readable = make_readable(readable_parts, name)) {
        readables_.push_back(std::move(readable));
      }
    } catch (const Error& error) {
      if (source != spec_.sources.end() && error.retry() != Retry::no) {
        absent_.add(*source, error.what());
        continue;
      }
      diagnostics.error(serve_.at, fmt::format("`{}` can't be served: {}", name, error.what()));
    }
  }
  for (const EndpointSpec& spec : serve_.endpoints) {
    if (spec.changes.empty()) {
      endpoints_.push_back(std::make_unique<Endpoint>(spec, endpoints_.size()));
      prepare_endpoint(parts, *endpoints_.back(), diagnostics);
      continue;
    }
    if (tables_.find(spec.changes) == nullptr) {
      const auto why = why_unreadable(readable_parts, spec.changes);
      diagnostics.error(spec.at,
                        fmt::format("`{}` is no table whose changes are known", spec.changes),
                        why.empty() ? "name a dataset that is a table" : why);
    }
    changes_.push_back(std::make_unique<Changes>(spec, tables_));
  }
  return diagnostics.error_count() == errors_before;
}

/// Whether it fails since what it reads is away. A mistake in such a query is told of later.
bool Service::is_waiting(const Endpoint& endpoint) const {
  return absent_.has_one_of(scan_sql(endpoint.spec.query.text).names);
}

bool Service::prepare_endpoint(const ServiceParts& parts, Endpoint& endpoint,
                               Diagnostics& diagnostics) {
  const SqlText& sql = endpoint.spec.query;
  const auto report = [&](const Location& at, const Error& error, const std::string& hint) {
    diagnostics.error(at, fmt::format("endpoint `{}`: {}", endpoint.spec.path, error.what()), hint);
  };
  try {
    endpoint.prepare(std::make_shared<Prepared>(database_, endpoint.spec, readables_));
    return true;
  } catch (const sql::SqlError& error) {
    if (is_waiting(endpoint)) {
      return true;
    }
    std::string hint;
    for (const std::string& name : serve_.names()) {
      const std::string text = to_lower(error.what());
      if (hint.empty() && text.contains(name) && text.contains("does not exist")) {
        hint =
            why_unreadable({parts.spec, parts.connectors, database_, tables_, parts.graph}, name);
      }
    }
    report(error.position() ? sql.locate(*error.position()) : sql.at, error, hint);
  } catch (const Error& error) {
    report(sql.at, error, "");
  }
  return false;
}

/// Tables of a restart with other columns, and stores that have appeared.
void Service::prepare_again() {
  const std::lock_guard guard(preparing_);
  for (const auto& endpoint : endpoints_) {
    const auto prepared = endpoint->prepared();
    if (!prepared || prepared->is_current()) {
      continue;
    }
    try {
      endpoint->prepare(std::make_shared<Prepared>(database_, endpoint->spec, readables_));
    } catch (const Error& error) {
      Log().with("endpoint", endpoint->spec.path).warn("the query fails now: {}", error.what());
    }
  }
}

/// True: there is nothing to be waited for any more.
bool Service::look_for_absent() {
  auto found = absent_.look();
  if (found.empty()) {
    return absent_.empty();
  }
  const std::lock_guard guard(preparing_);
  readables_.insert(readables_.end(), found.begin(), found.end());
  for (const auto& endpoint : endpoints_) {
    if (endpoint->prepared()) {
      continue;
    }
    try {
      endpoint->prepare(std::make_shared<Prepared>(database_, endpoint->spec, readables_));
    } catch (const Error& error) {
      if (is_waiting(*endpoint)) {
        continue;
      }
      Log()
          .with("endpoint", endpoint->spec.path)
          .error("the query fails, so requests get 503: {}", error.what());
    }
  }
  describe();
  return absent_.empty();
}

void Service::describe() {
  auto made = std::make_shared<const std::string>(
      openapi_of(spec_, version_, endpoints_, makes_batches_).dump());
  const std::lock_guard guard(openapi_lock_);
  openapi_ = std::move(made);
}

std::shared_ptr<const std::string> Service::openapi() const {
  const std::lock_guard guard(openapi_lock_);
  return openapi_;
}

void Service::start() {
  timer_ = std::make_unique<Timer>();
  workers_ = std::make_unique<Workers>(database_, static_cast<std::size_t>(serve_.query_threads),
                                       static_cast<std::size_t>(serve_.query_queue));
  commits_ = std::make_unique<Commits>(tables_, *timer_, [this] {
    prepare_again();
    for (const auto& each : changes_) {
      each->send();
    }
  });
  is_started_ = true;
  if (!absent_.empty()) {
    absent_.wait([this] { return look_for_absent(); });
  }
}

void Service::add_routes() {
  for (const auto& endpoint : endpoints_) {
    router_.add("GET", endpoint->spec.path,
                [this, to = endpoint.get()](http::Request request, const http::Captured& captured,
                                            http::Responder respond) {
                  begin(*to, std::move(request), captured, std::move(respond));
                });
  }
  for (const auto& changes : changes_) {
    router_.add("GET", changes->spec().path,
                [this, to = changes.get()](const http::Request& request, const http::Captured&,
                                           http::Responder respond) {
                  follow(*to, request, std::move(respond));
                });
  }
  router_.add("GET", "/openapi.json", [this](const auto&, const auto&, http::Responder respond) {
    respond(page("application/json", openapi(), {{"Cache-Control", "no-cache"}}));
  });
  router_.add("GET", "/docs", [this](const auto&, const auto&, http::Responder respond) {
    const auto made = page_of(Json::parse(*openapi()));
    respond(
        page("text/html; charset=utf-8", std::make_shared<const std::string>(made.html),
             {{"Content-Security-Policy", made.policy}, {"X-Content-Type-Options", "nosniff"}}));
  });
  router_.add("GET", "/healthz", [](const auto&, const auto&, http::Responder respond) {
    respond(page("application/json", std::make_shared<const std::string>(R"({"status":"ok"})"),
                 {{"Cache-Control", "no-store"}}));
  });
  router_.add("GET", "/readyz", [this](const auto&, const auto&, http::Responder respond) {
    if (!is_ready()) {
      respond(responses_.refuse(nullptr, {Fault::not_ready}));
      return;
    }
    respond(page("application/json", std::make_shared<const std::string>(R"({"status":"ready"})"),
                 {{"Cache-Control", "no-store"}}));
  });
}

bool Service::is_ready() const {
  const bool has_batch = tables_.snapshot().version().batch >= 0;
  return is_started_ && std::ranges::all_of(endpoints_, [&](const auto& endpoint) {
           const auto prepared = endpoint->prepared();
           return has_batch || !prepared || !prepared->is_of_batches();
         });
}

void Service::handle(http::Request request, http::Responder respond) {
  router_.handle(std::move(request), std::move(respond));
}

http::ProblemShaper Service::shaper() const {
  return [this](const http::Problem& problem) { return responses_.shape(problem); };
}

void Service::follow(Changes& changes, const http::Request& request, http::Responder respond) {
  const auto begin = steady_clock::now();
  auto wish = changes.wish_of(request);
  const auto version = tables_.snapshot().version();
  http::Response response;
  if (!wish || !is_started_ || version.batch < 0) {
    response = responses_.refuse(&changes.spec(), wish ? Refused{Fault::not_ready} : wish.error());
  } else {
    response.headers = {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}};
    add_version(version, response.headers);
    response.events = [this, &changes, wish = std::move(*wish)](auto stream) {
      changes.add(wish, std::move(stream));
      commits_->wake();
    };
  }
  changes.counters.count(response.status, std::chrono::duration_cast<std::chrono::microseconds>(
                                              steady_clock::now() - begin));
  respond(std::move(response));
}

ServiceStats Service::stats() const {
  ServiceStats stats{.cache_bytes = cache_.bytes(), .cache_answers = cache_.answers()};
  for (const auto& endpoint : endpoints_) {
    stats.endpoints.push_back(endpoint->counters.read(endpoint->spec.path));
    endpoint->sample.read(stats.endpoints.back());
  }
  for (const auto& changes : changes_) {
    stats.endpoints.push_back(changes->counters.read(changes->spec().path));
    stats.followers += changes->followers();
  }
  if (kept_) {
    stats.kept = kept_->stats();
  }
  stats.waiting = is_started_ ? static_cast<std::int64_t>(workers_->waiting()) : 0;
  return stats;
}

}  // namespace millrace::serve
