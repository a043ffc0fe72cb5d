#include "sql/internal/syntax.h"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <utility>

#include "sql/database.h"

namespace millrace::sql {

namespace {

using duckdb::ParsedExpression;
using duckdb::ParsedExpressionIterator;

std::optional<std::size_t> place(const duckdb::optional_idx& location) {
  return location.IsValid() ? std::optional<std::size_t>(location.GetIndex()) : std::nullopt;
}

void check_table(const duckdb::TableRef& ref) {
  if (ref.type != duckdb::TableReferenceType::TABLE_FUNCTION) {
    return;
  }
  const auto& call =
      ref.Cast<duckdb::TableFunctionRef>().function->Cast<duckdb::FunctionExpression>();
  if (!may_call_table_function(call.function_name)) {
    throw SqlError(fmt::format("a dataset can't call {}(): it would read something that millrace "
                               "does not track; declare a source for it",
                               call.function_name),
                   place(call.GetQueryLocation()));
  }
}

void check_node(duckdb::QueryNode& node);

void check_expression(ParsedExpression& expression) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::SUBQUERY) {
    check_node(*expression.Cast<duckdb::SubqueryExpression>().subquery->node);
  }
  ParsedExpressionIterator::EnumerateChildren(
      expression, [](ParsedExpression& child) { check_expression(child); });
}

void check_node(duckdb::QueryNode& node) {
  for (const auto& [name, cte] : node.cte_map.map) {
    check_node(*cte->query->node);
  }
  ParsedExpressionIterator::EnumerateQueryNodeChildren(
      node, [](duckdb::unique_ptr<ParsedExpression>& child) { check_expression(*child); },
      [](duckdb::TableRef& ref) { check_table(ref); });
}

}  // namespace

duckdb::unique_ptr<duckdb::SQLStatement> parse_select(const duckdb::ClientContext& context,
                                                      const std::string& sql) {
  duckdb::Parser parser(context.GetParserOptions());
  parser.ParseQuery(sql);
  if (parser.statements.empty()) {
    throw SqlError("there is no SELECT in this SQL", std::nullopt);
  }
  if (parser.statements.size() > 1) {
    throw SqlError("a dataset is one SELECT; this is another statement",
                   parser.statements[1]->stmt_location);
  }
  auto statement = std::move(parser.statements[0]);
  if (statement->type != duckdb::StatementType::SELECT_STATEMENT) {
    throw SqlError(
        "a dataset is a SELECT; this is " + duckdb::StatementTypeToString(statement->type),
        statement->stmt_location);
  }
  if (!statement->named_param_map.empty()) {
    throw SqlError("a dataset has no parameters to fill in", std::nullopt);
  }
  check_node(*statement->Cast<duckdb::SelectStatement>().node);
  return statement;
}

bool may_call_table_function(std::string_view name) {
  static const std::set<std::string_view> kAllowed = {"range",     "generate_series", "unnest",
                                                      "json_each", "json_tree",       "repeat"};
  return kAllowed.contains(name);
}

}  // namespace millrace::sql
