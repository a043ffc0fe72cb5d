#include "sql/internal/read_syntax.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "duckdb/catalog/catalog_entry/scalar_function_catalog_entry.hpp"
#include "duckdb/parser/expression/between_expression.hpp"
#include "duckdb/parser/expression/cast_expression.hpp"
#include "duckdb/parser/expression/comparison_expression.hpp"
#include "duckdb/parser/expression/conjunction_expression.hpp"
#include "duckdb/parser/expression/parameter_expression.hpp"
#include "duckdb/parser/expression/star_expression.hpp"
#include "duckdb/parser/query_node/select_node.hpp"
#include "duckdb/parser/tableref/joinref.hpp"
#include "sql/internal/row_bytes.h"
#include "sql/internal/syntax.h"
#include "sql/internal/types.h"

namespace millrace::sql {

using duckdb::ExpressionClass;
using duckdb::ExpressionType;
using duckdb::ParsedExpression;
using Op = Demand::Op;

namespace {

std::optional<std::size_t> place(const duckdb::optional_idx& location) {
  return location.IsValid() ? std::optional<std::size_t>(location.GetIndex()) : std::nullopt;
}

template <class Named>
std::string names_of(const std::vector<Named>& all) {
  std::vector<std::string> names;
  names.reserve(all.size());
  for (const auto& each : all) {
    names.push_back(each.name);
  }
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

/// Whether a function only computes: its value may change with time or by chance, but it tells
/// nothing of the process and changes nothing.
bool only_computes(duckdb::ClientContext& context, const std::string& name) {
  static constexpr std::array<std::string_view, 13> kRefused = {
      "current_setting", "getvariable",      "getenv",       "nextval",
      "currval",         "setseed",          "write_log",    "current_connection_id",
      "current_query",   "current_query_id", "txid_current", "current_transaction_id",
      "sleep_ms"};
  static constexpr std::array<std::string_view, 9> kVolatile = {
      "random", "uuid",         "uuidv4", "uuidv7", "gen_random_uuid",
      "now",    "current_date", "today",  "error"};
  const auto lower = duckdb::StringUtil::Lower(name);
  if (std::ranges::find(kRefused, lower) != kRefused.end()) {
    return false;
  }
  const auto entry = duckdb::Catalog::GetSystemCatalog(context).GetEntry(
      context, duckdb::CatalogType::SCALAR_FUNCTION_ENTRY, DEFAULT_SCHEMA, lower,
      duckdb::OnEntryNotFound::RETURN_NULL);
  if (entry == nullptr || entry->type != duckdb::CatalogType::SCALAR_FUNCTION_ENTRY) {
    return true;  // an aggregate or a macro; or unknown, as binding will say
  }
  const auto& overloads = entry->Cast<duckdb::ScalarFunctionCatalogEntry>().functions.functions;
  return std::ranges::find(kVolatile, lower) != kVolatile.end() ||
         std::ranges::none_of(overloads, [](const auto& function) {
           return function.GetStability() == duckdb::FunctionStability::VOLATILE;
         });
}

class CheckWalk final : public ReadWalk {
 public:
  CheckWalk(duckdb::ClientContext& context, const std::vector<Relation>& relations,
            const std::vector<ReadParameter>& parameters, std::vector<std::size_t>& mentions)
      : context_(context), relations_(relations), parameters_(parameters), mentions_(mentions) {}

 protected:
  void table_named(Table& table) override {
    const auto& base = table->Cast<duckdb::BaseTableRef>();
    const auto at = place(base.query_location);
    if (!base.schema_name.empty() || !base.catalog_name.empty()) {
      throw SqlError(fmt::format("`{}.{}` can't be read here; there is: {}",
                                 base.schema_name.empty() ? base.catalog_name : base.schema_name,
                                 base.table_name, names_of(relations_)),
                     at);
    }
    if (base.at_clause != nullptr) {
      throw SqlError("tables have no AT here: a query sees them as of one batch", at);
    }
    const auto relation = place_of_name(relations_, base.table_name);
    if (!relation) {
      throw SqlError(fmt::format("there is no `{}` that could be read here; there is: {}",
                                 base.table_name, names_of(relations_)),
                     at);
    }
    mentions_[*relation]++;
  }

  void parameter(Expression& parameter) override {
    const auto& name = parameter->Cast<duckdb::ParameterExpression>().identifier;
    if (!place_of_name(parameters_, name)) {
      const bool named = !name.empty() && (name[0] < '0' || name[0] > '9');
      throw SqlError(named ? fmt::format("there is no parameter ${}; there is: {}", name,
                                         names_of(parameters_))
                           : "parameters are written by their names, such as $id",
                     place(parameter->GetQueryLocation()));
    }
  }

  void function(const duckdb::FunctionExpression& call) override {
    if (!only_computes(context_, call.function_name)) {
      throw SqlError(fmt::format("{}() can't be called here: it does more than compute a value",
                                 call.function_name),
                     place(call.GetQueryLocation()));
    }
  }

  void table_function(const duckdb::FunctionExpression& call) override {
    if (!may_call_table_function(call.function_name)) {
      throw SqlError(fmt::format("{}() can't be called here: it reads what the pipeline does not "
                                 "serve; there is: {}",
                                 call.function_name, names_of(relations_)),
                     place(call.GetQueryLocation()));
    }
  }

 private:
  duckdb::ClientContext& context_;
  const std::vector<Relation>& relations_;
  const std::vector<ReadParameter>& parameters_;
  std::vector<std::size_t>& mentions_;
};

std::optional<Op> op_of(ExpressionType type, bool turned) {
  switch (type) {
    case ExpressionType::COMPARE_EQUAL:
      return Op::equal;
    case ExpressionType::COMPARE_LESSTHAN:
      return turned ? Op::greater : Op::less;
    case ExpressionType::COMPARE_LESSTHANOREQUALTO:
      return turned ? Op::greater_or_equal : Op::less_or_equal;
    case ExpressionType::COMPARE_GREATERTHAN:
      return turned ? Op::less : Op::greater;
    case ExpressionType::COMPARE_GREATERTHANOREQUALTO:
      return turned ? Op::less_or_equal : Op::greater_or_equal;
    default:
      return std::nullopt;
  }
}

const duckdb::ColumnRefExpression* column_of(const ParsedExpression& expression) {
  return expression.GetExpressionClass() == ExpressionClass::COLUMN_REF
             ? &expression.Cast<duckdb::ColumnRefExpression>()
             : nullptr;
}

}  // namespace

const Schema& schema_of(const Relation& relation) {
  return relation.kind == Relation::Kind::live ? relation.live->schema() : relation.schema;
}

ReadText::ReadText(duckdb::ClientContext& context, const std::string& sql,
                   const std::vector<Relation>& relations,
                   const std::vector<ReadParameter>& parameters)
    : relations_(relations), parameters_(parameters), mentions_(relations.size(), 0) {
  duckdb::Parser parser(context.GetParserOptions());
  parser.ParseQuery(sql);
  if (parser.statements.empty()) {
    throw SqlError("there is no SELECT in this SQL", std::nullopt);
  }
  if (parser.statements.size() > 1) {
    throw SqlError("only one SELECT can be run here; this is another statement",
                   parser.statements[1]->stmt_location);
  }
  auto& statement = parser.statements[0];
  if (statement->type != duckdb::StatementType::SELECT_STATEMENT) {
    throw SqlError(
        "only a SELECT can be run here; this is " + duckdb::StatementTypeToString(statement->type),
        statement->stmt_location);
  }
  statement_ =
      duckdb::unique_ptr_cast<duckdb::SQLStatement, duckdb::SelectStatement>(std::move(statement));
  context.RunFunctionInTransaction([&] {  // the catalog is asked for functions
    CheckWalk(context, relations_, parameters_, mentions_).walk(*statement_->node);
  });
  for (std::size_t i = 0; i < relations.size(); ++i) {
    if (mentions_[i] > 0) {
      reads_.push_back(i);
    }
  }
}

std::optional<std::size_t> ReadText::parameter_of(const ParsedExpression& side,
                                                  bool& is_cast) const {
  if (side.GetExpressionClass() == ExpressionClass::CAST) {
    is_cast = true;
    return parameter_of(*side.Cast<duckdb::CastExpression>().child, is_cast);
  }
  if (side.GetExpressionClass() != ExpressionClass::PARAMETER) {
    return std::nullopt;
  }
  return place_of_name(parameters_, side.Cast<duckdb::ParameterExpression>().identifier);
}

bool ReadText::conditions(const ParsedExpression& where, std::vector<Condition>& to) const {
  const auto add = [&](const ParsedExpression& column, const ParsedExpression& value,
                       std::optional<Op> op) {
    bool is_cast = false;
    const auto* of = column_of(column);
    const auto parameter = parameter_of(value, is_cast);
    if (of == nullptr || !parameter || !op) {
      return false;
    }
    to.push_back({of, *op, *parameter, is_cast});
    return true;
  };
  switch (where.GetExpressionClass()) {
    case ExpressionClass::CONJUNCTION: {
      if (where.GetExpressionType() != ExpressionType::CONJUNCTION_AND) {
        return false;
      }
      bool all = true;
      for (const auto& child : where.Cast<duckdb::ConjunctionExpression>().children) {
        all = conditions(*child, to) && all;
      }
      return all;
    }
    case ExpressionClass::COMPARISON: {
      const auto& compare = where.Cast<duckdb::ComparisonExpression>();
      const auto type = compare.GetExpressionType();
      return add(*compare.left, *compare.right, op_of(type, /*turned=*/false)) ||
             add(*compare.right, *compare.left, op_of(type, /*turned=*/true));
    }
    case ExpressionClass::BETWEEN: {
      const auto& between = where.Cast<duckdb::BetweenExpression>();
      const bool lower = add(*between.input, *between.lower, Op::greater_or_equal);
      return add(*between.input, *between.upper, Op::less_or_equal) && lower;
    }
    default:
      return false;
  }
}

std::optional<std::size_t> ReadText::find_relation(std::string_view name) const {
  return place_of_name(relations_, name);
}

void ReadText::named_in(const duckdb::TableRef& from, std::vector<Named>& to) const {
  if (from.type == duckdb::TableReferenceType::JOIN) {
    const auto& join = from.Cast<duckdb::JoinRef>();
    named_in(*join.left, to);
    named_in(*join.right, to);
    return;
  }
  if (from.type != duckdb::TableReferenceType::BASE_TABLE || !from.column_name_alias.empty()) {
    to.push_back({from.alias, std::nullopt});
    return;
  }
  const auto& base = from.Cast<duckdb::BaseTableRef>();
  const bool defined = statement_->node->cte_map.map.contains(base.table_name);
  to.push_back({from.alias.empty() ? base.table_name : from.alias,
                defined ? std::nullopt : find_relation(base.table_name)});
}

std::optional<std::size_t> ReadText::relation_of(const duckdb::ColumnRefExpression& column,
                                                 const std::vector<Named>& from) const {
  std::optional<std::size_t> found;
  if (column.IsQualified()) {
    if (column.column_names.size() != 2) {
      return std::nullopt;
    }
    for (const Named& named : from) {
      if (equal_ignoring_case(named.alias, column.column_names[0])) {
        found = named.relation;
      }
    }
  } else if (from.size() == 1) {
    found = from[0].relation;
  } else {
    for (const Named& named : from) {
      if (!named.relation || relations_[*named.relation].kind == Relation::Kind::fixed) {
        return std::nullopt;  // whose columns are not known
      }
      if (schema_of(relations_[*named.relation]).find(column.GetColumnName()) >= 0) {
        if (found) {
          return std::nullopt;
        }
        found = named.relation;
      }
    }
  }
  return found && mentions_[*found] == 1 ? found : std::nullopt;
}

std::vector<Demand> ReadText::demands() const {
  std::vector<Demand> demands;
  if (statement_->node->type != duckdb::QueryNodeType::SELECT_NODE) {
    return demands;
  }
  const auto& select = statement_->node->Cast<duckdb::SelectNode>();
  if (select.where_clause == nullptr || select.from_table == nullptr) {
    return demands;
  }
  std::vector<Named> from;
  named_in(*select.from_table, from);
  std::vector<Condition> found;
  (void)conditions(*select.where_clause, found);
  for (const Condition& condition : found) {
    if (const auto relation = relation_of(*condition.column, from)) {
      demands.push_back({.relation = relations_[*relation].name,
                         .column = condition.column->GetColumnName(),
                         .op = condition.op,
                         .parameter = parameters_[condition.parameter].name,
                         .is_cast = condition.is_cast});
    }
  }
  return demands;
}

namespace {

/// Nothing but SELECT ... FROM ... WHERE.
bool is_plain(const duckdb::SelectNode& select) {
  return select.modifiers.empty() && select.cte_map.map.empty() && select.having == nullptr &&
         select.qualify == nullptr && select.sample == nullptr &&
         select.groups.group_expressions.empty() && select.groups.grouping_sets.empty() &&
         select.aggregate_handling == duckdb::AggregateHandling::STANDARD_HANDLING &&
         select.where_clause != nullptr && select.from_table != nullptr &&
         select.from_table->type == duckdb::TableReferenceType::BASE_TABLE &&
         select.from_table->sample == nullptr && select.from_table->column_name_alias.empty();
}

/// The places of the columns that are selected; nullopt: something else is, too.
std::optional<std::vector<std::size_t>> columns_of(const duckdb::SelectNode& select,
                                                   const Schema& schema, const std::string& alias) {
  std::vector<std::size_t> columns;
  for (const auto& item : select.select_list) {
    if (const auto* column = column_of(*item)) {
      const auto& names = column->column_names;
      const bool known =
          names.size() == 1 || (names.size() == 2 && equal_ignoring_case(names[0], alias));
      const int at = known ? schema.find(column->GetColumnName()) : -1;
      if (at < 0) {
        return std::nullopt;
      }
      columns.push_back(static_cast<std::size_t>(at));
      continue;
    }
    if (item->GetExpressionClass() != ExpressionClass::STAR) {
      return std::nullopt;
    }
    const auto& star = item->Cast<duckdb::StarExpression>();
    if (!star.exclude_list.empty() || !star.replace_list.empty() || !star.rename_list.empty() ||
        star.columns || star.expr != nullptr ||
        (!star.relation_name.empty() && !equal_ignoring_case(star.relation_name, alias))) {
      return std::nullopt;
    }
    for (std::size_t c = 0; c < schema.size(); ++c) {
      columns.push_back(c);
    }
  }
  return columns;
}

}  // namespace

std::optional<ReadQuery::ByKey> ReadText::by_key() const {
  if (statement_->node->type != duckdb::QueryNodeType::SELECT_NODE) {
    return std::nullopt;
  }
  const auto& select = statement_->node->Cast<duckdb::SelectNode>();
  if (!is_plain(select) || reads_.size() != 1 || mentions_[reads_[0]] != 1 ||
      relations_[reads_[0]].kind != Relation::Kind::live) {
    return std::nullopt;
  }
  const auto& table = relations_[reads_[0]].live;
  const auto& key = table->key();
  std::vector<Named> from;
  named_in(*select.from_table, from);
  std::vector<Condition> found;
  if (key.empty() || !from[0].relation || !conditions(*select.where_clause, found) ||
      found.size() != key.size()) {
    return std::nullopt;
  }
  auto columns = columns_of(select, table->schema(), from[0].alias);
  if (!columns) {
    return std::nullopt;
  }
  ReadQuery::ByKey by_key{.table = table, .columns = *std::move(columns), .parameters = {}};
  for (const std::size_t part : key) {
    const Column& column = table->schema().columns[part];
    const auto condition = std::ranges::find_if(found, [&](const Condition& each) {
      return equal_ignoring_case(each.column->GetColumnName(), column.name) &&
             relation_of(*each.column, from) && each.op == Op::equal && !each.is_cast;
    });
    if (condition == found.end()) {
      return std::nullopt;
    }
    const auto type = type_of(column.type);
    const auto of_parameter = type_of(parameters_[condition->parameter].type);
    const bool same = type == of_parameter || (type.IsIntegral() && of_parameter.IsIntegral());
    if (!same || !has_plain_equality(type)) {
      return std::nullopt;
    }
    by_key.parameters.push_back(condition->parameter);
  }
  return by_key;
}

}  // namespace millrace::sql
