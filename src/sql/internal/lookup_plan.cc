#include "sql/internal/lookup_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include "sql/internal/lookup_table.h"
#include "sql/internal/operators/lookup_join.h"
#include "sql/internal/stream_scan.h"

namespace millrace::sql {

namespace {

using duckdb::BoundColumnRefExpression;
using duckdb::ColumnBinding;
using duckdb::Expression;
using duckdb::ExpressionClass;
using duckdb::ExpressionType;
using duckdb::idx_t;
using duckdb::JoinCondition;
using duckdb::JoinType;
using duckdb::LogicalComparisonJoin;
using duckdb::LogicalGet;
using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;
using duckdb::LogicalType;
using Bindings = duckdb::vector<ColumnBinding>;
using Expr = duckdb::unique_ptr<Expression>;

constexpr std::array kDisabled = {duckdb::OptimizerType::JOIN_ORDER,
                                  duckdb::OptimizerType::IN_CLAUSE};

Input* looked_up(const LogicalGet& get) {
  Input* input = scanned_input(get);
  return input != nullptr && input->declared->lookup != nullptr ? input : nullptr;
}

/// The scan of a table that is looked up, if `op` is one, or filters and projections of one.
const LogicalGet* find_scan(const LogicalOperator& op) {
  const LogicalOperator* at = &op;
  while (at->type == LogicalOperatorType::LOGICAL_FILTER ||
         at->type == LogicalOperatorType::LOGICAL_PROJECTION) {
    at = at->children[0].get();
  }
  if (at->type != LogicalOperatorType::LOGICAL_GET) {
    return nullptr;
  }
  const auto& get = at->Cast<LogicalGet>();
  return looked_up(get) != nullptr ? &get : nullptr;
}

/// The column of the table that a column is, unchanged.
std::optional<idx_t> column_of(ColumnBinding binding, const LogicalOperator& op) {
  switch (op.type) {
    case LogicalOperatorType::LOGICAL_FILTER:
      return column_of(binding, *op.children[0]);
    case LogicalOperatorType::LOGICAL_PROJECTION: {
      const Expression& expression = *op.expressions[binding.column_index];
      return expression.GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF
                 ? column_of(expression.Cast<BoundColumnRefExpression>().binding, *op.children[0])
                 : std::nullopt;
    }
    default: {
      const auto& column = op.Cast<LogicalGet>().GetColumnIds()[binding.column_index];
      return column.IsVirtualColumn() ? std::nullopt : std::optional(column.GetPrimaryIndex());
    }
  }
}

/// Whether each value of `from` is another one as `to`, which can be turned back.
bool is_lossless(duckdb::ClientContext& context, const LogicalType& from, const LogicalType& to) {
  using Id = duckdb::LogicalTypeId;
  if (from.id() == Id::DATE) {
    return to.id() == Id::TIMESTAMP;
  }
  const bool exact = (to.IsIntegral() || to.id() == Id::DECIMAL) &&
                     (from.IsIntegral() || from.id() == Id::DECIMAL);
  return exact && LogicalType::MaxLogicalType(context, from, to) == to;
}

void refer_to(Expr& expression, const Bindings& bindings) {
  if (expression->GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF) {
    const auto& column = expression->Cast<BoundColumnRefExpression>();
    const auto place = std::ranges::find(bindings, column.binding);
    if (place == bindings.end()) {
      throw Error(Blame::internal,
                  fmt::format("a look-up has no column {}", expression->ToString()));
    }
    expression = duckdb::make_uniq<duckdb::BoundReferenceExpression>(
        expression->GetAlias(), column.return_type, static_cast<idx_t>(place - bindings.begin()));
    return;
  }
  duckdb::ExpressionIterator::EnumerateChildren(*expression,
                                                [&](Expr& child) { refer_to(child, bindings); });
}

/// Makes one join.
class Maker {
 public:
  Maker(LogicalComparisonJoin& join, bool stream_is_left, Input& input,
        duckdb::ClientContext& context, std::optional<std::size_t> position)
      : join_(join),
        stream_(*join.children[stream_is_left ? 0 : 1]),
        table_(*join.children[stream_is_left ? 1 : 0]),
        stream_is_left_(stream_is_left),
        lookup_(input.declared->lookup->impl()),
        context_(context),
        position_(position) {}

  LookupJoin make(std::shared_ptr<Input> input) {
    made_.input = std::move(input);
    made_.type = type_of_join();
    const auto result = join_.GetColumnBindings();
    pair_bindings_ = stream_.GetColumnBindings();
    const auto found = table_.GetColumnBindings();
    pair_bindings_.insert(pair_bindings_.end(), found.begin(), found.end());
    for (const ColumnBinding& binding : result) {
      const auto place = std::ranges::find(pair_bindings_, binding);
      if (place != pair_bindings_.end()) {  // else it is the mark
        made_.outputs.push_back(static_cast<idx_t>(place - pair_bindings_.begin()));
      }
    }
    take_conditions();
    take_steps(table_);
    return std::move(made_);
  }

  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  [[noreturn]] void refuse(const std::string& text) const { throw SqlError(text, position_); }

  JoinType type_of_join() const {
    const JoinType type = join_.join_type;
    switch (type) {
      case JoinType::INNER:
      case JoinType::LEFT:
      case JoinType::SEMI:
      case JoinType::ANTI:
      case JoinType::MARK:
      case JoinType::SINGLE:
        if (stream_is_left_ || type == JoinType::INNER) {
          return type;
        }
        break;
      case JoinType::RIGHT:
      case JoinType::RIGHT_SEMI:
      case JoinType::RIGHT_ANTI:
        if (!stream_is_left_) {
          return type == JoinType::RIGHT        ? JoinType::LEFT
                 : type == JoinType::RIGHT_SEMI ? JoinType::SEMI
                                                : JoinType::ANTI;
        }
        break;
      default:
        break;
    }
    refuse(
        fmt::format("{} is looked up by its key, so none of its rows can be kept that no row of "
                    "the stream asks for ({} JOIN); use LEFT JOIN from the stream",
                    lookup_.name, duckdb::JoinTypeToString(type)));
  }

  /// The place in the key of the column of the table that is compared, perhaps as a wider type.
  std::optional<std::size_t> key_column(const Expression& expression) const {
    const Expression* inner = &expression;
    if (inner->GetExpressionClass() == ExpressionClass::BOUND_CAST) {
      inner = inner->Cast<duckdb::BoundCastExpression>().child.get();
      if (!is_lossless(context_, inner->return_type, expression.return_type)) {
        return std::nullopt;
      }
    }
    if (inner->GetExpressionClass() != ExpressionClass::BOUND_COLUMN_REF) {
      return std::nullopt;
    }
    const auto column = column_of(inner->Cast<BoundColumnRefExpression>().binding, table_);
    return column ? place_in_key(*column) : std::nullopt;
  }

  std::optional<std::size_t> place_in_key(idx_t column) const {
    const auto& key = lookup_.options.key;
    const auto place = std::ranges::find(key, column);
    return place == key.end() ? std::nullopt
                              : std::optional(static_cast<std::size_t>(place - key.begin()));
  }

  void add_condition(Expr condition) {
    refer_to(condition, pair_bindings_);
    if (made_.condition == nullptr) {
      made_.condition = std::move(condition);
    } else {
      made_.condition = duckdb::make_uniq<duckdb::BoundConjunctionExpression>(
          ExpressionType::CONJUNCTION_AND, std::move(made_.condition), std::move(condition));
    }
  }

  void take_conditions() {
    const std::size_t parts = lookup_.options.key.size();
    made_.keys.resize(parts);
    bool plain = join_.predicate == nullptr && parts == 1 && join_.conditions.size() == 1;
    for (JoinCondition& condition : join_.conditions) {
      if (!stream_is_left_) {
        std::swap(condition.left, condition.right);
        condition.comparison = duckdb::FlipComparisonExpression(condition.comparison);
      }
      text_ += fmt::format("{}{} {} {}", text_.empty() ? "" : " AND ", condition.left->ToString(),
                           duckdb::ExpressionTypeToOperator(condition.comparison),
                           condition.right->ToString());
      plain = take_condition(condition) && plain;
    }
    if (join_.predicate != nullptr) {
      text_ += " AND " + join_.predicate->ToString();
      add_condition(std::move(join_.predicate));
    }
    if (made_.type == JoinType::MARK && !plain) {
      refuse(
          fmt::format("{} is looked up by its key, which IN in the place of a value can be with "
                      "a key of one column alone; use LEFT JOIN",
                      lookup_.name));
    }
    const bool by_stream =
        std::ranges::any_of(made_.keys, [](const auto& k) { return k != nullptr; });
    if (!by_stream) {
      refuse_key(0);
    }
    take_constants(table_);
    for (std::size_t i = 0; i < parts; ++i) {
      if (made_.keys[i] == nullptr) {
        refuse_key(i);
      }
    }
  }

  [[noreturn]] void refuse_key(std::size_t part) const {
    const auto& column = lookup_.schema.columns[lookup_.options.key[part]];
    refuse(
        fmt::format("{0} is looked up by its key, so this join has to compare {0}.{1} by `=` with "
                    "a value of the stream, as {2} or a type that holds all of its values; or read "
                    "it whole: `as: table`",
                    lookup_.name, column.name, column.type));
  }

  /// Whether it compares a column of the key.
  bool take_condition(JoinCondition& condition) {
    // A key has no NULL, so that these two differ in what is a NULL of the stream's alone.
    const bool equal = condition.comparison == ExpressionType::COMPARE_EQUAL ||
                       condition.comparison == ExpressionType::COMPARE_NOT_DISTINCT_FROM;
    const auto part = equal ? key_column(*condition.right) : std::nullopt;
    const bool is_key = part && made_.keys[*part] == nullptr;
    bool more = true;
    if (is_key) {
      made_.marks_null = condition.comparison == ExpressionType::COMPARE_EQUAL;
      const auto& type = lookup_.key_types[*part];
      more = condition.right->return_type != type;
      Expr key = more ? duckdb::BoundCastExpression::AddCastToType(context_, condition.left->Copy(),
                                                                   type, /*try_cast=*/true)
                      : condition.left->Copy();
      refer_to(key, stream_.GetColumnBindings());
      made_.keys[*part] = std::move(key);
    }
    if (more) {
      add_condition(duckdb::make_uniq<duckdb::BoundComparisonExpression>(
          condition.comparison, std::move(condition.left), std::move(condition.right)));
    }
    return is_key;
  }

  /// Columns of the key that are compared with a constant: filters of the table by now, and they
  /// stay there.
  void take_constants(const LogicalOperator& op) {
    if (op.type == LogicalOperatorType::LOGICAL_GET) {
      return;
    }
    const LogicalOperator& below = *op.children[0];
    for (const auto& filter : op.expressions) {
      if (op.type != LogicalOperatorType::LOGICAL_FILTER ||
          filter->GetExpressionType() != ExpressionType::COMPARE_EQUAL) {
        continue;
      }
      const auto& comparison = filter->Cast<duckdb::BoundComparisonExpression>();
      const bool constant_right = comparison.right->IsFoldable();
      const Expression& side = constant_right ? *comparison.left : *comparison.right;
      const Expression& value = constant_right ? *comparison.right : *comparison.left;
      if (!value.IsFoldable() || side.GetExpressionClass() != ExpressionClass::BOUND_COLUMN_REF) {
        continue;
      }
      const auto column = column_of(side.Cast<BoundColumnRefExpression>().binding, below);
      const auto part = column ? place_in_key(*column) : std::nullopt;
      if (part && made_.keys[*part] == nullptr) {
        made_.keys[*part] = value.Copy();
      }
    }
    take_constants(below);
  }

  void take_steps(LogicalOperator& op) {
    if (op.type == LogicalOperatorType::LOGICAL_GET) {
      const auto& get = op.Cast<LogicalGet>();
      std::vector<bool> read(lookup_.schema.size(), false);
      for (const auto& column : get.GetColumnIds()) {
        made_.columns.push_back(column.IsVirtualColumn() ? duckdb::DConstants::INVALID_INDEX
                                                         : column.GetPrimaryIndex());
        if (!column.IsVirtualColumn()) {
          read[column.GetPrimaryIndex()] = true;
        }
      }
      made_.types = get.types;
      lookup_.need(read);
      return;
    }
    LogicalOperator& below = *op.children[0];
    const auto bindings = below.GetColumnBindings();  // before it gives its expressions away
    take_steps(below);
    LookupStep step;
    step.types = op.types;
    step.is_filter = op.type == LogicalOperatorType::LOGICAL_FILTER;
    for (auto& expression : op.expressions) {
      refer_to(expression, bindings);
    }
    if (step.is_filter) {
      const auto& kept = op.Cast<duckdb::LogicalFilter>().projection_map;
      step.kept.assign(kept.begin(), kept.end());
      if (kept.empty()) {
        step.kept.resize(bindings.size());
        std::iota(step.kept.begin(), step.kept.end(), idx_t{0});
      }
      while (op.expressions.size() > 1) {
        auto last = std::move(op.expressions.back());
        op.expressions.pop_back();
        op.expressions[0] = duckdb::make_uniq<duckdb::BoundConjunctionExpression>(
            ExpressionType::CONJUNCTION_AND, std::move(op.expressions[0]), std::move(last));
      }
    }
    step.expressions = std::move(op.expressions);
    made_.steps.push_back(std::move(step));
  }

  LogicalComparisonJoin& join_;
  LogicalOperator& stream_;
  LogicalOperator& table_;
  bool stream_is_left_;
  LookupTable::Impl& lookup_;
  duckdb::ClientContext& context_;
  std::optional<std::size_t> position_;
  LookupJoin made_;
  Bindings pair_bindings_;
  std::string text_;
};

/// DuckDB makes an outer join whose condition is more than comparisons of its two sides one of any
/// condition. Takes the comparisons with a table that is looked up out of it again.
void find_comparisons(Slot& slot, duckdb::ClientContext& context) {
  auto& any = slot->Cast<duckdb::LogicalJoin>();
  const bool left = find_scan(*any.children[0]) != nullptr;
  const bool right = find_scan(*any.children[1]) != nullptr;
  if (left == right) {
    return;
  }
  auto join = duckdb::make_uniq<LogicalComparisonJoin>(any.join_type);
  duckdb::vector<Expr> parts;
  duckdb::LogicalOperatorVisitor::EnumerateExpressions(
      any, [&](Expr* condition) { parts.push_back(std::move(*condition)); });
  duckdb::LogicalFilter::SplitPredicates(parts);
  duckdb::vector<Expr> others;
  LogicalComparisonJoin::ExtractJoinConditions(context, any.join_type, duckdb::JoinRefType::REGULAR,
                                               any.children[0], any.children[1], parts,
                                               join->conditions, others);
  for (auto& other : others) {
    join->predicate =
        join->predicate == nullptr
            ? std::move(other)
            : duckdb::make_uniq<duckdb::BoundConjunctionExpression>(
                  ExpressionType::CONJUNCTION_AND, std::move(join->predicate), std::move(other));
  }
  join->children = std::move(any.children);
  join->left_projection_map = std::move(any.left_projection_map);
  join->right_projection_map = std::move(any.right_projection_map);
  slot = std::move(join);
  slot->ResolveOperatorTypes();
}

class Replacer {
 public:
  Replacer(duckdb::ClientContext& context, RunContext& run, const PositionOf& position_of)
      : context_(context), run_(run), position_of_(position_of) {}

  void replace(Slot& slot) {
    if (slot->type == LogicalOperatorType::LOGICAL_GET) {
      if (const Input* input = looked_up(slot->Cast<LogicalGet>()); input != nullptr) {
        refuse(*input);
      }
    }
    if (slot->type == LogicalOperatorType::LOGICAL_ANY_JOIN) {
      find_comparisons(slot, context_);
    }
    if (slot->type == LogicalOperatorType::LOGICAL_COMPARISON_JOIN) {
      const LogicalGet* left = find_scan(*slot->children[0]);
      const LogicalGet* right = find_scan(*slot->children[1]);
      if ((left == nullptr) != (right == nullptr)) {
        replace(slot->children[left == nullptr ? 0 : 1]);
        replace_join(slot, left == nullptr, *looked_up(left == nullptr ? *right : *left));
        return;
      }
    }
    for (auto& child : slot->children) {
      replace(child);
    }
  }

 private:
  [[noreturn]] void refuse(const Input& input) const {
    const LookupTable& table = *input.declared->lookup;
    throw SqlError(
        fmt::format("{0} is looked up by its key ({1}), so it can be read only where a stream is "
                    "joined with it by the whole key: JOIN or LEFT JOIN {0} ON stream.x = {0}.{2}; "
                    "to read it in another way, let it be read whole: `as: table`",
                    table.name(), table.key_text(), table.schema().columns[first_key(input)].name),
        position_of_(input.declared->name));
  }

  static std::size_t first_key(const Input& input) {
    return input.declared->lookup->impl().options.key[0];
  }

  void replace_join(Slot& slot, bool stream_is_left, Input& input) {
    auto& join = slot->Cast<LogicalComparisonJoin>();
    const auto shared =
        std::ranges::find_if(run_.inputs, [&](const auto& each) { return each.get() == &input; });
    Maker maker(join, stream_is_left, input, context_, position_of_(input.declared->name));
    const auto bindings = join.GetColumnBindings();
    const auto types = join.types;
    auto made = maker.make(*shared);
    auto stream = std::move(join.children[stream_is_left ? 0 : 1]);
    auto lookup = duckdb::make_uniq<LogicalLookupJoin>(std::move(stream), std::move(made), bindings,
                                                       types, maker.text(), run_);
    if (join.has_estimated_cardinality) {
      lookup->SetEstimatedCardinality(join.estimated_cardinality);
    }
    slot = std::move(lookup);
    slot->ResolveOperatorTypes();
  }

  duckdb::ClientContext& context_;
  RunContext& run_;
  const PositionOf& position_of_;
};

}  // namespace

bool has_lookups(const RunContext& run) {
  return std::ranges::any_of(run.inputs,
                             [](const auto& input) { return input->declared->lookup != nullptr; });
}

JoinsAsWritten::JoinsAsWritten(duckdb::ClientContext& context)
    : disabled_(duckdb::DBConfig::GetConfig(context).options.disabled_optimizers),
      before_(disabled_) {
  disabled_.insert(kDisabled.begin(), kDisabled.end());
}
JoinsAsWritten::~JoinsAsWritten() { disabled_ = std::move(before_); }

void replace_lookups(Slot& plan, duckdb::ClientContext& context, RunContext& run,
                     const PositionOf& position_of) {
  plan->ResolveOperatorTypes();
  Replacer(context, run, position_of).replace(plan);
}

bool is_lookup_join(const LogicalOperator& op) {
  return dynamic_cast<const LogicalLookupJoin*>(&op) != nullptr;
}

void check_lookup(const LogicalOperator& op, bool is_stream) {
  if (!is_stream) {
    const auto& table = dynamic_cast<const LogicalLookupJoin&>(op).table();
    throw SqlError(
        fmt::format("{} is looked up by the rows of a stream, but what is joined with it here is a "
                    "table, of which every batch sees all rows; join the stream before it is "
                    "aggregated, or read {} whole: `as: table`",
                    table, table),
        std::nullopt);
  }
}

}  // namespace millrace::sql
