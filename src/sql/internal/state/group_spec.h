// What one grouping set of one aggregation keeps.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/internal/state/kinds.h"

namespace millrace::sql {

/// A FILTER: a column of the payload that is true, or a text column that equals a short text. The
/// latter is what dashboards count by, and comparing while counting takes a third of the time of
/// making a column of flags first.
struct FilterSpec {
  duckdb::idx_t column = 0;
  std::optional<duckdb::string_t> text;  // at most string_t::INLINE_LENGTH bytes
};

/// One aggregate call. Its arguments and its FILTER are columns of the payload.
struct AggregateSpec {
  duckdb::BoundAggregateExpression* call = nullptr;  // owned by the physical operator
  duckdb::idx_t first_argument = 0;
  duckdb::idx_t arguments = 0;
  std::optional<FilterSpec> filter;
  StateKind kind = StateKind::raw;
  bool finalize_copy = false;
  /// Of min(x, n) and max(x, n): n, which restoring needs.
  std::optional<duckdb::Value> limit;

  /// DISTINCT needs to know what was seen; a multiset is its own restorable form.
  [[nodiscard]] bool has_side_table() const {
    return call->IsDistinct() || kind == StateKind::multiset;
  }
  /// The final value is what is written down.
  [[nodiscard]] bool is_refed() const {
    return (kind == StateKind::refeed || kind == StateKind::refeed_list) && !call->IsDistinct();
  }
};

struct GroupSpec {
  duckdb::vector<duckdb::LogicalType> group_types;    // a global aggregate has one constant column
  duckdb::vector<duckdb::LogicalType> payload_types;  // arguments of all aggregates, then filters
  std::vector<AggregateSpec> aggregates;
  duckdb::idx_t partitions = 1;     // a power of two, at most kMaxPartitions
  bool windowed = false;            // groups belong to windows, and are forgotten with them
  duckdb::idx_t window_column = 0;  // windowed: the group column that tells the window
  /// Each group is forgotten by itself (see Lifetimes); whoever makes or touches it says when.
  bool mortal = false;
  std::int64_t ttl_us = 0;    // mortal: after so long in the batches' times; 0: somebody else says
  bool deduplicates = false;  // groups are keys that were met: a touched one is a new one
  bool counts_late =
      true;  // late rows; of several grouping sets one does, as all see the same rows

  static constexpr duckdb::idx_t kMaxPartitions = 16;

  bool gives_late = false;  // and they are given out
  /// Mortal: what ends of lives are, and how much later than what they are counted from.
  duckdb::LogicalType life_type = duckdb::LogicalType::TIMESTAMP;
  std::int64_t life = 0;

  [[nodiscard]] duckdb::vector<duckdb::LogicalType> argument_types(duckdb::idx_t a) const {
    const auto first =
        payload_types.begin() + static_cast<std::ptrdiff_t>(aggregates[a].first_argument);
    return {first, first + static_cast<std::ptrdiff_t>(aggregates[a].arguments)};
  }

  /// Few partitions: each that a small batch touches costs an output chunk of its own.
  [[nodiscard]] static duckdb::idx_t partitions_for(duckdb::ClientContext& context) {
    const auto threads =
        static_cast<duckdb::idx_t>(duckdb::TaskScheduler::GetScheduler(context).NumberOfThreads());
    return threads == 1
               ? 1
               : std::min<duckdb::idx_t>(kMaxPartitions, duckdb::NextPowerOfTwo(2 * threads));
  }

  /// Whether results are the same in whatever order rows come.
  [[nodiscard]] bool any_order() const {
    return std::ranges::none_of(aggregates,
                                [](const auto& a) { return depends_on_order(*a.call); });
  }
  [[nodiscard]] bool can_preaggregate() const {
    return std::ranges::all_of(aggregates, [](const auto& a) { return can_combine(*a.call); });
  }
};

/// The value of the only group of a global aggregate.
[[nodiscard]] inline duckdb::Value global_group() { return duckdb::Value::TINYINT(42); }

}  // namespace millrace::sql
