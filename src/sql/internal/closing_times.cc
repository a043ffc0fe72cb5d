#include "sql/internal/closing_times.h"

#include <optional>

#include "sql/internal/logical.h"
#include "sql/internal/operators/session.h"

namespace millrace::sql {

namespace {

using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;

/// What prepare_distinct() gave it.
std::optional<std::int64_t> number_of(const duckdb::LogicalDistinct& distinct) {
  if (distinct.order_by == nullptr || distinct.order_by->orders.size() < 2 ||
      distinct.order_by->orders[1].expression->GetExpressionClass() !=
          duckdb::ExpressionClass::BOUND_CONSTANT) {
    return std::nullopt;
  }
  return distinct.order_by->orders[1]
      .expression->Cast<duckdb::BoundConstantExpression>()
      .value.GetValue<std::int64_t>();
}

template <class Times, class Key>
const auto* look_up(const Times& times, const Key& key) {
  const auto found = times.find(key);
  return found == times.end() ? nullptr : &found->second;
}

void prepare(LogicalOperator& plan, const EventTimeFinder& finder, std::int64_t& number) {
  for (const auto& child : plan.children) {
    prepare(*child, finder, number);
  }
  if (plan.type != LogicalOperatorType::LOGICAL_DISTINCT) {
    return;
  }
  auto& distinct = plan.Cast<duckdb::LogicalDistinct>();
  LogicalOperator& child = *plan.children[0];
  child.ResolveOperatorTypes();
  const auto bindings = child.GetColumnBindings();
  for (duckdb::idx_t c = 0; c < bindings.size() && distinct.order_by == nullptr; ++c) {
    if (finder.find(bindings[c], child)) {
      distinct.order_by = duckdb::make_uniq<duckdb::BoundOrderModifier>();
      const auto add = [&](duckdb::unique_ptr<duckdb::Expression> expression) {
        distinct.order_by->orders.emplace_back(duckdb::OrderType::ASCENDING,
                                               duckdb::OrderByNullType::NULLS_LAST,
                                               std::move(expression));
      };
      add(column(child.types[c], bindings[c]));
      add(constant(duckdb::Value::BIGINT(number++)));
    }
  }
}

}  // namespace

ClosingTimes::ClosingTimes(LogicalOperator& plan, const EventTimeFinder& finder) {
  find(plan, finder);
}

void ClosingTimes::find(LogicalOperator& op, const EventTimeFinder& finder) {
  for (const auto& child : op.children) {
    find(*child, finder);
  }
  if (op.type == LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY) {
    auto& aggregate = op.Cast<duckdb::LogicalAggregate>();
    if (const auto windows = finder.windows_of(aggregate)) {
      auto bound = finder.find(*aggregate.groups[windows->column], *op.children[0]);
      aggregates_.emplace(aggregate.group_index, Windows{windows->column, std::move(*bound)});
    }
  } else if (op.type == LogicalOperatorType::LOGICAL_DISTINCT) {
    const auto& distinct = op.Cast<duckdb::LogicalDistinct>();
    if (const auto number = number_of(distinct)) {
      auto bound = finder.find(*distinct.order_by->orders[0].expression, *op.children[0]);
      distincts_.emplace(*number, std::move(*bound));
    }
  } else if (is_session(op)) {
    const auto& call = op.expressions[0]->Cast<duckdb::BoundWindowExpression>();
    if (auto bound = finder.find(*call.children[0], *op.children[0])) {
      sessions_.emplace(op.Cast<duckdb::LogicalWindow>().window_index, std::move(*bound));
    }
  }
}

const ClosingTimes::Windows* ClosingTimes::windows_of(
    const duckdb::LogicalAggregate& aggregate) const {
  return look_up(aggregates_, aggregate.group_index);
}

const TimeBound* ClosingTimes::of_session(const LogicalOperator& window) const {
  return look_up(sessions_, window.Cast<duckdb::LogicalWindow>().window_index);
}

const TimeBound* ClosingTimes::of_distinct(const duckdb::LogicalDistinct& distinct) const {
  const auto number = number_of(distinct);
  return number ? look_up(distincts_, *number) : nullptr;
}

void prepare_distinct(LogicalOperator& plan, const EventTimeFinder& finder) {
  std::int64_t number = 0;
  prepare(plan, finder, number);
}

}  // namespace millrace::sql
