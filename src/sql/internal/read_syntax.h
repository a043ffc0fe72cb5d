// What is checked, found and replaced in the text of a query that is served.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/read_query.h"

namespace millrace::sql {

/// Goes through all of a SELECT, and lets tables and parameters be replaced. Throws SqlError for
/// what is neither made of tables nor computes them.
class ReadWalk {
 public:
  using Table = duckdb::unique_ptr<duckdb::TableRef>;
  using Expression = duckdb::unique_ptr<duckdb::ParsedExpression>;

  virtual ~ReadWalk() = default;
  void walk(duckdb::QueryNode& node);

 protected:
  /// A name after FROM that the text does not define itself.
  virtual void table_named(Table& table) = 0;
  virtual void parameter(Expression& parameter) = 0;
  virtual void function(const duckdb::FunctionExpression& call) { (void)call; }
  virtual void table_function(const duckdb::FunctionExpression& call) { (void)call; }

 private:
  void walk_with(duckdb::QueryNode& node);
  void expression(Expression& expression);
  void expressions(duckdb::vector<Expression>& all);
  void table(Table& table);
  void pivot(duckdb::PivotRef& pivot);

  std::vector<std::string> defined_;  ///< by WITH, as far as it is seen from here; in lower case
};

/// Parses one SELECT and checks that it reads these relations and parameters alone, calls no
/// function that does more than compute, and nothing else. Throws SqlError or DuckDB's exceptions.
class ReadText {
 public:
  ReadText(duckdb::ClientContext& context, const std::string& sql,
           const std::vector<Relation>& relations, const std::vector<ReadParameter>& parameters);

  [[nodiscard]] const duckdb::SelectStatement& statement() const noexcept { return *statement_; }
  /// The places of the relations that it names, each once.
  [[nodiscard]] const std::vector<std::size_t>& reads() const noexcept { return reads_; }
  [[nodiscard]] std::vector<Demand> demands() const;
  [[nodiscard]] std::optional<ReadQuery::ByKey> by_key() const;

 private:
  /// A column and a parameter that it is compared with.
  struct Condition {
    const duckdb::ColumnRefExpression* column = nullptr;
    Demand::Op op = Demand::Op::equal;
    std::size_t parameter = 0;
    bool is_cast = false;  ///< the parameter is
  };
  /// A table after FROM, as columns are qualified by it.
  struct Named {
    std::string alias;
    std::optional<std::size_t> relation;  ///< none: something else
  };

  /// The conditions that must all be true; false: there are others, too.
  bool conditions(const duckdb::ParsedExpression& where, std::vector<Condition>& to) const;
  [[nodiscard]] std::optional<std::size_t> parameter_of(const duckdb::ParsedExpression& side,
                                                        bool& is_cast) const;
  void named_in(const duckdb::TableRef& from, std::vector<Named>& to) const;
  [[nodiscard]] std::optional<std::size_t> relation_of(const duckdb::ColumnRefExpression& column,
                                                       const std::vector<Named>& from) const;
  [[nodiscard]] std::optional<std::size_t> find_relation(std::string_view name) const;

  const std::vector<Relation>& relations_;
  const std::vector<ReadParameter>& parameters_;
  duckdb::unique_ptr<duckdb::SelectStatement> statement_;
  std::vector<std::size_t> reads_;
  std::vector<std::size_t> mentions_;  ///< how often each relation is named
};

/// The place of a relation or parameter by its name, without regard to case.
template <class Named>
[[nodiscard]] std::optional<std::size_t> place_of_name(const std::vector<Named>& all,
                                                       std::string_view name) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (duckdb::StringUtil::CIEquals(all[i].name, std::string(name))) {
      return i;
    }
  }
  return std::nullopt;
}

/// The columns of a relation, as far as they are known.
[[nodiscard]] const Schema& schema_of(const Relation& relation);

}  // namespace millrace::sql
