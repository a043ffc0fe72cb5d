// What operators see of a process and do with it: the control API, over the pipelines it runs.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "control/events.h"
#include "control/jobs.h"
#include "control/process.h"
#include "control/readable_tables.h"
#include "control/stream.h"
#include "control/watched.h"
#include "http/message.h"
#include "http/router.h"

namespace millrace::control {

class Queries;

/// Answers /api/v1/... (docs/control-api.md), /healthz and /readyz. Outlives the hosts' threads and
/// the server that asks it. Thread-safe.
class Control {
 public:
  struct Options {
    std::string name;  ///< of the process, for people
    std::string version;
    std::size_t events_max = 20'000;  ///< in memory, of all pipelines
    std::size_t threads = 2;          ///< that answer
    Stream::Options stream = {};
  };
  Control(Options options, const Clock& clock);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  /// Watches a host, which has not started yet and has a name of its own. The host outlives this.
  Watched& add(PipelineHost& host, const HistoryOptions& history);
  /// The same of one that may go before this does. Who gets it keeps it as long as the host, which
  /// is kept as long as somebody is being answered about it.
  std::shared_ptr<Watched> add(const std::shared_ptr<PipelineHost>& host,
                               const HistoryOptions& history);
  /// Is not asked about a pipeline any more.
  void forget(std::string_view name);
  [[nodiscard]] http::Handler& handler() noexcept { return router_; }
  [[nodiscard]] http::Router& router() noexcept { return router_; }  ///< to add what others answer
  [[nodiscard]] Events& events() noexcept { return *events_; }
  [[nodiscard]] Stream& stream() noexcept { return *stream_; }
  /// nullptr: there is none.
  [[nodiscard]] std::shared_ptr<Watched> find(std::string_view name) const;
  [[nodiscard]] std::vector<std::shared_ptr<Watched>> all() const;

  /// What others know, as the contract has it; before the server starts.
  void give_endpoints(std::function<Json()> call) { endpoints_ = std::move(call); }
  void give_findings(std::function<Json(const Watched&)> call) { findings_ = std::move(call); }
  void give_alerts(std::function<OrderedJson(const Watched&)> call) { alerts_ = std::move(call); }
  /// The tables of a pipeline that can be read beside it; nullptr: there are none.
  using GiveTables = std::function<std::shared_ptr<const ReadableTables>(const Watched&)>;
  void give_tables(GiveTables call) { tables_ = std::move(call); }
  /// Asks the endpoints of a pipeline; false: it serves nothing.
  using AskEndpoint = std::function<bool(const Watched&, http::Request, http::Responder)>;
  void give_asking(AskEndpoint call) { ask_ = std::move(call); }
  /// To be called once a second, on a thread of its own.
  void each_second(std::function<void()> call) { each_second_ = std::move(call); }
  /// Reads the files of all pipelines again, for whom: as Fleet::reload(). May throw Error.
  void give_reload(std::function<Json(const std::string& by)> call) { reload_ = std::move(call); }

  /// Origins whose pages may steer, beside the server's own; before the server starts.
  void trust(std::vector<std::string> origins) { trusted_ = std::move(origins); }

  [[nodiscard]] Queries& queries() noexcept { return *queries_; }
  [[nodiscard]] bool trusts(std::string_view origin) const;
  [[nodiscard]] const std::string& version() const noexcept { return options_.version; }
  [[nodiscard]] Json endpoints() const { return endpoints_(); }
  [[nodiscard]] Json findings(const Watched& of) const { return findings_(of); }
  [[nodiscard]] OrderedJson alerts(const Watched& of) const { return alerts_(of); }
  [[nodiscard]] std::shared_ptr<const ReadableTables> tables(const Watched& of) const {
    return tables_(of);
  }
  [[nodiscard]] bool ask(const Watched& of, http::Request request, http::Responder respond) const {
    return ask_(of, std::move(request), std::move(respond));
  }
  /// Empty: this process runs what it was started with.
  [[nodiscard]] const std::function<Json(const std::string&)>& reload() const { return reload_; }
  [[nodiscard]] Json process() const;
  [[nodiscard]] Jobs& jobs() noexcept { return *jobs_; }

 private:
  void on_event(const LogEvent& event);
  void on_log(const LogLine& line);
  void tick(const std::stop_token& stop);

  Options options_;
  const Clock& clock_;
  std::function<Json()> endpoints_ = [] { return Json::array(); };
  std::function<Json(const Watched&)> findings_ = [](const auto&) { return Json::array(); };
  std::function<OrderedJson(const Watched&)> alerts_ = [](const auto&) {
    return OrderedJson::object();
  };
  GiveTables tables_ = [](const auto&) { return nullptr; };
  AskEndpoint ask_ = [](const auto&, const auto&, const auto&) { return false; };
  std::function<void()> each_second_ = [] {};
  std::function<Json(const std::string&)> reload_;
  std::vector<std::string> trusted_;
  http::Router router_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Events> events_;
  mutable std::mutex lock_;  // guards the list
  std::vector<std::shared_ptr<Watched>> watched_;
  ProcessFigures figures_;
  std::unique_ptr<Jobs> jobs_;
  std::unique_ptr<Queries> queries_;
  LogTap log_tap_;
  std::jthread ticker_;  // last: it uses the others
};

}  // namespace millrace::control
