#include <algorithm>

#include "duckdb/parser/query_node/cte_node.hpp"
#include "duckdb/parser/query_node/recursive_cte_node.hpp"
#include "duckdb/parser/query_node/select_node.hpp"
#include "duckdb/parser/query_node/set_operation_node.hpp"
#include "duckdb/parser/tableref/expressionlistref.hpp"
#include "duckdb/parser/tableref/joinref.hpp"
#include "duckdb/parser/tableref/pivotref.hpp"
#include "sql/internal/read_syntax.h"

namespace millrace::sql {

using duckdb::ParsedExpression;
using duckdb::ParsedExpressionIterator;
using duckdb::QueryNodeType;
using duckdb::TableReferenceType;

namespace {

SqlError refuse(const std::string& what, const duckdb::optional_idx& at) {
  return {what, at.IsValid() ? std::optional<std::size_t>(at.GetIndex()) : std::nullopt};
}

}  // namespace

void ReadWalk::walk(duckdb::QueryNode& node) {
  const auto outside = defined_;
  for (const auto& [name, cte] : node.cte_map.map) {
    // Its own name means what is outside, except in a recursive one, which says so itself.
    walk(*cte->query->node);
    expressions(cte->key_targets);
    defined_.push_back(duckdb::StringUtil::Lower(name));
  }
  walk_with(node);
  ParsedExpressionIterator::EnumerateQueryNodeModifiers(
      node, [this](Expression& child) { expression(child); });
  defined_ = outside;
}

/// What WITH defines is known.
void ReadWalk::walk_with(duckdb::QueryNode& node) {
  switch (node.type) {
    case QueryNodeType::SELECT_NODE: {
      auto& select = node.Cast<duckdb::SelectNode>();
      expressions(select.select_list);
      table(select.from_table);
      expression(select.where_clause);
      expressions(select.groups.group_expressions);
      expression(select.having);
      expression(select.qualify);
      return;
    }
    case QueryNodeType::SET_OPERATION_NODE:
      for (auto& child : node.Cast<duckdb::SetOperationNode>().children) {
        walk(*child);
      }
      return;
    case QueryNodeType::RECURSIVE_CTE_NODE: {
      auto& recursive = node.Cast<duckdb::RecursiveCTENode>();
      walk(*recursive.left);
      defined_.push_back(duckdb::StringUtil::Lower(recursive.ctename));
      walk(*recursive.right);
      expressions(recursive.key_targets);
      return;
    }
    case QueryNodeType::CTE_NODE: {
      auto& cte = node.Cast<duckdb::CTENode>();
      walk(*cte.query);
      defined_.push_back(duckdb::StringUtil::Lower(cte.ctename));
      walk(*cte.child);
      return;
    }
    default:
      throw SqlError("only a SELECT can be run here", std::nullopt);
  }
}

void ReadWalk::expressions(duckdb::vector<Expression>& all) {
  for (auto& each : all) {
    expression(each);
  }
}

void ReadWalk::expression(Expression& expression) {
  if (expression == nullptr) {
    return;
  }
  switch (expression->GetExpressionClass()) {
    case duckdb::ExpressionClass::PARAMETER:
      parameter(expression);
      return;
    case duckdb::ExpressionClass::FUNCTION:
      function(expression->Cast<duckdb::FunctionExpression>());
      break;
    case duckdb::ExpressionClass::SUBQUERY:
      walk(*expression->Cast<duckdb::SubqueryExpression>().subquery->node);
      break;
    default:
      break;
  }
  ParsedExpressionIterator::EnumerateChildren(
      *expression, [this](Expression& child) { this->expression(child); });
}

void ReadWalk::table(Table& table) {
  if (table == nullptr) {
    return;
  }
  switch (table->type) {
    case TableReferenceType::BASE_TABLE: {
      const auto& base = table->Cast<duckdb::BaseTableRef>();
      const auto name = duckdb::StringUtil::Lower(base.table_name);
      const bool plain = base.schema_name.empty() && base.catalog_name.empty();
      if (!plain || std::ranges::find(defined_, name) == defined_.end()) {
        table_named(table);
      }
      return;
    }
    case TableReferenceType::JOIN: {
      auto& join = table->Cast<duckdb::JoinRef>();
      this->table(join.left);
      this->table(join.right);
      expression(join.condition);
      return;
    }
    case TableReferenceType::SUBQUERY:
      walk(*table->Cast<duckdb::SubqueryRef>().subquery->node);
      return;
    case TableReferenceType::TABLE_FUNCTION: {
      auto& call = table->Cast<duckdb::TableFunctionRef>();
      auto& function = call.function->Cast<duckdb::FunctionExpression>();
      table_function(function);
      expressions(function.children);
      if (call.subquery != nullptr) {
        walk(*call.subquery->node);
      }
      return;
    }
    case TableReferenceType::EXPRESSION_LIST:
      for (auto& row : table->Cast<duckdb::ExpressionListRef>().values) {
        expressions(row);
      }
      return;
    case TableReferenceType::PIVOT:
      pivot(table->Cast<duckdb::PivotRef>());
      return;
    case TableReferenceType::EMPTY_FROM:
      return;
    default:
      throw refuse("DESCRIBE, SHOW and SUMMARIZE can't be used here; SELECT from the table",
                   table->query_location);
  }
}

void ReadWalk::pivot(duckdb::PivotRef& pivot) {
  table(pivot.source);
  expressions(pivot.aggregates);
  for (auto& column : pivot.pivots) {
    expressions(column.pivot_expressions);
    for (auto& entry : column.entries) {
      expression(entry.expr);
    }
    if (column.subquery != nullptr) {
      walk(*column.subquery);
    }
  }
}

}  // namespace millrace::sql
