#include "sql/internal/syntax.h"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <utility>

#include "duckdb/parser/statement/multi_statement.hpp"
#include "duckdb/parser/tableref/showref.hpp"
#include "sql/database.h"
#include "sql/internal/windows.h"

namespace millrace::sql {

namespace {

using duckdb::ParsedExpression;
using duckdb::ParsedExpressionIterator;

std::optional<std::size_t> place(const duckdb::optional_idx& location) {
  return location.IsValid() ? std::optional<std::size_t>(location.GetIndex()) : std::nullopt;
}

void check_table_function(const duckdb::FunctionExpression& call) {
  if (!is_window_table(call.function_name) && !may_call_table_function(call.function_name)) {
    throw SqlError(fmt::format("a dataset can't call {}(): it would read something that millrace "
                               "does not track; declare a source for it",
                               call.function_name),
                   place(call.GetQueryLocation()));
  }
}

/// A table as the text names it.
struct Mention {
  TableRead table;
  std::optional<std::size_t> position;
};

/// Walks through all of a SELECT: tables, subqueries wherever they stand, and WITH at every level.
class Walk {
 public:
  enum class Of : std::uint8_t {
    dataset,  ///< calls no table function which reads something outside
    query,    ///< may do anything
  };
  explicit Walk(Of of) : of_(of) {}

  void node(duckdb::QueryNode& node) {
    for (const auto& [name, cte] : node.cte_map.map) {
      defined_.insert(duckdb::StringUtil::Lower(name));
      this->node(*cte->query->node);
    }
    ParsedExpressionIterator::EnumerateQueryNodeChildren(
        node, [this](duckdb::unique_ptr<ParsedExpression>& child) { expression(*child); },
        [this](duckdb::TableRef& ref) { table(ref); });
  }

  /// The tables after FROM and JOIN that the text does not define itself, each once.
  [[nodiscard]] std::vector<Mention> tables() const {
    std::vector<Mention> out;
    std::set<std::pair<std::string, std::string>> seen;
    for (const auto& read : read_) {
      const auto schema = duckdb::StringUtil::Lower(read.table.schema);
      const auto name = duckdb::StringUtil::Lower(read.table.name);
      const bool defined = schema.empty() && defined_.contains(name);
      if (!defined && seen.emplace(schema, name).second) {
        out.push_back(read);
      }
    }
    return out;
  }

 private:
  void expression(ParsedExpression& expression) {
    if (expression.GetExpressionClass() == duckdb::ExpressionClass::SUBQUERY) {
      node(*expression.Cast<duckdb::SubqueryExpression>().subquery->node);
    }
    ParsedExpressionIterator::EnumerateChildren(
        expression, [this](ParsedExpression& child) { this->expression(child); });
  }

  void function(const duckdb::FunctionExpression& call) {
    if (of_ == Of::dataset) {
      check_table_function(call);
    }
    if (is_window_table(call.function_name) && !call.children.empty()) {
      const auto& stream = *call.children[0];
      if (stream.GetExpressionClass() == duckdb::ExpressionClass::COLUMN_REF) {
        read_.push_back({{"", stream.Cast<duckdb::ColumnRefExpression>().GetColumnName()},
                         place(stream.GetQueryLocation())});
      } else if (stream.GetExpressionClass() == duckdb::ExpressionClass::CONSTANT) {
        read_.push_back({{"", stream.Cast<duckdb::ConstantExpression>().value.ToString()},
                         place(stream.GetQueryLocation())});
      }
    }
  }

  void table(duckdb::TableRef& ref) {
    switch (ref.type) {
      case duckdb::TableReferenceType::TABLE_FUNCTION:
        function(ref.Cast<duckdb::TableFunctionRef>().function->Cast<duckdb::FunctionExpression>());
        break;
      case duckdb::TableReferenceType::BASE_TABLE: {
        const auto& table = ref.Cast<duckdb::BaseTableRef>();
        read_.push_back({{table.schema_name, table.table_name}, place(ref.query_location)});
        break;
      }
      case duckdb::TableReferenceType::SHOW_REF:  // DESCRIBE and SUMMARIZE
        if (const auto& query = ref.Cast<duckdb::ShowRef>().query) {
          node(*query);
        }
        break;
      case duckdb::TableReferenceType::SUBQUERY:  // its tables come by themselves, its WITH does
                                                  // not
        for (const auto& [name, cte] :
             ref.Cast<duckdb::SubqueryRef>().subquery->node->cte_map.map) {
          defined_.insert(duckdb::StringUtil::Lower(name));
          node(*cte->query->node);
        }
        break;
      default:
        break;
    }
  }

  Of of_;
  std::vector<Mention> read_;
  std::set<std::string> defined_;
};

void add_tables(duckdb::SQLStatement& statement, std::vector<TableRead>& to) {
  if (statement.type == duckdb::StatementType::MULTI_STATEMENT) {  // PIVOT
    for (const auto& part : statement.Cast<duckdb::MultiStatement>().statements) {
      add_tables(*part, to);
    }
  }
  if (statement.type == duckdb::StatementType::SELECT_STATEMENT) {
    Walk walk(Walk::Of::query);
    walk.node(*statement.Cast<duckdb::SelectStatement>().node);
    for (const auto& mention : walk.tables()) {
      to.push_back(mention.table);
    }
  }
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
  Walk(Walk::Of::dataset).node(*statement->Cast<duckdb::SelectStatement>().node);
  return statement;
}

std::vector<NameRead> names_in(duckdb::SQLStatement& select) {
  Walk walk(Walk::Of::dataset);
  walk.node(*select.Cast<duckdb::SelectStatement>().node);
  std::vector<NameRead> names;
  for (const auto& [table, position] : walk.tables()) {
    names.push_back({table.name, position});
  }
  return names;
}

std::vector<TableRead> tables_in(const duckdb::ClientContext& context, const std::string& sql) {
  duckdb::Parser parser(context.GetParserOptions());
  parser.ParseQuery(sql);
  std::vector<TableRead> tables;
  for (const auto& statement : parser.statements) {
    add_tables(*statement, tables);
  }
  return tables;
}

bool may_call_table_function(std::string_view name) {
  static const std::set<std::string_view> kAllowed = {"range",     "generate_series", "unnest",
                                                      "json_each", "json_tree",       "repeat"};
  return kAllowed.contains(name);
}

}  // namespace millrace::sql
