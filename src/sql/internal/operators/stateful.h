// What the operators that keep state have in common.
#pragma once

#include <string>

#include "sql/internal/duckdb.h"
#include "sql/plan.h"

namespace millrace::sql {

/// An operator of ours in a logical plan, in the place of one of DuckDB's.
class LogicalStateful : public duckdb::LogicalExtensionOperator {
 public:
  /// What it keeps, for people: "grouped aggregation by product_category: 11 aggregates".
  [[nodiscard]] virtual std::string state_text() const = 0;
  /// The names of what it is kept by.
  [[nodiscard]] virtual std::string state_keys() const = 0;
  /// A text that changes when state written by another version of the query can't be read.
  [[nodiscard]] virtual std::string state_schema() const = 0;

  std::string GetExtensionName() const override { return "millrace"; }
  bool SupportSerialization() const override { return false; }
};

/// Whether this is an operator that keeps state: a sink for its input, and a source of results.
[[nodiscard]] inline bool is_stateful(const duckdb::PhysicalOperator& op) {
  return op.type == duckdb::PhysicalOperatorType::EXTENSION && op.IsSink();
}

/// Whether a run gives out what state holds back until a batch's input is complete.
[[nodiscard]] inline bool completes_input(Run mode) {
  return mode == Run::finish || mode == Run::update || mode == Run::complete || mode == Run::held;
}

}  // namespace millrace::sql
