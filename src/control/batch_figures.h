// Single figures of a batch, worked out once for its JSON, the metrics and findings.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/progress.h"

namespace millrace::control {

/// The phases of a batch as people are shown them, in their order. What the engine measures falls
/// into them so: `plan`, finding what is new; `read`, reading and decoding, as far as it can be
/// told from SQL (files that a dataset's own plan scans are in `run`); `run`, SQL and handing rows
/// to sinks; `stage`, logging the offsets, closing and syncing what sinks have written; `commit`,
/// publishing, and logging states and the commit.
enum class Phase : std::uint8_t { plan, read, run, stage, commit };
inline constexpr std::array<std::string_view, 5> kPhases = {"plan", "read", "run", "stage",
                                                            "commit"};
/// Microseconds in each of them.
[[nodiscard]] std::array<std::int64_t, 5> phases_us(const BatchProgress& batch);

/// Work on one part of the graph.
struct LaneSpan {
  std::string lane;  ///< a source or dataset, or the sink_id() of a sink
  Phase phase = Phase::run;
  /// Which of several spans that the lane may have in one phase: of its own runs, of decoding
  /// before them, of what it was fed, or of its checks.
  enum class Part : std::uint8_t { own, decoding, fed, checks };
  Part part = Part::own;
  Span span;
  std::int64_t rows = 0;
};
/// In no particular order; none of no time.
[[nodiscard]] std::vector<LaneSpan> spans_of(const BatchProgress& batch);

/// When the batch was committed, or failed: microseconds since 1970.
[[nodiscard]] std::int64_t end_us(const BatchProgress& batch);
/// How old the newest row was when its batch could be seen: the end of the batch less the newest
/// event time, of that source or dataset with a watermark, and not idle, where this is longest;
/// without event time, how long the batch took.
[[nodiscard]] std::int64_t freshness_us(const BatchProgress& batch);
/// The end of the batch less the watermark that holds the others back; nullopt: there is none.
[[nodiscard]] std::optional<std::int64_t> watermark_delay_us(const BatchProgress& batch);
/// Rows that sources could give and have not; nullopt: none of them knows.
[[nodiscard]] std::optional<std::int64_t> lag_rows(const BatchProgress& batch);

/// Who holds the watermark back.
struct Holder {
  std::string name;            ///< a source or dataset
  std::string partition;       ///< may be empty
  std::int64_t idle_us = 0;    ///< since it had a row
  std::int64_t behind_us = 0;  ///< how much further the watermark would be without it
};
[[nodiscard]] std::optional<Holder> holder_of(const BatchProgress& batch);
/// "SOURCE" or "SOURCE/PARTITION".
[[nodiscard]] std::string name_of(const Holder& holder);

}  // namespace millrace::control
