#include "sql/internal/event_time.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "sql/internal/operators/session.h"
#include "sql/internal/stream_scan.h"

namespace millrace::sql {

namespace {

using duckdb::ColumnBinding;
using duckdb::Expression;
using duckdb::ExpressionClass;
using duckdb::idx_t;
using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;
using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using duckdb::Value;

/// Times to try bounds at: any will do that tell windows of usual sizes apart.
const std::vector<std::int64_t>& trial_times() {
  static const std::vector<std::int64_t> kTimes = [] {
    constexpr std::int64_t kSecond = 1'000'000;
    constexpr std::pair<std::int64_t, int> kSteps[] = {{kSecond / 100, 60},
                                                       {kSecond, 130},
                                                       {60 * kSecond, 130},
                                                       {3600 * kSecond, 100},
                                                       {86'400 * kSecond, 200}};
    std::vector<std::int64_t> times;
    std::int64_t time = 1'710'073'800 * kSecond;
    for (const auto& [step, count] : kSteps) {
      for (int i = 0; i < count; ++i, time += step) {
        times.push_back(time);
      }
    }
    return times;
  }();
  return kTimes;
}

bool is_time(const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::DATE:
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_TZ:
      return true;
    default:
      return false;
  }
}

/// Types that a bound can be a value of.
bool can_be_bound(const LogicalType& type) {
  return is_time(type) || type.id() == LogicalTypeId::BIGINT;
}

std::int64_t bound_of(const Value& value) {
  if (value.IsNull()) {
    return kNoBound;
  }
  switch (value.type().id()) {
    case LogicalTypeId::LIST: {
      const auto& elements = duckdb::ListValue::GetChildren(value);
      return elements.empty() ? kNoBound : bound_of(elements.front());
    }
    case LogicalTypeId::DATE:
      return value.GetValueUnsafe<duckdb::date_t>().days;
    default:
      return value.GetValueUnsafe<std::int64_t>();
  }
}

/// Which argument of a call is the time, if the call never decreases with it.
std::optional<idx_t> time_argument(const duckdb::BoundFunctionExpression& call) {
  static const std::set<std::string_view> kFirst = {"epoch_ms", "epoch_us",   "hop", "hop_end",
                                                    "tumble",   "tumble_end", "-",   "+"};
  static const std::set<std::string_view> kSecond = {"date_trunc", "datetrunc", "time_bucket", "+"};
  const std::string_view name = call.function.name;
  const auto others_are_fixed = [&](idx_t time) {
    for (idx_t i = 0; i < call.children.size(); ++i) {
      if (i != time && !call.children[i]->IsFoldable()) {
        return false;
      }
    }
    return true;
  };
  for (const idx_t at : {idx_t{0}, idx_t{1}}) {
    if ((at == 0 ? kFirst : kSecond).contains(name) && at < call.children.size() &&
        can_be_bound(call.children[at]->return_type) && others_are_fixed(at)) {
      return at;
    }
  }
  return std::nullopt;
}

bool is_now(const duckdb::BoundFunctionExpression& call) {
  static const std::set<std::string_view> kNow = {"get_current_timestamp", "now",
                                                  "transaction_timestamp"};
  return kNow.contains(call.function.name) && call.children.empty();
}

/// A session is closed, and its rows come out, when the watermark has reached its end; so ends that
/// are still to come lie beyond it.
std::optional<TimeBound> session_end(const std::optional<TimeBound>& watermark) {
  return watermark ? std::optional(TimeBound(*watermark, 1)) : std::nullopt;
}

bool cast_keeps_order(const LogicalType& from, const LogicalType& to) {
  return is_time(from) && is_time(to);
}

}  // namespace

Value time_value(std::int64_t time, const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::DATE:
      return Value::DATE(duckdb::date_t(static_cast<std::int32_t>(time)));
    case LogicalTypeId::TIMESTAMP:
      return Value::TIMESTAMP(duckdb::timestamp_t(time));
    case LogicalTypeId::TIMESTAMP_TZ:
      return Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(time));
    default:
      return Value::BIGINT(time);
  }
}

std::vector<std::int64_t> TimeBound::try_out(duckdb::ClientContext& context) const {
  std::vector<std::int64_t> bounds;
  bounds.reserve(trial_times().size());
  for (std::size_t i = 0; i < trial_times().size(); ++i) {
    bounds.push_back(evaluate(context, i));
  }
  return bounds;
}

TimeBound::TimeBound(std::shared_ptr<Input> input, std::size_t column)
    : input_(std::move(input)), column_(column) {}

TimeBound::TimeBound(TimeBound of, std::shared_ptr<const Expression> expression)
    : expression_(std::move(expression)) {
  of_.push_back(std::move(of));
}

TimeBound::TimeBound(TimeBound of, std::int64_t more) : more_(more) {
  of_.push_back(std::move(of));
}

TimeBound::TimeBound(std::vector<TimeBound> of, WatermarkPolicy policy)
    : of_(std::move(of)), policy_(policy) {}

std::int64_t TimeBound::evaluate(duckdb::ClientContext& context,
                                 std::optional<std::size_t> trial) const {
  if (input_ != nullptr) {
    if (trial) {
      const auto& tried = input_->declared->event_times.at(column_).trial;
      return tried.empty() ? trial_times()[*trial] : tried[*trial];
    }
    const auto bound = input_->bounds.find(column_);
    return bound == input_->bounds.end() ? kNoBound : bound->second;
  }
  if (clock_ != nullptr) {
    return trial ? trial_times()[*trial] : *clock_ + 1;
  }
  if (expression_ != nullptr) {
    const std::int64_t time = of_[0].evaluate(context, trial);
    if (time == kNoBound || time == kIdle) {
      return time;
    }
    auto call = expression_->Copy();
    duckdb::ExpressionIterator::EnumerateExpression(call, [&](duckdb::unique_ptr<Expression>& e) {
      if (e->GetExpressionClass() == ExpressionClass::BOUND_REF) {
        e = duckdb::make_uniq<duckdb::BoundConstantExpression>(time_value(time, e->return_type));
      }
    });
    return bound_of(duckdb::ExpressionExecutor::EvaluateScalar(context, *call));
  }
  if (more_ != 0) {
    const std::int64_t time = of_[0].evaluate(context, trial);
    return time == kNoBound || time == kIdle ? time : time + more_;
  }
  // Who is idle does not hold the others back.
  std::int64_t bound = kIdle;
  for (const TimeBound& each : of_) {
    const std::int64_t other = each.evaluate(context, trial);
    if (bound == kIdle || other == kIdle) {
      bound = std::min(bound, other);
    } else {
      bound = policy_ == WatermarkPolicy::min ? std::min(bound, other) : std::max(bound, other);
    }
  }
  return bound;
}

std::int64_t TimeBound::delay_us() const {
  std::int64_t delay = 0;
  if (input_ != nullptr) {
    delay = input_->declared->event_times.at(column_).delay_us;
  }
  for (const TimeBound& each : of_) {
    delay = std::max(delay, each.delay_us());
  }
  return delay;
}

std::size_t TimeBound::depth() const {
  std::size_t depth = 0;
  for (const TimeBound& each : of_) {
    depth = std::max(depth, each.depth() + 1);
  }
  return depth;
}

std::string TimeBound::text() const {
  if (input_ != nullptr) {
    return input_->declared->name + "." + input_->declared->schema.columns[column_].name;
  }
  if (clock_ != nullptr) {
    return "now()";
  }
  std::string text;
  for (const TimeBound& each : of_) {
    text += (text.empty() ? "" : ", ") + each.text();
  }
  if (expression_ != nullptr) {
    return expression_->ToString() + " of " + text;
  }
  if (more_ != 0) {
    return text + " + " + std::to_string(more_);
  }
  return (policy_ == WatermarkPolicy::min ? "least of (" : "greatest of (") + text + ")";
}

bool TimeBound::follows_clock() const {
  return clock_ != nullptr || std::ranges::any_of(of_, &TimeBound::follows_clock);
}

void EventTimeFinder::define_ctes(LogicalOperator& plan) {
  for (const auto& child : plan.children) {
    define_ctes(*child);
  }
  if (plan.type == LogicalOperatorType::LOGICAL_MATERIALIZED_CTE) {
    define_cte(plan.Cast<duckdb::LogicalCTE>().table_index, *plan.children[0]);
  }
}

std::optional<TimeBound> EventTimeFinder::find(const Expression& expression,
                                               LogicalOperator& below) const {
  switch (expression.GetExpressionClass()) {
    case ExpressionClass::BOUND_COLUMN_REF:
      return find(expression.Cast<duckdb::BoundColumnRefExpression>().binding, below);
    case ExpressionClass::BOUND_CAST: {
      const auto& cast = expression.Cast<duckdb::BoundCastExpression>();
      return cast_keeps_order(cast.child->return_type, cast.return_type)
                 ? apply(expression, *cast.child, below)
                 : std::nullopt;
    }
    case ExpressionClass::BOUND_FUNCTION: {
      const auto& call = expression.Cast<duckdb::BoundFunctionExpression>();
      if (is_now(call)) {
        return TimeBound(time_us_);
      }
      const auto time = time_argument(call);
      return time ? apply(expression, *call.children[*time], below) : std::nullopt;
    }
    case ExpressionClass::BOUND_UNNEST:
      return find(*expression.Cast<duckdb::BoundUnnestExpression>().child, below);
    default:
      return std::nullopt;
  }
}

std::optional<TimeBound> EventTimeFinder::apply(const Expression& expression,
                                                const Expression& time,
                                                LogicalOperator& below) const {
  auto of = find(time, below);
  if (!of) {
    return std::nullopt;
  }
  auto call = expression.Copy();
  duckdb::ExpressionIterator::EnumerateChildren(*call, [&](duckdb::unique_ptr<Expression>& child) {
    if (child->Equals(time)) {
      child = duckdb::make_uniq<duckdb::BoundReferenceExpression>(time.return_type, idx_t{0});
    }
  });
  return TimeBound(std::move(*of), std::shared_ptr<const Expression>(call.release()));
}

std::optional<TimeBound> EventTimeFinder::find_scanned(const duckdb::LogicalGet& get,
                                                       idx_t column) const {
  const Input* input = scanned_input(get);
  const auto& ids = get.GetColumnIds();
  if (input == nullptr || column >= ids.size() || ids[column].IsVirtualColumn() ||
      !input->declared->event_times.contains(ids[column].GetPrimaryIndex())) {
    return std::nullopt;
  }
  const auto shared =
      std::ranges::find_if(inputs_, [&](const auto& each) { return each.get() == input; });
  return TimeBound(*shared, ids[column].GetPrimaryIndex());
}

std::optional<TimeBound> EventTimeFinder::find_in_union(LogicalOperator& op, idx_t column) const {
  std::vector<TimeBound> parts;
  for (const auto& child : op.children) {
    auto part = find(child->GetColumnBindings()[column], *child);
    if (!part) {
      return std::nullopt;
    }
    parts.push_back(std::move(*part));
  }
  return TimeBound(std::move(parts), policy_);
}

std::optional<TimeBound> EventTimeFinder::find(const ColumnBinding& binding,
                                               LogicalOperator& op) const {
  const auto of_child_with_it = [&]() -> std::optional<TimeBound> {
    for (const auto& child : op.children) {
      const auto bindings = child->GetColumnBindings();
      if (std::ranges::find(bindings, binding) != bindings.end()) {
        return find(binding, *child);
      }
    }
    return std::nullopt;
  };
  switch (op.type) {
    case LogicalOperatorType::LOGICAL_GET:
      return op.children.empty() ? find_scanned(op.Cast<duckdb::LogicalGet>(), binding.column_index)
                                 : of_child_with_it();
    case LogicalOperatorType::LOGICAL_PROJECTION:
      return find(*op.expressions[binding.column_index], *op.children[0]);
    case LogicalOperatorType::LOGICAL_UNNEST:
      return binding.table_index == op.Cast<duckdb::LogicalUnnest>().unnest_index
                 ? find(*op.expressions[binding.column_index], *op.children[0])
                 : find(binding, *op.children[0]);
    case LogicalOperatorType::LOGICAL_UNION:
      return find_in_union(op, binding.column_index);
    case LogicalOperatorType::LOGICAL_CTE_REF: {
      auto* cte = definition(op.Cast<duckdb::LogicalCTERef>().cte_index);
      return cte == nullptr ? std::nullopt
                            : find(cte->GetColumnBindings()[binding.column_index], *cte);
    }
    case LogicalOperatorType::LOGICAL_MATERIALIZED_CTE:
      return find(binding, *op.children[1]);
    case LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY: {
      auto& aggregate = op.Cast<duckdb::LogicalAggregate>();
      if (binding.table_index != aggregate.group_index) {
        return std::nullopt;
      }
      const auto windows = windows_of(aggregate);
      return windows &&
                     std::ranges::find(windows->times, binding.column_index) != windows->times.end()
                 ? find(*aggregate.groups[binding.column_index], *op.children[0])
                 : std::nullopt;
    }
    case LogicalOperatorType::LOGICAL_WINDOW:
      if (!is_session(op) || binding.table_index != op.Cast<duckdb::LogicalWindow>().window_index) {
        return of_child_with_it();
      }
      return is_session_end(*op.expressions[binding.column_index])
                 ? session_end(
                       find(*op.expressions[0]->Cast<duckdb::BoundWindowExpression>().children[0],
                            *op.children[0]))
                 : std::nullopt;
    case LogicalOperatorType::LOGICAL_FILTER:
    case LogicalOperatorType::LOGICAL_DISTINCT:
    case LogicalOperatorType::LOGICAL_COMPARISON_JOIN:
    case LogicalOperatorType::LOGICAL_DELIM_JOIN:
    case LogicalOperatorType::LOGICAL_ANY_JOIN:
    case LogicalOperatorType::LOGICAL_CROSS_PRODUCT:
      return of_child_with_it();
    default:
      return std::nullopt;
  }
}

std::optional<EventTimeFinder::Windows> EventTimeFinder::windows_of(
    duckdb::LogicalAggregate& aggregate) const {
  std::vector<std::pair<idx_t, TimeBound>> found;
  for (idx_t g = 0; g < aggregate.groups.size() && windows_ == Database::Windows::close; ++g) {
    const bool in_all_sets = std::ranges::all_of(aggregate.grouping_sets,
                                                 [g](const auto& set) { return set.contains(g); });
    const auto& group = *aggregate.groups[g];
    if (in_all_sets && can_be_bound(group.return_type)) {
      if (auto bound = find(group, *aggregate.children[0])) {
        found.emplace_back(g, std::move(*bound));
      }
    }
  }
  if (found.empty()) {
    return std::nullopt;
  }
  return found.size() == 1 ? Windows{found[0].first, {found[0].first}} : finest(found);
}

/// A group comes out when the closing column has passed it, so the bound of another column holds
/// only if it never moves alone: a day's, if hours close; not an hour's, if days do. What moves
/// when is found by trying times.
EventTimeFinder::Windows EventTimeFinder::finest(
    const std::vector<std::pair<idx_t, TimeBound>>& found) const {
  std::vector<std::vector<bool>> moves(found.size());
  for (std::size_t f = 0; f < found.size(); ++f) {
    const auto bounds = found[f].second.try_out(context_);
    for (std::size_t i = 1; i < bounds.size(); ++i) {
      moves[f].push_back(bounds[i] != bounds[i - 1]);
    }
  }
  std::size_t closing = 0;
  const auto is_finer = [&](std::size_t a, std::size_t b) {
    const auto of_a = std::ranges::count(moves[a], true);
    const auto of_b = std::ranges::count(moves[b], true);
    // Of two that move together, the one that the other is computed from.
    return of_a != of_b ? of_a > of_b : found[a].second.depth() < found[b].second.depth();
  };
  for (std::size_t f = 1; f < found.size(); ++f) {
    closing = is_finer(f, closing) ? f : closing;
  }
  Windows windows{found[closing].first, {}};
  for (std::size_t f = 0; f < found.size(); ++f) {
    bool moves_alone = false;
    for (std::size_t i = 0; i < moves[closing].size(); ++i) {
      moves_alone = moves_alone || (moves[f][i] && !moves[closing][i]);
    }
    if (!moves_alone) {
      windows.times.push_back(found[f].first);
    }
  }
  return windows;
}

}  // namespace millrace::sql
