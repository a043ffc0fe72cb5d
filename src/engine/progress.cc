#include "engine/progress.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/strings.h"

namespace millrace {
namespace {

double ms(std::int64_t us) { return static_cast<double>(us) / 1000.0; }

std::string iso_time(std::int64_t us) {
  const auto seconds = static_cast<std::time_t>(us / 1'000'000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), us / 1000 % 1000);
}

Json dataset_json(const DatasetCounts& d) {
  Json out = {{"name", d.name},
              {"kind", d.stream ? "stream" : "table"},
              {"in", d.in},
              {"out", d.out},
              {"filtered", d.filtered},
              {"expanded", d.expanded},
              {"quarantined", d.malformed}};
  if (!d.stream) {
    out["absorbed"] = d.absorbed;
    out["emitted"] = d.emitted;
    out["cut"] = d.cut;
  }
  return out;
}

}  // namespace

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
    out["datasets"].push_back(dataset_json(d));
    if (d.state_bytes > 0) {
      out["stateOperators"].push_back({{"operatorName", d.name},
                                       {"numRowsTotal", d.state_rows},
                                       {"numRowsUpdated", d.state_changed},
                                       {"memoryUsedBytes", d.state_bytes}});
    }
  }
  out["eventTime"] = Json::object();
  if (p.watermark_us) {
    out["eventTime"]["watermark"] = iso_time(*p.watermark_us);
  }
  out["sources"] = Json::array();
  for (const auto& s : p.sources) {
    out["sources"].push_back({{"description", fmt::format("{} ({})", s.name, s.type)},
                              {"name", s.name},
                              {"endOffset", s.offsets},
                              {"numInputRows", s.rows}});
  }
  out["sinks"] = Json::array();
  for (const auto& s : p.sinks) {
    out["sinks"].push_back(
        {{"name", s.name}, {"numOutputRows", s.written}, {"bytes", s.bytes}, {"files", s.files}});
  }
  if (p.sinks.size() == 1) {  // as in Spark, where a query has one
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
  if (p.watermark_us) {
    text += ", watermark " + iso_time(*p.watermark_us);
  }
  return text;
}

}  // namespace millrace
