// What somebody should know of a pipeline, in words, from its last batches: the same for the UI,
// the log and alerts.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/batch_figures.h"
#include "engine/progress.h"
#include "spec/pipeline.h"

namespace millrace::control {

/// What findings are made of: some hundred bytes a batch.
struct BatchSummary {
  std::int64_t batch = 0;
  std::int64_t start_us = 0;
  std::int64_t took_us = 0;
  std::array<std::int64_t, kPhases.size()> phases_us{};
  std::map<std::string, std::int64_t> run_us;  ///< by the part of the graph, in phases read and run
  std::map<std::string, std::int64_t> lag_rows;     ///< by source
  std::map<std::string, std::int64_t> state_bytes;  ///< by dataset
  struct Check {
    std::int64_t rows = 0;
    std::int64_t violations = 0;
    Otherwise otherwise = Otherwise::warn;
  };
  std::map<std::pair<std::string, std::string>, Check> checks;  ///< by dataset and check
  struct Late {
    std::int64_t rows = 0;
    std::int64_t late = 0;
  };
  std::map<std::string, Late> late;  ///< by dataset
  struct Written {
    std::int64_t files = 0;
    std::int64_t bytes = 0;
  };
  std::map<std::string, Written> written;  ///< by sink
  std::optional<Holder> holder;
  std::optional<BatchFailure> failure;
};
[[nodiscard]] BatchSummary summary_of(const BatchProgress& batch);

/// What somebody should know, with where to look (the UI's paths).
struct Finding {
  enum class Severity : std::uint8_t { bad, warn, info };
  Severity severity = Severity::info;
  std::string_view kind;  ///< a name of alert_findings(), or "alert"
  std::string of;         ///< the source, dataset, sink or dataset.check; empty: the pipeline
  std::string pipeline;
  std::string about;   ///< the same for as long as it is the same finding: "duration", "lag of a"
  std::string title;   ///< who and what, in some words
  std::string detail;  ///< a sentence or two: how much, since when, what helps
  std::string link;
  std::int64_t since_batch = 0;
};
/// The contract's Finding.
[[nodiscard]] Json finding_json(const Finding& finding);
[[nodiscard]] std::string_view severity_word(Finding::Severity severity) noexcept;

/// What to call too much. Defaults suit batches of seconds.
struct FindingLimits {
  std::int64_t trigger_us = 0;              ///< between two batches; 0: as fast as possible
  std::int64_t held_us = 60'000'000;        ///< a watermark held back for longer
  std::int64_t state_bytes = 16LL << 20;    ///< state below that may grow as it likes
  std::int64_t small_file_bytes = 1 << 20;  ///< on average
  double late_share = 0.01;
  std::int64_t stuck_us = 10'000'000;  ///< a batch that takes longer, and much longer than others
};

[[nodiscard]] FindingLimits limits_of(const PipelineSpec& spec);

/// A batch that is under way.
struct RunningBatch {
  std::int64_t batch = 0;
  std::string phase;
  std::int64_t us = 0;  ///< so far
  /// A sink that tries again by itself.
  struct Trouble {
    std::string sink;
    std::string why;
    std::int64_t us = 0;  ///< since it began
  };
  std::vector<Trouble> troubles = {};
};

/// Of some batches, oldest first, with failed ones, and the one that runs: the worst findings
/// first. Some hundred are enough. A pure function.
[[nodiscard]] std::vector<Finding> findings_of(const std::string& pipeline,
                                               std::span<const BatchSummary> batches,
                                               const FindingLimits& limits = {},
                                               const std::optional<RunningBatch>& running = {});

}  // namespace millrace::control
