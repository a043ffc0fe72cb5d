#include "sql/internal/classify.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sql/database.h"
#include "sql/internal/operators/session.h"
#include "sql/internal/operators/stateful_aggregate.h"
#include "sql/internal/stream_scan.h"
#include "sql/internal/syntax.h"

namespace millrace::sql {

namespace {

using duckdb::JoinType;
using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;

[[noreturn]] void refuse(const std::string& text) { throw SqlError(text, std::nullopt); }

Nature combined(std::span<const Nature> children) {
  Nature all;
  for (const Nature& child : children) {
    all.rows = std::max(all.rows, child.rows);
    all.from_state = all.from_state || child.from_state;
  }
  return all;
}

Nature classify_get(const duckdb::LogicalGet& get, std::span<const Nature> children) {
  if (const Input* input = scanned_input(get); input != nullptr) {
    return {.rows = input->declared->shape == Shape::stream ? Rows::stream : Rows::table};
  }
  if (!may_call_table_function(get.function.name)) {
    refuse(fmt::format(
        "a dataset can read sources and datasets only, not {}; declare a source for "
        "it",
        get.function.name == "seq_scan" ? "tables of the database" : get.function.name + "()"));
  }
  return combined(children);  // a function of constants, or of another operator's rows
}

/// Whether each row of the left (right) side gives its results by itself, whatever other rows of
/// that side there are.
bool by_row_of(JoinType type, bool left) {
  switch (type) {
    case JoinType::INNER:
      return true;
    case JoinType::LEFT:
    case JoinType::SEMI:
    case JoinType::ANTI:
    case JoinType::MARK:
    case JoinType::SINGLE:
      return left;
    case JoinType::RIGHT:
    case JoinType::RIGHT_SEMI:
    case JoinType::RIGHT_ANTI:
      return !left;
    default:
      return false;
  }
}

Nature classify_join(const LogicalOperator& op, Nature left, Nature right) {
  const Nature both = combined(std::vector{left, right});
  if (both.rows != Rows::stream) {
    return both;
  }
  if (left.rows == right.rows) {
    refuse(
        "joining a stream with a stream (or with itself, also through a subquery) needs a time "
        "bound, which comes with event time; aggregate one side in a dataset of its own and join "
        "that table");
  }
  if (both.from_state) {
    refuse(
        "a stream is joined with an aggregation over a stream in one query; put the aggregation "
        "into a dataset of its own and join that dataset");
  }
  const JoinType type = op.type == LogicalOperatorType::LOGICAL_CROSS_PRODUCT
                            ? JoinType::INNER
                            : op.Cast<duckdb::LogicalJoin>().join_type;
  if (type == JoinType::OUTER) {
    refuse(
        "FULL JOIN of a stream and a table: which rows of the table stay unmatched is known only "
        "at the end of the stream; use LEFT JOIN from the stream");
  }
  if (!by_row_of(type, left.rows == Rows::stream)) {
    refuse(fmt::format(
        "{} JOIN that keeps rows of the table: which of them stay unmatched is known only at the "
        "end of the stream; put the stream on the side that is kept (stream LEFT JOIN table)",
        duckdb::JoinTypeToString(type)));
  }
  return both;
}

Nature classify_set(const LogicalOperator& op, std::span<const Nature> children) {
  const Nature all = combined(children);
  if (all.rows != Rows::stream) {
    return all;
  }
  if (op.type != LogicalOperatorType::LOGICAL_UNION) {
    refuse(fmt::format("{} over a stream would have to know the whole stream; it works on tables",
                       op.type == LogicalOperatorType::LOGICAL_EXCEPT ? "EXCEPT" : "INTERSECT"));
  }
  if (!op.Cast<duckdb::LogicalSetOperation>().setop_all) {
    refuse("UNION over a stream removes duplicates, which comes with event time; use UNION ALL");
  }
  if (!std::ranges::all_of(children, [](Nature c) { return c.rows == Rows::stream; })) {
    refuse(
        "UNION ALL of a stream and something else would give the rows of the other in every batch; "
        "all parts must be streams");
  }
  return all;
}

/// Whether this is the row_number() that DuckDB itself puts below a lateral join to know the rows
/// of the batch again. (One that a person writes has a projection above it.)
bool is_row_id(const LogicalOperator& op, const LogicalOperator* parent) {
  if (op.type != LogicalOperatorType::LOGICAL_WINDOW || parent == nullptr ||
      parent->type != LogicalOperatorType::LOGICAL_DELIM_JOIN || op.expressions.size() != 1) {
    return false;
  }
  const auto& window = op.expressions[0]->Cast<duckdb::BoundWindowExpression>();
  return window.GetExpressionType() == duckdb::ExpressionType::WINDOW_ROW_NUMBER &&
         window.partitions.empty() && window.orders.empty();
}

/// The refusal of an operator that works on whole tables only.
std::string whole_table_refusal(LogicalOperatorType type) {
  switch (type) {
    case LogicalOperatorType::LOGICAL_ORDER_BY:
    case LogicalOperatorType::LOGICAL_TOP_N:
      return "ORDER BY over a stream: a stream has no end to sort by; sort in a dataset above an "
             "aggregation, or leave it out";
    case LogicalOperatorType::LOGICAL_LIMIT:
      return "LIMIT over a stream would count anew in every batch; use it above an aggregation";
    case LogicalOperatorType::LOGICAL_WINDOW:
      return "a window function (OVER) over a stream would see one batch only; aggregate with "
             "GROUP BY, or use it above an aggregation";
    case LogicalOperatorType::LOGICAL_SAMPLE:
      return "TABLESAMPLE over a stream would sample each batch anew; filter by a hash of a key";
    case LogicalOperatorType::LOGICAL_PIVOT:
      return "PIVOT over a stream; write the columns as sum(...) FILTER (WHERE ...)";
    case LogicalOperatorType::LOGICAL_RECURSIVE_CTE:
      return "WITH RECURSIVE over a stream; it works on tables";
    case LogicalOperatorType::LOGICAL_ASOF_JOIN:
      return "ASOF JOIN with a stream comes with event time";
    case LogicalOperatorType::LOGICAL_POSITIONAL_JOIN:
      return "POSITIONAL JOIN with a stream: its rows have no positions";
    default:
      return fmt::format("{} over a stream is not known to work batch by batch",
                         duckdb::LogicalOperatorToString(type));
  }
}

}  // namespace

namespace {

/// Sessions need to know when no row can come any more that would make one longer.
bool check_session(duckdb::LogicalOperator& op, Nature input, const ClosingTimes& closing) {
  const auto& call = op.expressions[0]->Cast<duckdb::BoundWindowExpression>();
  if (input.rows != Rows::stream) {
    refuse("session() works on streams; this is a table");
  }
  if (closing.of_session(op) == nullptr) {
    refuse(
        fmt::format("session() needs a column with a watermark, to know when a session is over; "
                    "`{}` has none: declare a `watermark` for its source",
                    call.children[0]->GetName()));
  }
  return true;
}

/// What an aggregation gives: the groups of windows are final when the watermark closes them, all
/// others may change for ever.
Nature aggregated(Nature input, bool windows) {
  if (input.rows != Rows::stream) {
    return input;
  }
  return windows ? Nature{.rows = Rows::stream} : Nature{.rows = Rows::table, .from_state = true};
}

}  // namespace

Nature Classifier::classify(LogicalOperator& op, const LogicalOperator* parent,
                            std::span<const Nature> children) {
  const Nature all = combined(children);
  switch (op.type) {
    case LogicalOperatorType::LOGICAL_GET:
      return classify_get(op.Cast<duckdb::LogicalGet>(), children);
    case LogicalOperatorType::LOGICAL_CTE_REF:
      return ctes_[op.Cast<duckdb::LogicalCTERef>().cte_index];
    case LogicalOperatorType::LOGICAL_MATERIALIZED_CTE:
      return children[1];
    case LogicalOperatorType::LOGICAL_EXTENSION_OPERATOR:
      if (const auto* stateful = dynamic_cast<const LogicalStatefulAggregate*>(&op)) {
        return aggregated(all, stateful->window().has_value());
      }
      return all;
    case LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY:
      return aggregated(all, closing_.windows_of(op.Cast<duckdb::LogicalAggregate>()) != nullptr);
    case LogicalOperatorType::LOGICAL_COMPARISON_JOIN:
    case LogicalOperatorType::LOGICAL_DELIM_JOIN:
    case LogicalOperatorType::LOGICAL_ANY_JOIN:
    case LogicalOperatorType::LOGICAL_CROSS_PRODUCT:
      return classify_join(op, children[0], children[1]);
    case LogicalOperatorType::LOGICAL_UNION:
    case LogicalOperatorType::LOGICAL_EXCEPT:
    case LogicalOperatorType::LOGICAL_INTERSECT:
      return classify_set(op, children);
    case LogicalOperatorType::LOGICAL_PROJECTION:
    case LogicalOperatorType::LOGICAL_FILTER:
    case LogicalOperatorType::LOGICAL_UNNEST:
    case LogicalOperatorType::LOGICAL_DISTINCT:
    // Constants; DELIM_GET: the values of the row that a subquery is looked up for.
    case LogicalOperatorType::LOGICAL_CHUNK_GET:
    case LogicalOperatorType::LOGICAL_DELIM_GET:
    case LogicalOperatorType::LOGICAL_EXPRESSION_GET:
    case LogicalOperatorType::LOGICAL_DUMMY_SCAN:
    case LogicalOperatorType::LOGICAL_EMPTY_RESULT:
      return all;
    case LogicalOperatorType::LOGICAL_WINDOW:
      if (is_session(op) && check_session(op, all, closing_)) {
        return all;
      }
      [[fallthrough]];
    default:
      if (all.rows == Rows::stream && !is_row_id(op, parent)) {
        refuse(whole_table_refusal(op.type));
      }
      return all;
  }
}

namespace {

Nature check(Classifier& classifier, const EventTimeFinder& finder, LogicalOperator& op,
             const LogicalOperator* parent) {
  if (op.type == LogicalOperatorType::LOGICAL_CTE_REF) {
    const auto cte = op.Cast<duckdb::LogicalCTERef>().cte_index;
    auto* definition = classifier.knows_cte(cte) ? nullptr : finder.definition(cte);
    if (definition != nullptr) {
      classifier.define_cte(cte, check(classifier, finder, *definition, nullptr));
    }
  }
  std::vector<Nature> children;
  for (const auto& child : op.children) {
    children.push_back(check(classifier, finder, *child, &op));
    if (children.size() == 1 && (op.type == LogicalOperatorType::LOGICAL_MATERIALIZED_CTE ||
                                 op.type == LogicalOperatorType::LOGICAL_RECURSIVE_CTE)) {
      classifier.define_cte(op.Cast<duckdb::LogicalCTE>().table_index, children.back());
    }
  }
  return classifier.classify(op, parent, children);
}

}  // namespace

Nature check_plan(LogicalOperator& plan, const ClosingTimes& closing,
                  const EventTimeFinder& finder) {
  Classifier classifier(closing);
  return check(classifier, finder, plan, nullptr);
}

}  // namespace millrace::sql
