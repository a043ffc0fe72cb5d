#include "engine/progress.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>

#include "base/strings.h"
#include "engine/node_figures.h"
#include "spec/tables.h"

namespace millrace {
namespace {

double ms(std::int64_t us) { return static_cast<double>(us) / 1000.0; }

Json dataset_json(const DatasetCounts& d) {
  Json out = {{"name", d.name},
              {"kind", d.stream ? "stream" : "table"},
              {"in", d.in},
              {"out", d.out},
              {"filtered", d.filtered},
              {"expanded", d.expanded},
              {"quarantined", d.malformed}};
  if (!d.stream || d.absorbed + d.emitted + d.duplicates + d.late.rows + d.state_rows > 0) {
    out["absorbed"] = d.absorbed;
    out["emitted"] = d.emitted;
    out["duplicates"] = d.duplicates;
    out["late"] = d.late.rows;
  }
  if (!d.stream) {
    out["cut"] = d.cut;
  }
  if (!d.checks.empty()) {
    out["removedByChecks"] = d.removed;
  }
  return out;
}

Json checks_json(const std::vector<CheckCounts>& checks) {
  Json out = Json::object();
  for (const auto& check : checks) {
    out[check.name] = {{"rows", check.rows},
                       {"violations", check.violations},
                       {"otherwise", std::string(enum_word(check.otherwise))}};
  }
  return out;
}

Json source_json(const SourceProgress& s) {
  Json out = {{"description", fmt::format("{} ({})", s.name, s.type)},
              {"name", s.name},
              {"endOffset", s.offsets},
              {"numInputRows", s.rows},
              {"numMalformedRows", s.malformed_rows}};
  if (s.lag) {
    out["latestOffset"] = s.lag->latest;
    out["offsetsBehindLatest"] = s.lag->behind;
    out["metrics"] = {{"totalOffsetsBehindLatest", s.lag->total}};
  }
  return out;
}

/// Late rows by how late they were: "under 1 s", "under 10 s", ...
Json lateness_json(const sql::LateRows& late) {
  static constexpr std::array kNames = {"1s", "10s", "1m", "10m", "1h", "1d", "more"};
  static_assert(kNames.size() == std::tuple_size_v<decltype(late.histogram)>);
  Json out = {{"withoutTime", late.without_time}};
  for (std::size_t i = 0; i < kNames.size(); i++) {
    out[kNames[i]] = late.histogram[i];
  }
  return out;
}

Json operator_json(const DatasetCounts& d) {
  Json out = {{"operatorName", d.name},
              {"numRowsTotal", d.state_rows},
              {"numRowsUpdated", d.state_changed},
              {"numRowsDroppedByWatermark", d.late.rows},
              {"memoryUsedBytes", d.state_bytes}};
  if (d.windows > 0) {
    out["numWindowsOpen"] = d.windows;
  }
  if (d.late.rows > 0) {
    out["lateness"] = lateness_json(d.late);
  }
  return out;
}

Json event_time_json(const BatchProgress& p) {
  Json out = Json::object();
  const auto* slowest = p.slowest();
  if (slowest == nullptr) {
    return out;
  }
  if (slowest->us) {
    out["watermark"] = iso_time(*slowest->us);
  }
  out["heldBackBy"] = slowest->name;
  if (!slowest->partition.empty()) {
    out["heldBackByPartition"] = slowest->partition;
  }
  for (const auto& w : p.watermarks) {
    Json one = {{"name", w.name}, {"idle", w.idle}};
    if (w.us) {
      one["watermark"] = iso_time(*w.us);
    }
    out["watermarks"].push_back(std::move(one));
  }
  return out;
}

/// The row account of every part of the graph, in the words of NodeFigures.
Json nodes_json(const BatchProgress& p) {
  Json out = Json::array();
  for (const auto& n : node_figures(p)) {
    out.push_back({{"id", n.id},
                   {"in", n.in},
                   {"emitted", n.emitted},
                   {"out", n.out},
                   {"filtered", n.filtered},
                   {"late", n.late},
                   {"duplicate", n.duplicate},
                   {"quarantined", n.quarantined},
                   {"absorbed", n.absorbed},
                   {"startMs", ms(n.span.start_us)},
                   {"durationMs", ms(n.span.us)}});
  }
  return out;
}

Json edges_json(const BatchProgress& p) {
  Json out = Json::array();
  for (const auto& e : p.edges) {
    out.push_back({{"from", e.from}, {"to", e.to}, {"rows", e.rows}});
    if (e.bytes >= 0) {
      out.back()["bytes"] = e.bytes;
    }
  }
  return out;
}

}  // namespace

std::string iso_time(std::int64_t us) {
  const auto seconds = static_cast<std::time_t>(us / 1'000'000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), us / 1000 % 1000);
}

std::int64_t BatchProgress::state_rows() const {
  std::int64_t rows = 0;
  for (const auto& d : datasets) {
    rows += d.state_rows;
  }
  return rows;
}

std::int64_t BatchProgress::state_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& d : datasets) {
    bytes += d.state_bytes;
  }
  return bytes;
}

std::int64_t BatchProgress::violations() const {
  std::int64_t violations = 0;
  for (const auto& d : datasets) {
    for (const auto& check : d.checks) {
      violations += d.for_checks ? 0 : check.violations;
    }
  }
  return violations;
}

const WatermarkProgress* BatchProgress::slowest() const {
  const WatermarkProgress* slowest = nullptr;
  for (const auto& w : watermarks) {
    const bool slower = slowest == nullptr || (slowest->idle && !w.idle) ||
                        (slowest->idle == w.idle && w.us < slowest->us);
    slowest = slower ? &w : slowest;
  }
  return slowest;
}

Json progress_json(const BatchProgress& p) {
  Json out = {{"id", p.id},
              {"runId", p.run_id},
              {"name", p.pipeline},
              {"timestamp", iso_time(p.start_us)},
              {"batchId", p.batch},
              {"batchDuration", ms(p.total_us)},
              {"numInputRows", p.input_rows},
              {"numOutputRows", p.output_rows},
              {"numQuarantinedRows", p.quarantined_rows},
              {"numRefusedRows", p.refused_rows},
              {"numLateRows", p.late_rows},
              {"inputRowsPerSecond", p.input_rows_per_second},
              {"processedRowsPerSecond", p.processed_rows_per_second},
              {"memoryUsedBytes", p.memory_bytes}};
  out["durationMs"] = {{"latestOffset", ms(p.plan_us)},     {"walCommit", ms(p.log_us)},
                       {"addBatch", ms(p.run_us)},          {"stage", ms(p.stage_us)},
                       {"publish", ms(p.publish_us)},       {"commitOffsets", ms(p.commit_us)},
                       {"triggerExecution", ms(p.total_us)}};
  out["stateOperators"] = Json::array();
  out["datasets"] = Json::array();
  for (const auto& d : p.datasets) {
    if (!d.for_checks) {
      out["datasets"].push_back(dataset_json(d));
    }
    if (!d.for_checks && !d.checks.empty()) {
      out["checks"][d.name] = checks_json(d.checks);
    }
    if (d.state_bytes > 0 || d.late.rows > 0) {
      out["stateOperators"].push_back(operator_json(d));
    }
  }
  out["eventTime"] = event_time_json(p);
  out["sources"] = Json::array();
  for (const auto& s : p.sources) {
    out["sources"].push_back(source_json(s));
  }
  out["nodes"] = nodes_json(p);
  out["edges"] = edges_json(p);
  out["alerts"] = p.alerts;
  out["sinks"] = Json::array();
  for (const auto& s : p.sinks) {
    out["sinks"].push_back({{"name", s.name},
                            {"numOutputRows", s.written},
                            {"refused", s.refused},
                            {"bytes", s.bytes},
                            {"files", s.files}});
  }
  const auto results = p.sinks.size() - std::size_t{!p.sinks.empty() && p.sinks.back().quarantine};
  if (results == 1) {  // as in Spark, where a query has one
    out["sink"] = {{"description", p.sinks[0].name}, {"numOutputRows", p.sinks[0].written}};
  }
  return out;
}

std::string progress_text(const BatchProgress& p) {
  auto text = fmt::format(
      "batch {}: {} rows in, {} out, {:.1f} ms (plan {:.1f}, log {:.1f}, run {:.1f}, stage {:.1f}, "
      "publish {:.1f}, commit {:.1f}), {} rows/s, state {} rows {}",
      p.batch, human_count(p.input_rows), human_count(p.output_rows), ms(p.total_us), ms(p.plan_us),
      ms(p.log_us), ms(p.run_us), ms(p.stage_us), ms(p.publish_us), ms(p.commit_us),
      human_count(static_cast<std::int64_t>(p.processed_rows_per_second)),
      human_count(p.state_rows()), human_bytes(p.state_bytes()));
  if (p.quarantined_rows > 0) {
    text += fmt::format(", {} quarantined", human_count(p.quarantined_rows));
  }
  if (p.refused_rows > 0) {
    text += fmt::format(", {} refused by sinks", human_count(p.refused_rows));
  }
  if (const auto violations = p.violations(); violations > 0) {
    text += fmt::format(", {} of checks", human_count(violations, "violation"));
  }
  std::int64_t behind = 0;
  for (const auto& source : p.sources) {
    behind += source.lag ? source.lag->total : 0;
  }
  if (behind > 0) {
    text += fmt::format(", {} behind", human_count(behind));
  }
  if (p.late_rows > 0) {
    text += fmt::format(", {} late", human_count(p.late_rows));
  }
  if (const auto* slowest = p.slowest(); slowest != nullptr && slowest->us) {
    text += ", watermark " + iso_time(*slowest->us);
    if (p.watermarks.size() > 1 || !slowest->partition.empty()) {
      text += fmt::format(" ({}{}{})", slowest->name, slowest->partition.empty() ? "" : " ",
                          slowest->partition);
    }
  }
  return text;
}

}  // namespace millrace
