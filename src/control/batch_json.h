// A batch as the control API gives it: a line for series and streams, and all of it for its page.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "control/batch_figures.h"
#include "engine/progress.h"

namespace millrace::control {

/// What is usual for a pipeline: medians of its last 31 committed batches. One thread at a time.
class UsualTimes {
 public:
  static constexpr std::size_t kBatches = 31;

  void add(const BatchProgress& batch);
  /// Microseconds; 0: nothing is known yet.
  [[nodiscard]] std::int64_t phase_us(Phase phase) const;
  [[nodiscard]] std::int64_t span_us(const LaneSpan& like) const;

 private:
  /// The last values; once full, the oldest is at `next`.
  struct Window {
    std::vector<std::int64_t> values;
    std::size_t next = 0;
    void add(std::int64_t us);
    [[nodiscard]] std::int64_t median() const;
  };
  std::array<Window, kPhases.size()> phases_;
  std::map<std::tuple<std::string, Phase, LaneSpan::Part>, Window> lanes_;
};

/// One batch in a line, some 250 bytes: what series are made of (`Progress` of the contract).
///
/// `ms`: until it was committed. `filtered`: by WHERE, joins, HAVING, LIMIT and checks that drop,
/// of all datasets. `quarantined`: put aside by sources, checks and sinks. `lag_rows`,
/// `freshness_ms`, `wm_delay_ms`: as lag_rows(), freshness_us() and watermark_delay_us() say; 0
/// where they know nothing. `failed_checks`: those that some row did not pass. `ok`: it was
/// committed.
[[nodiscard]] Json progress_line(const BatchProgress& batch);

/// All that is known of a batch (`Batch` of the contract). What is not known is null, such as the
/// bytes of rows that nobody looked at, or the head of a source that does not tell. Sinks have the
/// id sink_id(), as their names may be those of datasets; bytes of an edge are estimated from
/// samples of its rows as they lie in memory. `usual`: of the batches before this one.
[[nodiscard]] Json batch_json(const BatchProgress& batch, const UsualTimes& usual);

/// The same with fewer nodes, edges and spans: `nodes` is a list of ids, "a,b", or "groups": one
/// node a group of the graph, by the name of group_id(), with the sums of its nodes; who has no
/// group stays, and so do those of the groups that the list `open` names. Empty: as it is.
/// `graph`: of graph_json().
[[nodiscard]] Json choose_nodes(Json batch, const Json& graph, std::string_view nodes,
                                std::string_view open = "");
[[nodiscard]] inline std::string group_id(const std::string& group) { return "group:" + group; }

}  // namespace millrace::control
