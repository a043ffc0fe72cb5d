// How the state of each of DuckDB's aggregates can be written down and restored.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Found by reading DuckDB 1.5.5 and checked by survey_test.cc for every aggregate.
enum class StateKind : std::uint8_t {
  raw,          ///< fixed size, no pointers: its bytes
  refeed,       ///< update(init, finalize(state)) restores it: the final value
  refeed_list,  ///< likewise, but the final value is a list, fed element by element
  multiset,     ///< (group, arguments) -> how often are kept beside the state, and fed again
};
[[nodiscard]] std::string_view name_of(StateKind kind) noexcept;

[[nodiscard]] StateKind classify(const duckdb::BoundAggregateExpression& aggregate);
/// True if finalize() leaves the state unusable (a heap sorted in place): work on a copy.
[[nodiscard]] bool finalize_destroys(const duckdb::BoundAggregateExpression& aggregate);
/// True if the result may be another one when rows come in another order.
[[nodiscard]] bool depends_on_order(const duckdb::BoundAggregateExpression& aggregate);
/// True if states of threads may be combined. combine() of first(VARCHAR) copies a pointer into
/// memory of the batch; last() takes whichever comes first.
[[nodiscard]] bool can_combine(const duckdb::BoundAggregateExpression& aggregate);
/// Why the aggregate can't be kept across batches; nullopt if it can.
[[nodiscard]] std::optional<std::string> cannot_keep(
    const duckdb::BoundAggregateExpression& aggregate);

}  // namespace millrace::sql
