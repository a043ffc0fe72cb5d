#include "sql/internal/results.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "sql/internal/operators/row_seed.h"
#include "sql/internal/operators/stateful_aggregate.h"

namespace millrace::sql {

namespace {

using duckdb::BoundAggregateExpression;
using duckdb::BoundColumnRefExpression;
using duckdb::ColumnBinding;
using duckdb::Expression;
using duckdb::ExpressionClass;
using duckdb::ExpressionType;
using duckdb::idx_t;
using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;

constexpr const char* kManyOrNone =
    "a changed group may change other rows of the result too (joins, ORDER BY, LIMIT, aggregation "
    "or a materialized WITH above the aggregation); use mode complete";
constexpr const char* kHaving =
    "a group that stops passing HAVING could not be taken back; use mode complete, or a condition "
    "that stays true, as count(*) > 10 or max(x) > 10 do";
constexpr const char* kTables =
    "it is computed from tables, so any of its rows may have changed; use mode complete";

/// Where the rows come from of an operator that takes them from one other.
const LogicalOperator& input_of(const LogicalOperator& op) {
  return *op.children[op.type == LogicalOperatorType::LOGICAL_MATERIALIZED_CTE ? 1 : 0];
}

/// Where a column comes from.
struct Origin {
  const LogicalStatefulAggregate* aggregate = nullptr;  // nullptr: not plainly from one
  std::optional<idx_t> group;                           // the group column
  const BoundAggregateExpression* call = nullptr;       // or the call; neither: GROUPING()
};

Origin origin_of(ColumnBinding binding, const LogicalOperator* op) {
  while (true) {
    if (const auto* stateful = dynamic_cast<const LogicalStatefulAggregate*>(op)) {
      const auto& aggregate = stateful->aggregate();
      if (binding.table_index == aggregate.group_index) {
        return {.aggregate = stateful, .group = binding.column_index, .call = nullptr};
      }
      if (binding.table_index == aggregate.aggregate_index) {
        const auto& call = aggregate.expressions[binding.column_index];
        return {.aggregate = stateful,
                .group = std::nullopt,
                .call = &call->Cast<BoundAggregateExpression>()};
      }
      return {.aggregate = stateful, .group = std::nullopt, .call = nullptr};
    }
    switch (op->type) {
      case LogicalOperatorType::LOGICAL_PROJECTION: {
        const auto& projection = op->Cast<duckdb::LogicalProjection>();
        const Expression& expression = *projection.expressions[binding.column_index];
        if (binding.table_index != projection.table_index ||
            expression.GetExpressionClass() != ExpressionClass::BOUND_COLUMN_REF) {
          return {};
        }
        binding = expression.Cast<BoundColumnRefExpression>().binding;
        break;
      }
      case LogicalOperatorType::LOGICAL_FILTER:
      case LogicalOperatorType::LOGICAL_ORDER_BY:
      case LogicalOperatorType::LOGICAL_TOP_N:
      case LogicalOperatorType::LOGICAL_LIMIT:
      case LogicalOperatorType::LOGICAL_MATERIALIZED_CTE:
        break;
      case LogicalOperatorType::LOGICAL_EXTENSION_OPERATOR:
        if (const auto seed = row_seed_index(*op); seed && binding.table_index != *seed) {
          break;
        }
        return {};
      default:
        return {};
    }
    op = &input_of(*op);
  }
}

/// The call that an expression gives the result of, through casts between numbers.
const BoundAggregateExpression* called(const Expression& expression, const LogicalOperator& below) {
  if (expression.GetExpressionClass() == ExpressionClass::BOUND_CAST) {
    const auto& cast = expression.Cast<duckdb::BoundCastExpression>();
    if (!cast.return_type.IsNumeric() || !cast.child->return_type.IsNumeric()) {
      return nullptr;
    }
    return called(*cast.child, below);
  }
  if (expression.GetExpressionClass() != ExpressionClass::BOUND_COLUMN_REF) {
    return nullptr;
  }
  return origin_of(expression.Cast<BoundColumnRefExpression>().binding, &below).call;
}

bool is_one_of(const BoundAggregateExpression* call, const std::set<std::string_view>& names) {
  return call != nullptr && names.contains(call->function.name) && call->children.size() <= 1;
}

bool stays_greater(const Expression& value, const Expression& limit, const LogicalOperator& below) {
  return limit.IsFoldable() &&
         is_one_of(called(value, below), {"bool_or", "count", "count_if", "count_star", "max"});
}

bool stays_less(const Expression& value, const Expression& limit, const LogicalOperator& below) {
  return limit.IsFoldable() && is_one_of(called(value, below), {"bool_and", "min"});
}

bool compares_for_good(const duckdb::BoundComparisonExpression& comparison,
                       const LogicalOperator& below) {
  const Expression& left = *comparison.left;
  const Expression& right = *comparison.right;
  switch (comparison.GetExpressionType()) {
    case ExpressionType::COMPARE_GREATERTHAN:
    case ExpressionType::COMPARE_GREATERTHANOREQUALTO:
      return stays_greater(left, right, below) || stays_less(right, left, below);
    case ExpressionType::COMPARE_LESSTHAN:
    case ExpressionType::COMPARE_LESSTHANOREQUALTO:
      return stays_less(left, right, below) || stays_greater(right, left, below);
    default:
      return false;
  }
}

/// True if an expression depends on group columns only: it never changes for a group.
bool is_of_group(const Expression& expression, const LogicalOperator& below) {
  if (expression.IsVolatile()) {
    return false;
  }
  if (expression.GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF) {
    const Origin origin = origin_of(expression.Cast<BoundColumnRefExpression>().binding, &below);
    return origin.aggregate != nullptr && origin.call == nullptr;
  }
  bool all = true;
  duckdb::ExpressionIterator::EnumerateChildren(
      expression, [&](const Expression& child) { all = all && is_of_group(child, below); });
  return all;
}

/// True if the condition, once true for a group, is true for it in all later batches.
bool stays_true(const Expression& condition, const LogicalOperator& below) {
  if (is_of_group(condition, below)) {
    return true;
  }
  switch (condition.GetExpressionClass()) {
    case ExpressionClass::BOUND_CONJUNCTION: {
      const auto& parts = condition.Cast<duckdb::BoundConjunctionExpression>().children;
      return std::ranges::all_of(parts, [&](const auto& part) { return stays_true(*part, below); });
    }
    case ExpressionClass::BOUND_COMPARISON:
      return compares_for_good(condition.Cast<duckdb::BoundComparisonExpression>(), below);
    case ExpressionClass::BOUND_OPERATOR: {
      const auto& operation = condition.Cast<duckdb::BoundOperatorExpression>();
      return operation.GetExpressionType() == ExpressionType::OPERATOR_IS_NOT_NULL &&
             is_one_of(called(*operation.children[0], below), {"any_value", "max", "min"});
    }
    case ExpressionClass::BOUND_COLUMN_REF:
      return is_one_of(called(condition, below), {"bool_or"});
    default:
      return false;
  }
}

}  // namespace

std::optional<std::vector<std::string>> find_key(LogicalOperator& plan,
                                                 const duckdb::vector<duckdb::string>& names) {
  const auto bindings = plan.GetColumnBindings();
  std::vector<std::string> key;
  std::set<idx_t> found;
  const LogicalOperator* below = &plan;
  while ((below->children.size() == 1 ||
          below->type == LogicalOperatorType::LOGICAL_MATERIALIZED_CTE) &&
         dynamic_cast<const LogicalStatefulAggregate*>(below) == nullptr) {
    if (below->type == LogicalOperatorType::LOGICAL_UNNEST) {
      return std::nullopt;  // a group becomes several rows
    }
    below = &input_of(*below);
  }
  const auto* aggregate = dynamic_cast<const LogicalStatefulAggregate*>(below);
  for (idx_t i = 0; i < names.size(); ++i) {
    const Origin origin = origin_of(bindings[i], &plan);
    if (origin.group && found.insert(*origin.group).second) {
      key.push_back(names[i]);
    }
  }
  // With several grouping sets the columns are NULL where they are not grouped by: no key.
  const bool whole = aggregate != nullptr && aggregate->aggregate().grouping_sets.size() <= 1 &&
                     found.size() == aggregate->group_count();
  return whole ? std::optional(std::move(key)) : std::nullopt;
}

std::optional<std::string> why_no_updates(const LogicalOperator& plan) {
  if (dynamic_cast<const LogicalStatefulAggregate*>(&plan) != nullptr) {
    return std::nullopt;
  }
  switch (plan.type) {
    case LogicalOperatorType::LOGICAL_FILTER:
      for (const auto& condition : plan.expressions) {
        if (!stays_true(*condition, *plan.children[0])) {
          return kHaving;
        }
      }
      return why_no_updates(*plan.children[0]);
    case LogicalOperatorType::LOGICAL_PROJECTION:
    case LogicalOperatorType::LOGICAL_MATERIALIZED_CTE:
      return why_no_updates(input_of(plan));
    case LogicalOperatorType::LOGICAL_GET:
      return kTables;
    default:
      return row_seed_index(plan) ? why_no_updates(*plan.children[0]) : kManyOrNone;
  }
}

}  // namespace millrace::sql
