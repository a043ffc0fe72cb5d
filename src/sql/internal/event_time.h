// What is known of the event time of columns: which values are still to come.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/internal/input.h"

namespace millrace::sql {

/// "No value of this column that is still to come is less than this", as a function of the same for
/// columns of the plan's inputs.
///
/// A watermark says so of a source's column. What holds for `t` holds, applied, for every function
/// of it that never decreases: the start of a window, a date, `t + INTERVAL 1 HOUR`. So a group by
/// such a value is complete, and can be closed, when the value lies before the bound.
class TimeBound {
 public:
  /// A column of an input.
  TimeBound(std::shared_ptr<Input> input, std::size_t column);
  /// now(), of which no batch to come has a value that is not later. `time_us`: the batch's.
  explicit TimeBound(const std::int64_t* time_us) : clock_(time_us) {}
  /// A function of `of`: `expression`, in which column 0 stands for it. A list: its least element.
  TimeBound(TimeBound of, std::shared_ptr<const duckdb::Expression> expression);
  /// `of` and so much more, in its unit.
  TimeBound(TimeBound of, std::int64_t more);
  /// Rows of several streams in one.
  TimeBound(std::vector<TimeBound> of, WatermarkPolicy policy);

  /// The bound now: kNoBound and kIdle as for inputs. Or what it would be at one of the
  /// times of a trial.
  [[nodiscard]] std::int64_t evaluate(duckdb::ClientContext& context,
                                      std::optional<std::size_t> trial = std::nullopt) const;
  /// The bounds at all times of a trial.
  [[nodiscard]] std::vector<std::int64_t> try_out(duckdb::ClientContext& context) const;
  /// How far behind the newest row a row may come, in microseconds.
  [[nodiscard]] std::int64_t delay_us() const;
  /// How many functions of functions it is: a window of a time more than the time itself.
  [[nodiscard]] std::size_t depth() const;
  /// The same for the same function of the same columns.
  [[nodiscard]] std::string text() const;
  /// Whether it moves with the batches' times, whatever rows come.
  [[nodiscard]] bool follows_clock() const;

 private:
  std::shared_ptr<Input> input_;
  std::size_t column_ = 0;
  std::vector<TimeBound> of_;
  std::shared_ptr<const duckdb::Expression> expression_;
  const std::int64_t* clock_ = nullptr;
  std::int64_t more_ = 0;
  WatermarkPolicy policy_ = WatermarkPolicy::min;
};

/// A bound, or a time that a state is kept by, as a value of its column's type.
[[nodiscard]] duckdb::Value time_value(std::int64_t time, const duckdb::LogicalType& type);

/// Finds the bounds of columns of a plan as it was bound. Not of an optimized one: the optimizer
/// takes away parts of a UNION ALL that can have no row, and their bounds with them.
class EventTimeFinder {
 public:
  /// `time_us`: where the batch's time will be.
  EventTimeFinder(duckdb::ClientContext& context, const std::vector<std::shared_ptr<Input>>& inputs,
                  const std::int64_t& time_us, WatermarkPolicy policy, Database::Windows windows)
      : context_(context),
        inputs_(inputs),
        time_us_(&time_us),
        policy_(policy),
        windows_(windows) {}

  /// What the references to a CTE stand for.
  void define_cte(duckdb::idx_t index, duckdb::LogicalOperator& definition) {
    ctes_[index] = &definition;
  }
  /// The same for all CTEs in a plan.
  void define_ctes(duckdb::LogicalOperator& plan);
  /// nullptr: it is not defined.
  [[nodiscard]] duckdb::LogicalOperator* definition(duckdb::idx_t cte) const {
    const auto found = ctes_.find(cte);
    return found == ctes_.end() ? nullptr : found->second;
  }
  /// Of a column of what `op` gives, or of an expression over it; nullopt: nothing is known.
  [[nodiscard]] std::optional<TimeBound> find(const duckdb::ColumnBinding& binding,
                                              duckdb::LogicalOperator& op) const;
  [[nodiscard]] std::optional<TimeBound> find(const duckdb::Expression& expression,
                                              duckdb::LogicalOperator& below) const;
  /// The group column that closes the groups of an aggregation, and those whose bounds hold for the
  /// groups that are still to come out.
  struct Windows {
    duckdb::idx_t column;
    std::vector<duckdb::idx_t> times;
  };
  /// Of several columns of event time the finest closes. nullopt: none does, or windows are to be
  /// kept.
  [[nodiscard]] std::optional<Windows> windows_of(duckdb::LogicalAggregate& aggregate) const;

 private:
  [[nodiscard]] std::optional<TimeBound> find_scanned(const duckdb::LogicalGet& get,
                                                      duckdb::idx_t column) const;
  [[nodiscard]] std::optional<TimeBound> find_in_union(duckdb::LogicalOperator& op,
                                                       duckdb::idx_t column) const;
  [[nodiscard]] std::optional<TimeBound> apply(const duckdb::Expression& expression,
                                               const duckdb::Expression& time,
                                               duckdb::LogicalOperator& below) const;

  [[nodiscard]] Windows finest(const std::vector<std::pair<duckdb::idx_t, TimeBound>>& found) const;

  duckdb::ClientContext& context_;
  const std::vector<std::shared_ptr<Input>>& inputs_;
  const std::int64_t* time_us_;
  WatermarkPolicy policy_;
  Database::Windows windows_;
  std::map<duckdb::idx_t, duckdb::LogicalOperator*> ctes_;
};

}  // namespace millrace::sql
