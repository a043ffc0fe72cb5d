#include "control/batch_figures.h"

#include <algorithm>

namespace millrace::control {
namespace {

/// Of what is not idle; nullopt: nothing.
std::optional<std::int64_t> stalest_us(const BatchProgress& batch) {
  std::optional<std::int64_t> stalest;
  for (const auto& mark : batch.watermarks) {
    if (mark.newest_us && !mark.idle) {
      stalest = std::min(stalest.value_or(*mark.newest_us), *mark.newest_us);
    }
  }
  return stalest;
}

void add(std::vector<LaneSpan>& spans, LaneSpan span) {
  if (span.span.us > 0) {
    spans.push_back(std::move(span));
  }
}

}  // namespace

std::array<std::int64_t, 5> phases_us(const BatchProgress& batch) {
  std::int64_t read = 0;
  for (const auto& source : batch.sources) {
    read += source.read.us;
  }
  for (const auto& dataset : batch.datasets) {
    read += dataset.of_source ? dataset.run.us + dataset.fed.us : 0;
  }
  read = std::min(read, batch.run_us);
  return {batch.plan_us, read, batch.run_us - read, batch.log_us + batch.stage_us,
          batch.publish_us + batch.commit_us};
}

std::vector<LaneSpan> spans_of(const BatchProgress& batch) {
  using Part = LaneSpan::Part;
  std::vector<LaneSpan> spans;
  spans.reserve(batch.datasets.size() + batch.sources.size() + batch.sinks.size() * 3);
  for (const auto& s : batch.sources) {
    add(spans, {s.name, Phase::read, Part::decoding, s.read, s.rows});
  }
  for (const auto& d : batch.datasets) {
    const auto phase = d.of_source ? Phase::read : Phase::run;
    const auto& lane = d.for_checks ? d.checked : d.name;
    add(spans, {lane, phase, d.for_checks ? Part::checks : Part::fed, d.fed, d.out});
    add(spans, {lane, phase, d.for_checks ? Part::checks : Part::own, d.run, d.out});
  }
  for (const auto& s : batch.sinks) {
    const auto lane = sink_id(s.name);
    add(spans, {lane, Phase::run, Part::own, s.write, s.given});
    add(spans, {lane, Phase::stage, Part::own, s.stage, s.written});
    add(spans, {lane, Phase::commit, Part::own, s.publish, s.written});
  }
  return spans;
}

std::int64_t end_us(const BatchProgress& batch) { return batch.start_us + batch.ended_us; }

std::int64_t freshness_us(const BatchProgress& batch) {
  const auto newest = stalest_us(batch);
  return newest ? std::max<std::int64_t>(end_us(batch) - *newest, 0) : batch.ended_us;
}

std::optional<std::int64_t> watermark_delay_us(const BatchProgress& batch) {
  const auto* slowest = batch.slowest();
  return slowest == nullptr || !slowest->us
             ? std::nullopt
             : std::optional(std::max<std::int64_t>(end_us(batch) - *slowest->us, 0));
}

std::optional<std::int64_t> lag_rows(const BatchProgress& batch) {
  std::optional<std::int64_t> rows;
  for (const auto& source : batch.sources) {
    if (source.lag) {
      rows = rows.value_or(0) + source.lag->total;
    }
  }
  return rows;
}

std::optional<Holder> holder_of(const BatchProgress& batch) {
  const auto* slowest = batch.slowest();
  if (slowest == nullptr || !slowest->us) {
    return std::nullopt;
  }
  Holder holder{.name = slowest->name, .partition = slowest->partition};
  std::optional<std::int64_t> mine;
  std::optional<std::int64_t> others;
  for (const auto& partition : slowest->partitions) {
    auto& of = partition.name == slowest->partition ? mine : others;
    of = std::min(of.value_or(partition.newest_us), partition.newest_us);
    if (partition.name == slowest->partition) {
      holder.idle_us = std::max<std::int64_t>(batch.start_us - partition.active_us, 0);
    }
  }
  if (!mine || !others) {  // then it is held back as a whole: by how much more than the next one?
    mine = slowest->us;
    others.reset();
    for (const auto& mark : batch.watermarks) {
      if (&mark != slowest && mark.us && !mark.idle) {
        others = std::min(others.value_or(*mark.us), *mark.us);
      }
    }
  }
  holder.behind_us = others ? std::max<std::int64_t>(*others - *mine, 0) : 0;
  return holder;
}

std::string name_of(const Holder& holder) {
  return holder.partition.empty() ? holder.name : holder.name + "/" + holder.partition;
}

}  // namespace millrace::control
