// What the control API tells of pipelines and their batches.
#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "control/api.h"
#include "control/batch_json.h"
#include "control/control.h"
#include "spec/tables.h"

namespace millrace::control {
namespace {

constexpr std::size_t kLast = 60;

/// Lines are JSON already.
std::string array_of(const std::vector<History::Text>& lines) {
  std::size_t size = 2;
  for (const auto& line : lines) {
    size += line->size() + 1;
  }
  std::string out;
  out.reserve(size);
  out += '[';
  for (const auto& line : lines) {
    if (out.size() > 1) {
      out += ',';
    }
    out += *line;
  }
  out += ']';
  return out;
}

Json error_json(const HostFailure& failure) {
  Json json = {{"code", failure.code},       {"message", failure.message},
               {"where", failure.where},     {"batch", failure.batch},
               {"at", failure.at_us / 1000}, {"attempts", failure.attempts},
               {"hint", failure.hint}};
  if (failure.next_attempt_us) {
    json["next_attempt"] = *failure.next_attempt_us / 1000;
  }
  return json;
}

/// Of a pipeline file: how many there are of what.
void put_counts(const PipelineSpec& spec, Json& json) {
  std::size_t checks = 0;
  for (const auto& of : spec.checks) {
    checks += of.checks.size();
  }
  json["trigger_ms"] =
      spec.trigger.kind == TriggerSpec::Kind::interval ? spec.trigger.interval.count() : 0;
  json["sources"] = spec.sources.size();
  json["datasets"] = spec.datasets.size();
  json["sinks"] = spec.sinks.size();
  json["checks"] = checks;
}

/// The batch that is asked for, or the last one.
std::expected<std::int64_t, http::Problem> batch_of(const Watched& watched,
                                                    const http::Request& request) {
  const auto at = number_of(request, "at");
  if (!at) {
    return std::unexpected(at.error());
  }
  if (*at) {
    return **at;
  }
  const auto newest = watched.history().newest();
  if (!newest) {
    return std::unexpected(problem(404, "no_batch", "no batch was committed yet"));
  }
  return *newest;
}

std::expected<History::Text, http::Problem> detail_of(const Watched& watched, std::int64_t batch) {
  auto found = watched.history().detail(batch);
  if (found) {
    return *std::move(found);
  }
  switch (found.error()) {
    case History::Missing::future:
      return std::unexpected(
          problem(404, "batch_not_yet", fmt::format("batch {} was not committed yet", batch)));
    case History::Missing::dropped:
      return std::unexpected(problem(404, "no_detail",
                                     fmt::format("nothing more is known of batch {}", batch),
                                     "its line is in `progress`"));
    case History::Missing::expired:
      break;
  }
  return std::unexpected(problem(
      410, "batch_expired", fmt::format("batch {} is older than the details that are kept", batch),
      fmt::format("`--history-details`, {} now, says of how many batches they are kept",
                  watched.history().options().details)));
}

std::expected<Json, http::Problem> detail_at(const Watched& watched, const http::Request& request) {
  const auto batch = batch_of(watched, request);
  if (!batch) {
    return std::unexpected(batch.error());
  }
  const auto text = detail_of(watched, *batch);
  if (!text) {
    return std::unexpected(text.error());
  }
  return Json::parse(**text);
}

/// The numbers of the last 90 batches, for a curve.
Json last_of(const std::vector<std::pair<std::int64_t, std::int64_t>>& series) {
  constexpr std::size_t kShown = 90;
  Json numbers = Json::array();
  for (std::size_t i = series.size() - std::min(series.size(), kShown); i < series.size(); i++) {
    numbers.push_back(series[i].second);
  }
  return numbers;
}

/// What the graph says of a state now; null: that is not known.
const Json* node_of(const Json* graph, const std::string& id) {
  if (graph == nullptr) {
    return nullptr;
  }
  for (const auto& node : graph->at("nodes")) {
    if (node.value("id", "") == id) {
      return &node;
    }
  }
  return nullptr;
}

Json state_json(const Json& of_batch, const Json* node) {
  const auto bytes = of_batch.value("state_bytes", std::int64_t{0});
  return {{"id", of_batch.at("id")},
          {"kind", node == nullptr ? "" : node->value("op", "")},
          {"keys", node == nullptr ? "" : node->value("keys", "")},
          {"rows", of_batch.value("state_rows", std::int64_t{0})},
          {"bytes", bytes},
          {"mem", bytes},
          {"disk", of_batch.value("state_disk", std::int64_t{0})},
          {"updated", of_batch.value("state_changed", std::int64_t{0})},
          {"evicted", of_batch.value("state_evicted", std::int64_t{0})},
          {"oldest", of_batch.value("state_oldest", Json())},
          {"ttl", node == nullptr ? "" : node->value("ttl", "")}};
}

}  // namespace

Json summary_json(const Control& control, const Watched& watched) {
  const auto status = watched.host().status();
  const auto& history = watched.history();
  const auto lines = history.last(kLast);
  Json json = {{"id", watched.name()},
               {"title", watched.name()},
               {"state", run_state_word(status.state)},
               {"state_since", status.since_us / 1000},
               {"state_by", status.by},
               {"trigger_ms", 0},
               {"batch", history.newest().value_or(-1)},
               {"oldest", history.oldest().value_or(-1)},
               {"checkpoint", watched.checkpoint()},
               {"graph", watched.graphs().version()},
               {"sources", 0},
               {"datasets", 0},
               {"sinks", 0},
               {"checks", 0},
               {"quarantine_open", rows_in_quarantine(watched)},
               {"findings", control.findings(watched)},
               {"progress", Json::parse(array_of(lines))}};
  const auto& progress = json["progress"];
  json["checks_failing"] = progress.empty() ? 0 : progress.back().value("failed_checks", 0);
  if (status.requested) {
    json["requested"] = run_state_word(*status.requested);
  }
  if (status.failure) {
    json["error"] = error_json(*status.failure);
  }
  if (const auto spec = watched.host().spec()) {
    put_counts(*spec, json);
  }
  if (const auto last = watched.last()) {
    if (const auto holder = holder_of(*last)) {
      json["watermark_holder"] = name_of(*holder);
    }
  }
  return json;
}

Answer get_pipelines(Control& control) {
  Json all = Json::array();
  for (const auto& watched : control.all()) {
    all.push_back(summary_json(control, *watched));
  }
  return reply(all);
}

Answer get_progress(Watched& watched, const http::Request& request) {
  const auto from = number_of(request, "from");
  const auto to = number_of(request, "to");
  if (!from || !to) {
    return std::unexpected(!from ? from.error() : to.error());
  }
  constexpr std::int64_t kByDefault = 240;
  const auto last = to->value_or(watched.history().newest().value_or(-1));
  const auto lines = watched.history().lines(from->value_or(last - kByDefault + 1), last);
  return Reply{.body = array_of(lines)};
}

Answer get_graph(Watched& watched, const http::Request& request) {
  const auto at = number_of(request, "at");
  if (!at) {
    return std::unexpected(at.error());
  }
  const auto now = watched.graph();
  if (!now) {
    return std::unexpected(problem(404, "not_planned", "the pipeline was not planned yet",
                                   "its `state` and `error` say why"));
  }
  const auto since = watched.graphs().since();
  if (at->value_or(since) >= since) {
    auto graph = *now;
    graph["since"] = since;
    return reply(graph);
  }
  const auto past = watched.graphs().at(**at);
  if (!past) {
    return std::unexpected(
        problem(410, "graph_expired", fmt::format("what batch {} ran is not known any more", **at),
                fmt::format("the last {} graphs are kept; without `at` there is that of now",
                            PastGraphs::kMost)));
  }
  auto graph = Json::parse(*past->text);
  graph["since"] = past->since;
  if (past->until) {
    graph["until"] = *past->until;
  }
  return reply(graph);
}

Answer get_batch(Watched& watched, const std::string& number, const http::Request& request) {
  const auto batch = parse_integer(number);
  if (!batch || *batch < 0) {
    return std::unexpected(
        problem(400, "bad_request", fmt::format("`{}` is not the number of a batch", number)));
  }
  const auto of = request.parameter("of");
  if (of && *of != watched.checkpoint()) {
    return std::unexpected(problem(410, "other_checkpoint",
                                   fmt::format("batch {} was of another checkpoint", *batch),
                                   "`checkpoint` of the pipeline says which one there is"));
  }
  const auto text = detail_of(watched, *batch);
  if (!text) {
    return std::unexpected(text.error());
  }
  const auto nodes = request.parameter("nodes").value_or("");
  // Without its checkpoint, the number may one day be that of another batch.
  const bool is_for_ever = of && (*text)->find(R"("outcome":"committed")") != std::string::npos;
  if (nodes.empty()) {
    return Reply{.body = **text, .is_immutable = is_for_ever};
  }
  const auto graph = watched.graph_of(*batch);
  if (!graph) {
    return std::unexpected(problem(404, "not_planned", "the pipeline was not planned yet"));
  }
  auto chosen = reply(
      choose_nodes(Json::parse(**text), *graph, nodes, request.parameter("open").value_or("")));
  chosen.is_immutable = is_for_ever;
  return chosen;
}

Answer get_checks(Watched& watched, const http::Request& request) {
  auto detail = detail_at(watched, request);
  if (!detail) {
    return std::unexpected(detail.error());
  }
  const auto batch = detail->at("n").get<std::int64_t>();
  Json rows = Json::array();
  for (auto check : detail->at("checks")) {
    const auto name =
        fmt::format("check:{}.{}", check.value("dataset", ""), check.value("name", ""));
    const auto series = watched.history().series(name, batch);
    std::int64_t total = 0;
    for (const auto& [n, failed] : series) {
      total += failed;
      if (failed > 0) {
        check["last_failed"] = n;
      }
    }
    check["history"] = last_of(series);
    check["failed_total"] = total;
    if (auto sample = row_in_quarantine(watched, check.value("dataset", ""),
                                        check.value("name", ""), batch)) {
      check["sample"] = *std::move(sample);
    }
    rows.push_back(std::move(check));
  }
  return reply(rows);
}

Answer get_state(Watched& watched, const http::Request& request) {
  auto detail = detail_at(watched, request);
  if (!detail) {
    return std::unexpected(detail.error());
  }
  const auto batch = detail->at("n").get<std::int64_t>();
  const auto graph = watched.graph_of(batch);
  Json tables = Json::array();
  for (const auto& of_batch : detail->at("nodes")) {
    const auto id = of_batch.value("id", "");
    const auto* node = node_of(graph.get(), id);
    const bool keeps = node != nullptr && node->value("stateful", false);
    if (!keeps && of_batch.value("state_bytes", std::int64_t{0}) == 0) {
      continue;
    }
    auto table = state_json(of_batch, node);
    table["history"] = last_of(watched.history().series("state:" + id, batch));
    tables.push_back(std::move(table));
  }
  return reply(tables);
}

Answer get_events(Control& control, const http::Request& request) {
  constexpr std::int64_t kMost = 1000;
  const auto before = number_of(request, "before");
  const auto after = number_of(request, "after");
  const auto limit = number_of(request, "limit");
  for (const auto* each : {&before, &after, &limit}) {
    if (!*each) {
      return std::unexpected(each->error());
    }
  }
  const Events::Filter filter{
      .pipeline = std::string(request.parameter("pipeline").value_or("")),
      .level = std::string(request.parameter("level").value_or("")),
      .kind = std::string(request.parameter("kind").value_or("")),
      .before = *before,
      .after = *after,
      .limit = static_cast<std::size_t>(std::clamp<std::int64_t>(limit->value_or(200), 1, kMost))};
  Json all = Json::array();
  for (const auto& event : control.events().find(filter)) {
    all.push_back(event_json(event));
  }
  return reply(all);
}

Answer post_control(Watched& watched, const Json& body, const std::string& by) {
  const auto action = body.find("action");
  const auto command = action != body.end() && action->is_string()
                           ? host_command(action->get_ref<const std::string&>())
                           : std::nullopt;
  if (!command) {
    return std::unexpected(
        problem(400, "bad_request", "`action` says nothing that can be done",
                "it is one of pause, resume, trigger, stop, retry and savepoint"));
  }
  const auto taken = watched.host().command(*command, by);
  if (!taken) {
    return std::unexpected(
        problem(409, taken.error().code, taken.error().message, taken.error().hint));
  }
  Json json = {{"state", run_state_word(taken->state)}};
  if (taken->requested) {
    json["requested"] = run_state_word(*taken->requested);
  }
  return reply(json);
}

}  // namespace millrace::control
