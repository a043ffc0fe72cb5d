#include "sql/read_query.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "base/strings.h"
#include "duckdb/parser/expression/cast_expression.hpp"
#include "duckdb/parser/expression/parameter_expression.hpp"
#include "sql/internal/error.h"
#include "sql/internal/live_tables.h"
#include "sql/internal/read_query.h"
#include "sql/internal/types.h"

namespace millrace::sql {

namespace {

duckdb::unique_ptr<duckdb::SelectStatement> parse(const std::string& select,
                                                  const std::string& relation) {
  duckdb::Parser parser;
  parser.ParseQuery(select);
  if (parser.statements.size() != 1 ||
      parser.statements[0]->type != duckdb::StatementType::SELECT_STATEMENT) {
    throw Error(Blame::internal, fmt::format("{} is read by what is no SELECT", relation));
  }
  return duckdb::unique_ptr_cast<duckdb::SQLStatement, duckdb::SelectStatement>(
      std::move(parser.statements[0]));
}

/// What a run's SELECT gives, in the columns that the query was bound to.
std::string in_columns(const std::string& select, const Schema& schema) {
  std::string columns;
  for (const Column& column : schema.columns) {
    columns += columns.empty() ? "" : ", ";
    columns += fmt::format("CAST({0} AS {1}) AS {0}", quote_name(column.name), column.type);
  }
  return fmt::format("SELECT {} FROM ({})", columns, select);
}

/// Puts into a SELECT what its relations and parameters stand for.
class Replace final : public ReadWalk {
 public:
  /// `values`: of a run, whose SELECTs are in `moment`; nullptr: it is to be prepared.
  Replace(const std::vector<Relation>& relations, const std::vector<ReadParameter>& parameters,
          const duckdb::vector<duckdb::LogicalType>& types,
          const std::vector<duckdb::Value>* values, const ReadMoment* moment)
      : relations_(relations),
        parameters_(parameters),
        types_(types),
        values_(values),
        moment_(moment) {}

 protected:
  void table_named(Table& table) override {
    const auto& base = table->Cast<duckdb::BaseTableRef>();
    const auto place = *place_of_name(relations_, base.table_name);
    const Relation& relation = relations_[place];
    const auto alias = base.alias.empty() ? base.table_name : base.alias;
    auto with = make(relation, place);
    with->sample = std::move(table->sample);
    with->query_location = table->query_location;
    with->column_name_alias = table->column_name_alias;
    with->alias = alias;
    table = std::move(with);
  }

  void parameter(Expression& parameter) override {
    const auto at = parameter->GetQueryLocation();
    const auto name = parameter->GetAlias();
    const auto place =
        *place_of_name(parameters_, parameter->Cast<duckdb::ParameterExpression>().identifier);
    if (values_ != nullptr) {
      parameter = duckdb::make_uniq<duckdb::ConstantExpression>((*values_)[place]);
    } else {
      parameter = duckdb::make_uniq<duckdb::CastExpression>(types_[place], std::move(parameter));
    }
    parameter->SetQueryLocation(at);
    parameter->SetAlias(name);
  }

 private:
  [[nodiscard]] Table make(const Relation& relation, std::size_t place) const {
    if (relation.kind == Relation::Kind::fixed) {
      return duckdb::make_uniq<duckdb::SubqueryRef>(parse(relation.select, relation.name));
    }
    if (relation.kind != Relation::Kind::fresh || moment_ == nullptr) {
      return read_scan(place);
    }
    for (const auto& [name, select] : moment_->selects) {
      if (equal_ignoring_case(name, relation.name)) {
        return duckdb::make_uniq<duckdb::SubqueryRef>(
            parse(in_columns(select, relation.schema), relation.name));
      }
    }
    throw Error(Blame::internal, fmt::format("a run brings no SELECT of {}", relation.name));
  }

  const std::vector<Relation>& relations_;
  const std::vector<ReadParameter>& parameters_;
  const duckdb::vector<duckdb::LogicalType>& types_;
  const std::vector<duckdb::Value>* values_;
  const ReadMoment* moment_;
};

/// Calls for what stands after the LIMIT and the OFFSET of a whole SELECT.
template <class Call>
void for_each_limit(duckdb::SelectStatement& statement, const Call& call) {
  for (auto& modifier : statement.node->modifiers) {
    if (modifier->type == duckdb::ResultModifierType::LIMIT_MODIFIER) {
      auto& limit = modifier->Cast<duckdb::LimitModifier>();
      call(limit.limit);
      call(limit.offset);
    }
  }
}

std::optional<std::size_t> parameter_of(
    const duckdb::unique_ptr<duckdb::ParsedExpression>& expression,
    const std::vector<ReadParameter>& parameters) {
  return expression != nullptr &&
                 expression->GetExpressionClass() == duckdb::ExpressionClass::PARAMETER
             ? place_of_name(parameters, expression->Cast<duckdb::ParameterExpression>().identifier)
             : std::nullopt;
}

duckdb::unique_ptr<duckdb::SelectStatement> copy_of(const duckdb::SelectStatement& statement) {
  return duckdb::unique_ptr_cast<duckdb::SQLStatement, duckdb::SelectStatement>(statement.Copy());
}

}  // namespace

ReadQuery::Impl::Impl(Database::Impl& of, std::string text, std::vector<Relation> read,
                      std::vector<ReadParameter> given)
    : database(of), sql(std::move(text)), relations(std::move(read)), parameters(std::move(given)) {
  for (const ReadParameter& parameter : parameters) {
    types.push_back(type_of(parameter.type));
    if (types.back().id() == duckdb::LogicalTypeId::UNBOUND) {
      throw SqlError(
          fmt::format("parameter {}: there is no type {}", parameter.name, parameter.type),
          std::nullopt);
    }
  }
  bind();
}

void ReadQuery::Impl::bind() {
  duckdb::Connection connection(*database.duck);
  const auto inputs = add_read_inputs(connection);
  inputs->relations = &relations;
  const ReadText parsed(*connection.context, sql, relations, parameters);
  statement_ = copy_of(parsed.statement());
  for (const std::size_t relation : parsed.reads()) {
    reads.push_back(relations[relation].name);
    const auto kind = relations[relation].kind;
    is_fresh |= kind == Relation::Kind::fresh;
    is_own &= kind == Relation::Kind::live || kind == Relation::Kind::rows;
    if (kind == Relation::Kind::live) {
      live_.push_back(relations[relation].live);
    }
  }
  for_each_limit(*statement_, [this](const auto& limit) {
    if (const auto place = parameter_of(limit, parameters)) {
      limits.push_back(*place);
    }
  });
  demands = parsed.demands();
  by_key = parsed.by_key();
  const std::shared_lock guard(database.planning);
  const auto prepared = connection.Prepare(to_prepare());
  if (prepared->HasError()) {
    throw sql_error(prepared->GetErrorObject());
  }
  const auto& made = prepared->GetTypes();
  if (std::ranges::find(made, duckdb::LogicalTypeId::UNKNOWN, &duckdb::LogicalType::id) !=
      made.end()) {
    throw SqlError(
        "the type of the result depends on the value of a parameter; cast it ($name::BIGINT), or, "
        "where a function after FROM gets it, write SELECT unnest(range($name)) instead",
        std::nullopt);
  }
  schema = schema_of(prepared->GetNames(), made);
  std::set<std::string> names;
  for (const Column& column : schema.columns) {
    if (!names.insert(to_lower(column.name)).second) {
      throw SqlError(fmt::format("two columns of the result are called `{}`; give one another name "
                                 "with AS",
                                 column.name),
                     std::nullopt);
    }
  }
}

duckdb::unique_ptr<duckdb::SQLStatement> ReadQuery::Impl::to_prepare(
    std::span<const duckdb::Value> values) const {
  auto statement = copy_of(*statement_);
  for_each_limit(*statement, [&](auto& limit) {
    if (const auto place = parameter_of(limit, parameters); place && !values.empty()) {
      limit = duckdb::make_uniq<duckdb::ConstantExpression>(values[*place]);
    }
  });
  Replace(relations, parameters, types, nullptr, nullptr).walk(*statement->node);
  return statement;
}

duckdb::unique_ptr<duckdb::SQLStatement> ReadQuery::Impl::for_run(
    const std::vector<duckdb::Value>& values, const ReadMoment& moment) const {
  auto statement = copy_of(*statement_);
  Replace(relations, parameters, types, &values, &moment).walk(*statement->node);
  statement->named_param_map.clear();
  return statement;
}

bool ReadQuery::Impl::is_small(const ReadMoment& moment) const {
  constexpr std::int64_t kFewRows = 100'000;  // a thread goes through them in about a millisecond
  std::int64_t rows = 0;
  for (const auto& table : live_) {
    rows += moment.snapshot.rows(*table);
  }
  for (const auto& [name, batch] : moment.rows) {
    rows += batch->rows();
  }
  return is_own && rows <= kFewRows;
}

std::vector<duckdb::Value> ReadQuery::Impl::cast(std::span<const ReadValue> values) const {
  if (values.size() != parameters.size()) {
    throw Error(Blame::internal, fmt::format("a query with {} parameters is run with {} values",
                                             parameters.size(), values.size()));
  }
  std::vector<duckdb::Value> out;
  out.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const duckdb::Value plain = value_of(values[i]);
    std::string error;
    if (!plain.DefaultTryCastAs(types[i], out.emplace_back(), &error)) {
      throw Error(Blame::user, fmt::format("parameter {}: `{}` is no {}", parameters[i].name,
                                           plain.ToString(), parameters[i].type));
    }
  }
  return out;
}

ReadQuery::ReadQuery(Database& database, std::string sql, std::vector<Relation> relations,
                     std::vector<ReadParameter> parameters)
    : impl_(as_sql_error([&] {
        return std::make_shared<const Impl>(database.impl(), std::move(sql), std::move(relations),
                                            std::move(parameters));
      })) {}
ReadQuery::~ReadQuery() = default;
const Schema& ReadQuery::schema() const noexcept { return impl_->schema; }
const std::vector<std::string>& ReadQuery::reads() const noexcept { return impl_->reads; }
const std::vector<Demand>& ReadQuery::demands() const noexcept { return impl_->demands; }
const std::optional<ReadQuery::ByKey>& ReadQuery::by_key() const noexcept { return impl_->by_key; }

std::vector<Relation> relations_of(const LiveTables& tables) {
  std::vector<Relation> relations;
  for (auto& table : tables.all()) {
    std::string name = table->name();
    relations.push_back({.name = std::move(name),
                         .kind = Relation::Kind::live,
                         .schema = {},
                         .live = std::move(table),
                         .select = {}});
  }
  return relations;
}

}  // namespace millrace::sql
