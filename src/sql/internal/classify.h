// What the rows of each operator of a plan are, and what can't be done with them.
#pragma once

#include <cstdint>
#include <map>
#include <span>

#include "sql/internal/closing_times.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/event_time.h"

namespace millrace::sql {

/// What an operator gives, seen over the life of a pipeline.
enum class Rows : std::uint8_t {
  constant,  ///< the same in each run, or what a look-up from a stream's row needs
  table,     ///< the whole of a table as of the batch
  stream,    ///< rows of this batch only
};
struct Nature {
  Rows rows = Rows::constant;
  bool from_state = false;  ///< a table that is an aggregation over a stream, or built on one
};

/// Judges the operators of a plan, bottom up. A closed list: an operator over a stream that is not
/// known to be right batch by batch is refused, since it would be silently wrong.
class Classifier {
 public:
  explicit Classifier(const ClosingTimes& closing) : closing_(closing) {}
  /// The nature of `op` by those of its children. Throws SqlError for what can't be done.
  /// `parent`: nullptr at the top.
  Nature classify(duckdb::LogicalOperator& op, const duckdb::LogicalOperator* parent,
                  std::span<const Nature> children);
  /// Between the children of a materialized CTE: what references to it will give.
  void define_cte(duckdb::idx_t cte, Nature nature) { ctes_[cte] = nature; }
  [[nodiscard]] bool knows_cte(duckdb::idx_t cte) const { return ctes_.contains(cte); }

 private:
  const ClosingTimes& closing_;
  std::map<duckdb::idx_t, Nature> ctes_;
};

/// Judges a bound plan without changing it, or a part of one. `finder` must know the CTEs of the
/// whole plan, and `closing` be made of it.
[[nodiscard]] Nature check_plan(duckdb::LogicalOperator& plan, const ClosingTimes& closing,
                                const EventTimeFinder& finder);

}  // namespace millrace::sql
