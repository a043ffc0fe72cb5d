#include "sql/internal/top_n.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sql/internal/classify.h"
#include "sql/internal/error.h"
#include "sql/internal/logical.h"

namespace millrace::sql {

namespace {

using duckdb::BoundColumnRefExpression;
using duckdb::ColumnBinding;
using duckdb::Expression;
using duckdb::ExpressionClass;
using duckdb::ExpressionType;
using duckdb::idx_t;
using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;
using duckdb::LogicalType;

constexpr std::int64_t kMostRows = 100'000;

/// The window below a filter and projections, if it numbers rows and does nothing else. (QUALIFY
/// has the same number twice.)
Slot* find_window(LogicalOperator& filter) {
  Slot* slot = &filter.children[0];
  while ((*slot)->type == LogicalOperatorType::LOGICAL_PROJECTION) {
    slot = &(*slot)->children[0];
  }
  if ((*slot)->type != LogicalOperatorType::LOGICAL_WINDOW ||
      !std::ranges::all_of((*slot)->expressions, [&](const auto& expression) {
        return expression->Equals(*(*slot)->expressions[0]);
      })) {
    return nullptr;
  }
  const auto& window = (*slot)->expressions[0]->Cast<duckdb::BoundWindowExpression>();
  return window.GetExpressionType() == ExpressionType::WINDOW_ROW_NUMBER && !window.orders.empty()
             ? slot
             : nullptr;
}

/// Whether an expression over `op` is the row number itself.
bool is_row_number(const Expression& expression, const LogicalOperator* op) {
  const Expression* e = &expression;
  while (e->GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF) {
    const ColumnBinding binding = e->Cast<BoundColumnRefExpression>().binding;
    if (op->type == LogicalOperatorType::LOGICAL_WINDOW) {
      return binding.table_index == op->Cast<duckdb::LogicalWindow>().window_index;
    }
    e = op->expressions[binding.column_index].get();
    op = op->children[0].get();
  }
  return false;
}

std::optional<std::int64_t> integer(duckdb::ClientContext& context, const Expression& expression) {
  if (!expression.IsFoldable()) {
    return std::nullopt;
  }
  const auto value = duckdb::ExpressionExecutor::EvaluateScalar(context, expression);
  return value.IsNull() || !value.type().IsIntegral() ? std::nullopt
                                                      : std::optional(value.GetValue<int64_t>());
}

/// The greatest row number that passes a condition; nullopt: it does not say.
std::optional<std::int64_t> limit_of(duckdb::ClientContext& context, const Expression& condition,
                                     const LogicalOperator& below) {
  if (condition.GetExpressionClass() == ExpressionClass::BOUND_CONJUNCTION &&
      condition.GetExpressionType() == ExpressionType::CONJUNCTION_AND) {
    std::optional<std::int64_t> least;
    for (const auto& part : condition.Cast<duckdb::BoundConjunctionExpression>().children) {
      const auto limit = limit_of(context, *part, below);
      least = limit && least ? std::min(*limit, *least) : (limit ? limit : least);
    }
    return least;
  }
  if (condition.GetExpressionClass() == ExpressionClass::BOUND_BETWEEN) {
    const auto& between = condition.Cast<duckdb::BoundBetweenExpression>();
    const auto upper = integer(context, *between.upper);
    return upper && is_row_number(*between.input, &below)
               ? std::optional(*upper - (between.upper_inclusive ? 0 : 1))
               : std::nullopt;
  }
  if (condition.GetExpressionClass() != ExpressionClass::BOUND_COMPARISON) {
    return std::nullopt;
  }
  const auto& comparison = condition.Cast<duckdb::BoundComparisonExpression>();
  const bool swapped = !is_row_number(*comparison.left, &below);
  const auto& number = swapped ? *comparison.right : *comparison.left;
  const auto value = integer(context, swapped ? *comparison.left : *comparison.right);
  if (!value || !is_row_number(number, &below)) {
    return std::nullopt;
  }
  const auto type = comparison.GetExpressionType();
  switch (swapped ? duckdb::FlipComparisonExpression(type) : type) {
    case ExpressionType::COMPARE_EQUAL:
    case ExpressionType::COMPARE_LESSTHANOREQUALTO:
      return value;
    case ExpressionType::COMPARE_LESSTHAN:
      return *value - 1;
    default:
      return std::nullopt;
  }
}

/// Builds what takes the place of one window.
class TopN {
 public:
  TopN(LogicalOperator& root, Slot& slot, std::int64_t limit, duckdb::Binder& binder,
       duckdb::ClientContext& context)
      : root_(root), slot_(slot), limit_(limit), binder_(binder), context_(context) {}

  void replace() {
    auto& window = slot_->Cast<duckdb::LogicalWindow>();
    auto& call = window.expressions[0]->Cast<duckdb::BoundWindowExpression>();
    LogicalOperator& child = *window.children[0];
    child.ResolveOperatorTypes();
    const auto bindings = child.GetColumnBindings();
    const idx_t projected = binder_.GenerateTableIndex();
    const idx_t groups = binder_.GenerateTableIndex();
    const idx_t rows = binder_.GenerateTableIndex();
    const idx_t out = binder_.GenerateTableIndex();

    find_used(root_, window);
    duckdb::ColumnBindingReplacer replacer;
    Expressions output;
    Expressions fields;
    fields.push_back(nullptr);  // for the key
    for (idx_t c = 0; c < bindings.size(); ++c) {
      if (std::ranges::find(used_, bindings[c]) == used_.end()) {
        continue;
      }
      const ColumnBinding replaced(out, output.size());
      replacer.replacement_bindings.emplace_back(bindings[c], replaced);
      if (const auto group = partition_of(call, bindings[c])) {
        output.push_back(column(child.types[c], ColumnBinding(groups, *group)));
        continue;
      }
      output.push_back(nullptr);  // from the row
      fields.push_back(column(child.types[c], bindings[c]));
    }
    for (idx_t e = 0; e < window.expressions.size(); ++e) {
      replacer.replacement_bindings.emplace_back(ColumnBinding(window.window_index, e),
                                                 ColumnBinding(out, output.size()));
    }
    fields[0] = sort_key(call);
    build(call, std::move(fields), std::move(output), {projected, groups, rows, out});
    replacer.stop_operator = slot_.get();
    replacer.VisitOperator(root_);
  }

 private:
  struct Tables {
    idx_t projected;
    idx_t groups;
    idx_t rows;
    idx_t out;
  };

  /// The columns that anything above the window refers to.
  void find_used(LogicalOperator& op, const LogicalOperator& window) {
    if (&op == &window) {
      return;
    }
    duckdb::LogicalOperatorVisitor::EnumerateExpressions(
        op, [this](duckdb::unique_ptr<Expression>* expression) { note(**expression); });
    for (const auto& child : op.children) {
      find_used(*child, window);
    }
  }
  void note(const Expression& expression) {
    if (expression.GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF) {
      used_.push_back(expression.Cast<BoundColumnRefExpression>().binding);
    }
    duckdb::ExpressionIterator::EnumerateChildren(expression,
                                                  [this](const Expression& child) { note(child); });
  }

  static std::optional<idx_t> partition_of(const duckdb::BoundWindowExpression& call,
                                           ColumnBinding binding) {
    for (idx_t p = 0; p < call.partitions.size(); ++p) {
      const auto& partition = *call.partitions[p];
      if (partition.GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF &&
          partition.Cast<BoundColumnRefExpression>().binding == binding) {
        return p;
      }
    }
    return std::nullopt;
  }

  duckdb::unique_ptr<Expression> call_function(const char* name, Expressions arguments) {
    duckdb::ErrorData error;
    duckdb::FunctionBinder functions(context_);
    auto call = functions.BindScalarFunction(DEFAULT_SCHEMA, name, std::move(arguments), error);
    if (call == nullptr) {
      throw sql_error(error);
    }
    return call;
  }

  /// Bytes that order rows by ORDER BY. Among equals the other fields of the struct decide.
  duckdb::unique_ptr<Expression> sort_key(const duckdb::BoundWindowExpression& call) {
    Expressions arguments;
    for (const auto& order : call.orders) {
      arguments.push_back(order.expression->Copy());
      arguments.push_back(constant(duckdb::Value(order.GetOrderModifier())));
    }
    return call_function("create_sort_key", std::move(arguments));
  }

  duckdb::unique_ptr<Expression> first_rows(duckdb::unique_ptr<Expression> row) {
    auto& entry =
        duckdb::Catalog::GetSystemCatalog(context_).GetEntry<duckdb::AggregateFunctionCatalogEntry>(
            context_, DEFAULT_SCHEMA, "min");
    Expressions arguments;
    duckdb::vector<LogicalType> types{row->return_type};
    arguments.push_back(std::move(row));
    if (limit_ > 1) {
      arguments.push_back(constant(duckdb::Value::BIGINT(limit_)));
      types.push_back(LogicalType::BIGINT);
    }
    duckdb::FunctionBinder functions(context_);
    auto call = functions.BindAggregateFunction(
        entry.functions.GetFunctionByArguments(context_, types), std::move(arguments));
    call->SetAlias("first_rows");
    return call;
  }

  void build(const duckdb::BoundWindowExpression& call, Expressions fields, Expressions output,
             Tables tables) {
    for (std::size_t f = 0; f < fields.size(); ++f) {
      fields[f]->SetAlias(fmt::format("f{}", f));
    }
    Expressions below;
    for (const auto& partition : call.partitions) {
      below.push_back(partition->Copy());
    }
    below.push_back(call_function("struct_pack", std::move(fields)));
    Expressions groups;
    for (idx_t p = 0; p < call.partitions.size(); ++p) {
      groups.push_back(column(below[p]->return_type, ColumnBinding(tables.projected, p)));
    }
    const LogicalType row_type = below.back()->return_type;
    Expressions aggregates;
    aggregates.push_back(
        first_rows(column(row_type, ColumnBinding(tables.projected, groups.size()))));
    auto projection =
        duckdb::make_uniq<duckdb::LogicalProjection>(tables.projected, std::move(below));
    projection->children.push_back(std::move(slot_->children[0]));
    // The group index also serves for the aggregates' columns: they need one of their own.
    const idx_t results = binder_.GenerateTableIndex();
    auto aggregate =
        duckdb::make_uniq<duckdb::LogicalAggregate>(tables.groups, results, std::move(aggregates));
    for (idx_t g = 0; g < groups.size(); ++g) {  // as DuckDB writes a GROUP BY
      aggregate->grouping_sets.resize(1);
      aggregate->grouping_sets[0].insert(g);
    }
    aggregate->groups = std::move(groups);
    const LogicalType result_type = aggregate->expressions[0]->return_type;
    aggregate->children.push_back(std::move(projection));
    auto result = column(result_type, ColumnBinding(results, 0));
    Slot top = std::move(aggregate);
    duckdb::unique_ptr<Expression> number = constant(duckdb::Value::BIGINT(1));
    if (limit_ > 1) {
      top = unnest(std::move(top), *result, tables.rows);
      result = column(row_type, ColumnBinding(tables.rows, 0));
      number = column(LogicalType::BIGINT, ColumnBinding(tables.rows, 1));
    }
    take_fields(output, *result);
    output.push_back(std::move(number));
    auto on_top = duckdb::make_uniq<duckdb::LogicalProjection>(tables.out, std::move(output));
    on_top->children.push_back(std::move(top));
    slot_ = std::move(on_top);
    slot_->ResolveOperatorTypes();
  }

  /// A row for each element of the list, with its number.
  Slot unnest(Slot child, const Expression& list, idx_t table) {
    const auto unnested = [](duckdb::unique_ptr<Expression> of) {
      auto each = duckdb::make_uniq<duckdb::BoundUnnestExpression>(
          duckdb::ListType::GetChildType(of->return_type));
      each->child = std::move(of);
      return each;
    };
    Expressions length;
    length.push_back(list.Copy());
    Expressions range;
    range.push_back(constant(duckdb::Value::BIGINT(1)));
    range.push_back(call_function("len", std::move(length)));
    auto op = duckdb::make_uniq<duckdb::LogicalUnnest>(table);
    op->expressions.push_back(unnested(list.Copy()));
    op->expressions.push_back(unnested(call_function("generate_series", std::move(range))));
    op->children.push_back(std::move(child));
    return op;
  }

  /// Fills the places of `output` that are still empty with the fields of a row.
  void take_fields(Expressions& output, const Expression& row) {
    std::int64_t field = 1;  // of which the first is the key
    for (auto& place : output) {
      if (place == nullptr) {
        Expressions arguments;
        arguments.push_back(row.Copy());
        arguments.push_back(constant(duckdb::Value(fmt::format("f{}", field++))));
        place = call_function("struct_extract", std::move(arguments));
      }
    }
  }

  LogicalOperator& root_;
  Slot& slot_;
  std::int64_t limit_;
  duckdb::Binder& binder_;
  duckdb::ClientContext& context_;
  std::vector<ColumnBinding> used_;
};

/// Filters whose window is to be replaced, innermost first.
void find_filters(LogicalOperator& op, std::vector<LogicalOperator*>& found) {
  for (const auto& child : op.children) {
    find_filters(*child, found);
  }
  if (op.type == LogicalOperatorType::LOGICAL_FILTER && find_window(op) != nullptr) {
    found.push_back(&op);
  }
}

/// Of a part of a plan.
bool gives_stream(LogicalOperator& part, LogicalOperator& plan, EventTimeFinder finder) {
  finder.define_ctes(plan);
  return check_plan(part, ClosingTimes(plan, finder), finder).rows == Rows::stream;
}

}  // namespace

void rewrite_top_n(Slot& plan, duckdb::Binder& binder, duckdb::ClientContext& context,
                   const EventTimeFinder& finder) {
  std::vector<LogicalOperator*> filters;
  find_filters(*plan, filters);
  for (LogicalOperator* filter : filters) {
    Slot& slot = *find_window(*filter);
    std::optional<std::int64_t> limit;
    for (const auto& condition : filter->expressions) {
      const auto one = limit_of(context, *condition, *filter->children[0]);
      limit = one && limit ? std::min(*one, *limit) : (one ? one : limit);
    }
    if (limit && *limit >= 1 && *limit <= kMostRows &&
        gives_stream(*slot->children[0], *plan, finder)) {
      TopN(*plan, slot, *limit, binder, context).replace();
    }
  }
}

}  // namespace millrace::sql
