#include "control/batch_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "control/source_parts.h"
#include "engine/node_figures.h"
#include "spec/tables.h"

namespace millrace::control {
namespace {

/// To the microsecond, so that no digit is noise.
double ms(std::int64_t us) { return static_cast<double>(us) / 1000.0; }
/// Times of day are whole milliseconds.
std::int64_t epoch_ms(std::int64_t us) { return us / 1000 - (us % 1000 < 0 ? 1 : 0); }

Json epoch_ms_or_null(const std::optional<std::int64_t>& us) {
  return us ? Json(epoch_ms(*us)) : Json();
}

Json known(std::int64_t value) { return value < 0 ? Json() : Json(value); }

const PipelineFacts& facts_of(const BatchProgress& batch) {
  static const PipelineFacts none;
  return batch.facts ? *batch.facts : none;
}

PipelineFacts::End end_of(const BatchProgress& batch, const std::string& name) {
  const auto& ends = facts_of(batch).ends;
  const auto found = ends.find(name);
  return found == ends.end() ? PipelineFacts::End{} : found->second;
}

Json phases_json(const BatchProgress& b, const UsualTimes& usual) {
  static constexpr std::array<std::string_view, kPhases.size()> kWhat = {
      "what is new in the sources", "reading and decoding", "SQL, and handing rows to sinks",
      "offsets logged, sinks closed and synced", "sinks published, states and commit logged"};
  const auto us = phases_us(b);
  auto read_start = b.plan_us;
  for (const auto& span : spans_of(b)) {
    if (span.phase == Phase::read) {
      read_start = std::max(b.plan_us, std::min(read_start, span.span.start_us));
    }
  }
  const auto committing = b.commit_start_us > 0 ? b.commit_start_us : b.plan_us + b.run_us;
  const std::array<std::int64_t, kPhases.size()> start = {0, read_start, b.plan_us, committing,
                                                          committing + us[3]};
  Json out = Json::array();
  for (std::size_t i = 0; i < kPhases.size(); i++) {
    out.push_back({{"name", kPhases[i]},
                   {"start", ms(start[i])},
                   {"ms", ms(us[i])},
                   {"p50", ms(usual.phase_us(static_cast<Phase>(i)))},
                   {"what", kWhat[i]}});
  }
  return out;
}

Json spans_json(const BatchProgress& b, const UsualTimes& usual) {
  Json out = Json::array();
  for (const auto& s : spans_of(b)) {
    out.push_back({{"lane", s.lane},
                   {"phase", kPhases[static_cast<std::size_t>(s.phase)]},
                   {"start", ms(s.span.start_us)},
                   {"ms", ms(s.span.us)},
                   {"rows", s.rows},
                   {"p50", ms(usual.span_us(s))}});
  }
  return out;
}

Json nodes_json(const std::vector<NodeFigures>& nodes) {
  Json out = Json::array();
  for (const auto& n : nodes) {
    Json node = {{"id", n.id},
                 {"in", n.in},
                 {"out", n.out},
                 {"emitted", n.emitted},
                 {"absorbed", n.absorbed},
                 {"filtered", n.filtered},
                 {"late", n.late},
                 {"duplicate", n.duplicate},
                 {"quarantined", n.quarantined},
                 {"ms", ms(n.span.us)},
                 {"start_ms", ms(n.span.start_us)},
                 {"bytes", known(n.bytes)},
                 {"state_rows", n.state_rows},
                 {"state_bytes", n.state_bytes}};
    if (n.state_bytes > 0 || n.state_evicted > 0) {
      node["state_changed"] = n.state_changed;
      node["state_evicted"] = n.state_evicted;
      node["state_disk"] = n.state_disk_bytes;
      if (n.state_oldest_us) {
        node["state_oldest"] = epoch_ms(*n.state_oldest_us);
      }
    }
    out.push_back(std::move(node));
  }
  return out;
}

Json edges_json(const BatchProgress& b) {
  Json out = Json::array();
  for (const auto& e : b.edges) {
    out.push_back({{"from", e.from}, {"to", e.to}, {"rows", e.rows}, {"bytes", known(e.bytes)}});
  }
  return out;
}

Json source_json(const BatchProgress& b, const SourceProgress& s) {
  const auto* mark = watermark_of(b, s.name);
  Json parts = Json::array();
  for (auto& part : parts_of(s, mark)) {
    const auto idle = part.active_us ? std::max<std::int64_t>(b.start_us - *part.active_us, 0) : 0;
    parts.push_back({{"part", part.name},
                     {"from", std::move(part.from)},
                     {"to", std::move(part.to)},
                     {"head", std::move(part.head)},
                     {"watermark", epoch_ms_or_null(part.watermark_us)},
                     {"idle_ms", idle / 1000}});
  }
  return {{"id", s.name},
          {"kind", s.type},
          {"where", end_of(b, s.name).where},
          {"rows", s.rows},
          {"malformed", s.malformed_rows},
          {"text", s.text},
          {"lag_rows", s.lag ? Json(s.lag->total) : Json()},
          {"parts", std::move(parts)},
          {"watermark", mark != nullptr ? epoch_ms_or_null(mark->us) : Json()},
          {"allowed_ms", mark != nullptr ? mark->delay_us / 1000 : 0}};
}

Json sinks_json(const BatchProgress& b) {
  Json out = Json::array();
  for (const auto& s : b.sinks) {
    const auto end = end_of(b, s.name);
    out.push_back({{"id", sink_id(s.name)},
                   {"kind", end.type},
                   {"where", end.where},
                   {"rows", s.written},
                   {"refused", s.refused},
                   {"bytes", s.bytes},
                   {"files", s.files},
                   {"version", fmt::format("batch {}", b.batch)},
                   {"ms", ms(s.write.us + s.stage.us + s.publish.us)}});
  }
  return out;
}

Json checks_json(const BatchProgress& b) {
  Json out = Json::array();
  const auto& texts = facts_of(b).checks;
  for (const auto& d : b.datasets) {
    if (d.for_checks) {
      continue;
    }
    for (const auto& c : d.checks) {
      const auto text = texts.find(d.name + "." + c.name);
      out.push_back({{"name", c.name},
                     {"dataset", d.name},
                     {"expr", text == texts.end() ? "" : text->second},
                     {"consequence", enum_word(c.otherwise)},
                     {"passed", std::max<std::int64_t>(c.rows - c.violations, 0)},
                     {"failed", c.violations}});
    }
  }
  return out;
}

std::string_view code_of(const BatchFailure& failure) {
  switch (failure.blame) {
    case Blame::user:
      return "mistake";
    case Blame::external:
      return failure.retry == Retry::yes ? "system_lost" : "system_failed";
    case Blame::internal:
      return "bug";
  }
  return "bug";
}

std::string_view hint_of(const BatchFailure& failure) {
  switch (failure.blame) {
    case Blame::user:
      return "mend what the message names, then let it go on: nothing of this batch was committed";
    case Blame::external:
      return failure.retry == Retry::yes
                 ? "the batch is tried again by itself until the system is there"
                 : "mend what the message names, then let it go on: the batch is repeated";
    case Blame::internal:
      return "this is a bug in millrace: please report it. Nothing of this batch was committed";
  }
  return "";
}

Json error_json(const BatchProgress& b) {
  const auto& f = *b.failure;
  return {{"code", code_of(f)}, {"message", f.message},      {"where", f.where},
          {"batch", b.batch},   {"at", epoch_ms(end_us(b))}, {"attempts", 1},
          {"hint", hint_of(f)}};
}

}  // namespace

void UsualTimes::Window::add(std::int64_t us) {
  if (values.size() < kBatches) {
    values.push_back(us);
    return;
  }
  values[next] = us;
  next = (next + 1) % kBatches;
}

std::int64_t UsualTimes::Window::median() const {
  if (values.empty()) {
    return 0;
  }
  auto sorted = values;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::ranges::nth_element(sorted, middle);
  return *middle;
}

void UsualTimes::add(const BatchProgress& batch) {
  if (batch.failure) {
    return;
  }
  const auto us = phases_us(batch);
  for (std::size_t i = 0; i < us.size(); i++) {
    phases_[i].add(us[i]);
  }
  for (auto& span : spans_of(batch)) {
    lanes_[{std::move(span.lane), span.phase, span.part}].add(span.span.us);
  }
}

std::int64_t UsualTimes::phase_us(Phase phase) const {
  return phases_[static_cast<std::size_t>(phase)].median();
}

std::int64_t UsualTimes::span_us(const LaneSpan& like) const {
  const auto found = lanes_.find({like.lane, like.phase, like.part});
  return found == lanes_.end() ? 0 : found->second.median();
}

namespace {

Json line_of(const BatchProgress& b, const std::vector<NodeFigures>& nodes) {
  Json ph = Json::array();
  for (const auto us : phases_us(b)) {
    ph.push_back(ms(us));
  }
  std::int64_t duplicate = 0;
  std::int64_t filtered = 0;
  std::int64_t quarantined = 0;
  for (const auto& node : nodes) {
    duplicate += node.duplicate;
    filtered += node.filtered;
    quarantined += node.quarantined;
  }
  std::int64_t failed_checks = 0;
  for (const auto& d : b.datasets) {
    for (const auto& check : d.checks) {
      failed_checks += !d.for_checks && check.violations > 0 ? 1 : 0;
    }
  }
  Json line = {{"p", b.pipeline},
               {"n", b.batch},
               {"at", epoch_ms(b.start_us)},
               {"ms", ms(b.ended_us)},
               {"ph", std::move(ph)},
               {"rows_in", b.input_rows},
               {"rows_out", b.output_rows},
               {"late", b.late_rows},
               {"dup", duplicate},
               {"filtered", filtered},
               {"quarantined", quarantined},
               {"lag_rows", lag_rows(b).value_or(0)},
               {"freshness_ms", freshness_us(b) / 1000},
               {"wm_delay_ms", watermark_delay_us(b).value_or(0) / 1000},
               {"state_bytes", b.state_bytes()},
               {"failed_checks", failed_checks},
               {"ok", !b.failure}};
  if (const auto holder = holder_of(b)) {
    line["watermark_holder"] = name_of(*holder);
    line["held_ms"] = holder->behind_us / 1000;
  }
  return line;
}

}  // namespace

Json progress_line(const BatchProgress& b) { return line_of(b, node_figures(b)); }

Json batch_json(const BatchProgress& b, const UsualTimes& usual) {
  const auto nodes = node_figures(b);
  Json sources = Json::array();
  for (const auto& source : b.sources) {
    sources.push_back(source_json(b, source));
  }
  const auto* slowest = b.slowest();
  Json out = {{"p", b.pipeline},
              {"n", b.batch},
              {"at", epoch_ms(b.start_us)},
              {"ms", ms(b.ended_us)},
              {"outcome", b.failure ? "failed" : "committed"},
              {"phases", phases_json(b, usual)},
              {"nodes", nodes_json(nodes)},
              {"edges", edges_json(b)},
              {"sources", std::move(sources)},
              {"sinks", sinks_json(b)},
              {"checks", checks_json(b)},
              {"spans", spans_json(b, usual)},
              {"watermark", slowest != nullptr ? epoch_ms_or_null(slowest->us) : Json()},
              {"progress", line_of(b, nodes)},
              {"fingerprint", facts_of(b).fingerprint}};
  if (const auto holder = holder_of(b)) {
    out["holder"] = {{"source", holder->name},
                     {"part", holder->partition},
                     {"idle_ms", holder->idle_us / 1000},
                     {"behind_ms", holder->behind_us / 1000}};
  }
  if (b.failure) {
    out["error"] = error_json(b);
  }
  return out;
}

}  // namespace millrace::control
