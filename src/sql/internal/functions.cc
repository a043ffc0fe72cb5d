#include "sql/internal/functions.h"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "sql/database.h"

namespace millrace::sql {

namespace {

using duckdb::Expression;
using duckdb::FunctionStability;

using Names = std::set<std::string_view>;

const Names kRandom = {"gen_random_uuid", "random", "uuid", "uuidv4", "uuidv7"};
// Their value is the time of the transaction's start, read when they are evaluated.
const Names kTime = {"current_date", "get_current_time",     "get_current_timestamp", "now",
                     "today",        "transaction_timestamp"};
// They read the time when they are bound: once and for all batches.
const Names kTimeOfPlanning = {"current_localtime", "current_localtimestamp"};
// The same for all the life of the database, or harmless in another way.
const Names kAllowed = {"current_database", "current_schema", "current_schemas", "error",
                        "in_search_path"};

bool is_time(const duckdb::BoundFunctionExpression& call) {
  return kTime.contains(call.function.name) ||
         (call.function.name == "age" && call.children.size() == 1);  // age(x) is now() - x
}

/// Why a function can't be used; nullopt if it can.
std::optional<std::string> reason_against(const duckdb::BoundFunctionExpression& call) {
  const std::string& name = call.function.name;
  if (kTimeOfPlanning.contains(name)) {
    return fmt::format(
        "{}() would be the time at which the pipeline started, not the batch's; use "
        "now()",
        name);
  }
  if (name == "setseed") {
    return "setseed() has no effect here: what random() gives follows from the batch and the row";
  }
  if (name == "nextval" || name == "currval") {
    return fmt::format(
        "{}() would count on when a batch runs again; use uuid(), or row_number() OVER (...) in a "
        "dataset above an aggregation",
        name);
  }
  if (call.function.GetStability() != FunctionStability::CONSISTENT && !kAllowed.contains(name)) {
    return fmt::format(
        "{}() depends on more than its arguments or changes something, so a batch "
        "could not be run again with the same result",
        name);
  }
  return std::nullopt;
}

void check_function(duckdb::BoundFunctionExpression& call) {
  if (is_time(call)) {
    // A volatile function is not folded into a constant; its value comes from the transaction's
    // start, which is set to the batch's time.
    call.function.SetVolatile();
    return;
  }
  if (is_random(call)) {
    return;
  }
  if (auto reason = reason_against(call)) {
    const auto location = call.GetQueryLocation();
    throw SqlError(*reason, location.IsValid() ? std::optional<std::size_t>(location.GetIndex())
                                               : std::nullopt);
  }
}

void check_expression(Expression& expression) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_FUNCTION) {
    check_function(expression.Cast<duckdb::BoundFunctionExpression>());
  }
  duckdb::ExpressionIterator::EnumerateChildren(expression,
                                                [](Expression& child) { check_expression(child); });
}

}  // namespace

bool is_random(const Expression& expression) {
  return expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_FUNCTION &&
         kRandom.contains(expression.Cast<duckdb::BoundFunctionExpression>().function.name);
}

void check_functions(duckdb::LogicalOperator& plan) {
  duckdb::LogicalOperatorVisitor::EnumerateExpressions(
      plan, [](duckdb::unique_ptr<Expression>* expression) { check_expression(**expression); });
  for (const auto& child : plan.children) {
    check_functions(*child);
  }
}

}  // namespace millrace::sql
