// How a LogicalAggregate becomes our operator.
#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/strings.h"
#include "sql/internal/late_rows.h"
#include "sql/internal/operators/stateful_aggregate.h"

namespace millrace::sql {

namespace {

using duckdb::BoundAggregateExpression;
using duckdb::BoundReferenceExpression;
using duckdb::Expression;
using duckdb::idx_t;
using duckdb::LogicalAggregate;
using duckdb::LogicalType;
using Layout = PhysicalStatefulAggregate::Layout;
using Windows = ClosingTimes::Windows;

/// What the operator reads: a projection below it computes group columns, arguments and filters, so
/// that the aggregates refer to plain columns.
struct Split {
  duckdb::vector<duckdb::unique_ptr<Expression>> projection;
  duckdb::vector<LogicalType> group_types;
  duckdb::vector<LogicalType> payload_types;
  std::vector<AggregateSpec> aggregates;
};

std::string joined(std::span<const duckdb::unique_ptr<duckdb::Expression>> expressions,
                   bool with_types) {
  std::string text;
  for (const auto& expression : expressions) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ",
                        with_types ? expression->ToString() : expression->GetName());
    if (with_types) {
      text += " " + expression->return_type.ToString();
    }
  }
  return text;
}

std::string grouping_sets_text(const duckdb::LogicalAggregate& aggregate) {
  std::string text;
  for (const auto& set : aggregate.grouping_sets) {
    text += '(';
    for (const auto column : set) {
      text += fmt::format(" {}", column);
    }
    text += " )";
  }
  return text;
}

/// Moves an expression into the projection and leaves a reference to the payload column behind.
idx_t move_to_payload(Split& split, duckdb::unique_ptr<Expression>& expression) {
  const idx_t column = split.payload_types.size();
  auto reference = duckdb::make_uniq<BoundReferenceExpression>(expression->return_type, column);
  split.payload_types.push_back(expression->return_type);
  split.projection.push_back(std::move(expression));
  expression = std::move(reference);
  return column;
}

/// `column = 'short text'`: gives the column, and the text.
duckdb::unique_ptr<Expression>* compared_text(Expression& filter, FilterSpec& spec) {
  if (filter.GetExpressionType() != duckdb::ExpressionType::COMPARE_EQUAL) {
    return nullptr;
  }
  auto& comparison = filter.Cast<duckdb::BoundComparisonExpression>();
  for (const bool swapped : {false, true}) {
    auto& column = swapped ? comparison.right : comparison.left;
    const auto& other = swapped ? comparison.left : comparison.right;
    if (column->GetExpressionClass() != duckdb::ExpressionClass::BOUND_REF ||
        other->GetExpressionClass() != duckdb::ExpressionClass::BOUND_CONSTANT ||
        column->return_type != LogicalType::VARCHAR || other->return_type != LogicalType::VARCHAR) {
      continue;
    }
    const auto& value = other->Cast<duckdb::BoundConstantExpression>().value;
    if (!value.IsNull() &&
        duckdb::StringValue::Get(value).size() <= duckdb::string_t::INLINE_LENGTH) {
      spec.text = duckdb::string_t(duckdb::StringValue::Get(value));
      return &column;
    }
  }
  return nullptr;
}

FilterSpec move_filter(Split& split, duckdb::unique_ptr<Expression>& filter) {
  FilterSpec spec;
  if (auto* column = compared_text(*filter, spec); column != nullptr) {
    auto moved = (*column)->Copy();
    spec.column = move_to_payload(split, moved);
  } else {
    spec.column = move_to_payload(split, filter);
  }
  return spec;
}

Split split_up(duckdb::ClientContext& context, LogicalAggregate& aggregate) {
  Split split;
  for (auto& group : aggregate.groups) {
    split.group_types.push_back(group->return_type);
    split.projection.push_back(std::move(group));
  }
  for (auto& expression : aggregate.expressions) {
    auto& call = expression->Cast<BoundAggregateExpression>();
    AggregateSpec spec;
    spec.call = &call;
    spec.kind = classify(call);
    spec.finalize_copy = finalize_destroys(call);
    if (spec.kind == StateKind::refeed_list && call.children.size() == 2) {
      spec.limit = duckdb::ExpressionExecutor::EvaluateScalar(context, *call.children[1]);
    }
    spec.first_argument = split.payload_types.size();
    spec.arguments = call.children.size();
    for (auto& argument : call.children) {
      move_to_payload(split, argument);
    }
    split.aggregates.push_back(spec);
  }
  for (AggregateSpec& spec : split.aggregates) {  // filters come after all arguments
    if (spec.call->filter != nullptr) {
      spec.filter = move_filter(split, spec.call->filter);
    }
  }
  return split;
}

std::vector<std::int64_t> grouping_values(const LogicalAggregate& aggregate,
                                          const duckdb::GroupingSet& grouped) {
  std::vector<std::int64_t> values;
  for (const auto& columns : aggregate.grouping_functions) {
    std::int64_t value = 0;
    for (const auto column : columns) {
      value = value * 2 + (grouped.contains(column) ? 0 : 1);
    }
    values.push_back(value);
  }
  return values;
}

PhysicalStatefulAggregate::Set make_set(duckdb::ClientContext& context, RunContext& run,
                                        const Split& split, const LogicalAggregate& aggregate,
                                        const duckdb::GroupingSet& grouped,
                                        const std::optional<ClosingTimes::Windows>& windows,
                                        const Layout& layout) {
  PhysicalStatefulAggregate::Set set;
  GroupSpec spec;
  for (const auto column : grouped) {
    if (windows && windows->column == column) {
      spec.windowed = true;
      spec.window_column = set.columns.size();
    }
    set.columns.push_back(column);
    spec.group_types.push_back(split.group_types[column]);
  }
  spec.partitions = GroupSpec::partitions_for(context);
  if (set.columns.empty()) {
    spec.group_types.push_back(global_group().type());
    spec.partitions = 1;
  }
  spec.counts_late = layout.sets.empty();  // the first of the sets
  spec.gives_late = spec.counts_late && layout.whole_row.has_value();
  spec.mortal = !windows && run.state_ttl_us > 0;
  spec.ttl_us = spec.mortal ? run.state_ttl_us : 0;
  spec.life = spec.ttl_us;
  spec.payload_types = split.payload_types;
  spec.aggregates = split.aggregates;
  set.grouping_values = grouping_values(aggregate, grouped);
  run.states.push_back(std::make_unique<GroupState>(context, std::move(spec)));
  set.state = run.states.back().get();
  if (windows) {
    set.state->close_by(windows->bound);
  }
  return set;
}

std::string kept_text(const RunContext& run) {
  return run.state_ttl_us == 0
             ? ""
             : fmt::format(", each kept for {} after its last row",
                           human_duration(std::chrono::microseconds(run.state_ttl_us)));
}

}  // namespace

LogicalStatefulAggregate::LogicalStatefulAggregate(
    duckdb::unique_ptr<duckdb::LogicalOperator> aggregate, RunContext& run,
    const ClosingTimes::Windows* windows)
    : aggregate_(
          duckdb::unique_ptr_cast<duckdb::LogicalOperator, LogicalAggregate>(std::move(aggregate))),
      run_(run),
      windows_(windows == nullptr ? std::nullopt : std::optional(*windows)) {
  whole_row_ = whole_row_of(*aggregate_);
  children = std::move(aggregate_->children);
  aggregate_->children.clear();
  SetEstimatedCardinality(aggregate_->estimated_cardinality);
}

std::string LogicalStatefulAggregate::state_keys() const {
  return joined(std::span(aggregate_->groups).first(group_count()), /*with_types=*/false);
}

std::string LogicalStatefulAggregate::state_text() const {
  const std::string groups = state_keys();
  const std::size_t calls = aggregate_->expressions.size();
  return fmt::format("{}{}: {} aggregate{}{}",
                     groups.empty() ? "aggregation of all rows" : "grouped aggregation by ", groups,
                     calls, calls == 1 ? "" : "s",
                     windows_ ? ", kept until the watermark closes the window" : kept_text(run_));
}

std::string LogicalStatefulAggregate::state_schema() const {
  std::string text =
      fmt::format("group by [{}] {}",
                  joined(std::span(aggregate_->groups).first(group_count()), /*with_types=*/true),
                  grouping_sets_text(*aggregate_));
  if (windows_) {
    text += fmt::format(" closed by {}", windows_->column);
  }
  if (!windows_ && run_.state_ttl_us > 0) {
    text += " forgotten in time";
  }
  for (const auto& expression : aggregate_->expressions) {
    const auto& call = expression->Cast<BoundAggregateExpression>();
    text += fmt::format(", {} {} {}", call.ToString(), call.return_type.ToString(),
                        name_of(classify(call)));
  }
  return text;
}

duckdb::vector<duckdb::ColumnBinding> LogicalStatefulAggregate::GetColumnBindings() {
  return aggregate_->GetColumnBindings();
}

duckdb::vector<idx_t> LogicalStatefulAggregate::GetTableIndex() const {
  return aggregate_->GetTableIndex();
}

duckdb::InsertionOrderPreservingMap<duckdb::string> LogicalStatefulAggregate::ParamsToString()
    const {
  return aggregate_->ParamsToString();
}

void LogicalStatefulAggregate::ResolveColumnBindings(
    duckdb::ColumnBindingResolver& resolver, duckdb::vector<duckdb::ColumnBinding>& bindings) {
  resolver.VisitOperator(*children[0]);
  for (auto& group : aggregate_->groups) {
    resolver.VisitExpression(&group);
  }
  for (auto& expression : aggregate_->expressions) {
    resolver.VisitExpression(&expression);
  }
  bindings = GetColumnBindings();
}

void LogicalStatefulAggregate::ResolveTypes() {
  for (const auto& group : aggregate_->groups) {
    types.push_back(group->return_type);
  }
  for (const auto& expression : aggregate_->expressions) {
    types.push_back(expression->return_type);
  }
  types.resize(types.size() + aggregate_->grouping_functions.size(), LogicalType::BIGINT);
}

duckdb::PhysicalOperator& LogicalStatefulAggregate::CreatePlan(
    duckdb::ClientContext& context, duckdb::PhysicalPlanGenerator& planner) {
  std::reference_wrapper<duckdb::PhysicalOperator> child = planner.CreatePlan(*children[0]);
  Layout layout;
  layout.whole_row = whole_row_;
  Split split = split_up(context, *aggregate_);
  if (!split.projection.empty()) {
    auto projected = split.group_types;
    projected.insert(projected.end(), split.payload_types.begin(), split.payload_types.end());
    auto& projection = planner.Make<duckdb::PhysicalProjection>(
        projected, std::move(split.projection), estimated_cardinality);
    projection.children.push_back(child.get());
    child = projection;
  }
  auto sets = aggregate_->grouping_sets;
  if (sets.empty()) {
    duckdb::GroupingSet all;
    for (idx_t column = 0; column < split.group_types.size(); ++column) {
      all.insert(column);
    }
    sets.push_back(std::move(all));
  }
  layout.below = below_;
  layout.group_columns = split.group_types.size();
  layout.payload_types = split.payload_types;
  layout.calls = std::move(aggregate_->expressions);
  for (const auto& grouped : sets) {
    layout.sets.push_back(make_set(context, run_, split, *aggregate_, grouped, windows_, layout));
  }
  auto& result = planner.Make<PhysicalStatefulAggregate>(types, estimated_cardinality, run_,
                                                         std::move(layout));
  result.children.push_back(child.get());
  return result;
}

}  // namespace millrace::sql
