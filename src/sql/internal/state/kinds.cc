#include "sql/internal/state/kinds.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "sql/internal/windows.h"

namespace millrace::sql {

namespace {

using duckdb::BoundAggregateExpression;
using Names = std::set<std::string_view>;

// Plain numbers, whatever the arguments.
const Names kNumbers = {"avg",          "bool_and",   "bool_or",        "corr",
                        "count_if",     "countif",    "covar_pop",      "covar_samp",
                        "favg",         "fsum",       "kahan_sum",      "kurtosis",
                        "kurtosis_pop", "mean",       "product",        "regr_avgx",
                        "regr_avgy",    "regr_count", "regr_intercept", "regr_r2",
                        "regr_slope",   "regr_sxx",   "regr_sxy",       "regr_syy",
                        "sem",          "skewness",   "stddev",         "stddev_pop",
                        "stddev_samp",  "sum",        "sum_if",         "sum_no_overflow",
                        "sumkahan",     "var_pop",    "var_samp",       "variance"};
// Numbers even over texts.
const Names kCounters = {"approx_count_distinct", "count", "count_star"};
// Hold one of their arguments: bytes if it is of fixed size, the value itself if not.
const Names kHolders = {"any_value", "arbitrary", "bit_and", "bit_or", "bit_xor",
                        "first",     "last",      "max",     "min"};
// Hold two of their arguments.
const Names kPairHolders = {"arg_max", "arg_max_null", "arg_max_nulls_last",
                            "arg_min", "arg_min_null", "arg_min_nulls_last",
                            "argmax",  "argmin",       "max_by",
                            "min_by"};
const Names kOrderDependent = {"any_value", "arbitrary", "array_agg", "first",     "group_concat",
                               "last",      "list",      "listagg",   "string_agg"};
// They approximate: what is kept depends on the order of the rows, so a restored state would give
// other results than one that was never restored. What to use instead:
const std::map<std::string_view, std::string_view> kApproximate = {
    {"approx_quantile", "quantile_cont() or quantile_disc()"},
    {"approx_top_k", "histogram(), or GROUP BY the value"},
    {"reservoir_quantile", "quantile_cont() or quantile_disc()"}};

bool has_fixed_arguments(const BoundAggregateExpression& aggregate) {
  return std::ranges::all_of(aggregate.children, [](const auto& argument) {
    const auto type = argument->return_type.InternalType();
    return duckdb::TypeIsConstantSize(type) && type != duckdb::PhysicalType::VARCHAR;
  });
}

}  // namespace

std::string_view name_of(StateKind kind) noexcept {
  switch (kind) {
    case StateKind::raw:
      return "raw";
    case StateKind::refeed:
      return "refeed";
    case StateKind::refeed_list:
      return "refeed_list";
    case StateKind::multiset:
      return "multiset";
  }
  return "";
}

StateKind classify(const BoundAggregateExpression& aggregate) {
  const std::string& name = aggregate.function.name;
  const bool fixed = has_fixed_arguments(aggregate);
  const std::size_t arguments = aggregate.children.size();
  if (kCounters.contains(name) || (kNumbers.contains(name) && fixed) ||
      (kPairHolders.contains(name) && arguments == 2 && fixed)) {
    return StateKind::raw;
  }
  if (kHolders.contains(name) && arguments == 1) {
    if (fixed) {
      return StateKind::raw;
    }
    // A first() that has not seen a row looks like one that has seen NULL, once finalized; with a
    // FILTER there are groups without a row.
    const bool first = name == "first" || name == "arbitrary";
    return first && aggregate.filter != nullptr ? StateKind::multiset : StateKind::refeed;
  }
  const bool fixed_limit = arguments == 2 && aggregate.children[1]->IsFoldable();
  if ((name == "min" || name == "max") && fixed_limit) {
    return StateKind::refeed_list;
  }
  if (name == "list" || name == "array_agg") {
    return StateKind::refeed_list;
  }
  if (name == "string_agg" || name == "group_concat" || name == "listagg") {
    return StateKind::refeed;
  }
  return StateKind::multiset;  // right for every aggregate that does not depend on the order
}

bool finalize_destroys(const BoundAggregateExpression& aggregate) {
  const std::string& name = aggregate.function.name;
  const std::size_t arguments = aggregate.children.size();
  const bool top_n = (name == "min" || name == "max") && arguments == 2;
  return top_n || (kPairHolders.contains(name) && arguments == 3);
}

bool depends_on_order(const BoundAggregateExpression& aggregate) {
  const std::string& name = aggregate.function.name;
  // Of several that are as frequent, or as great, they take the first one.
  return kOrderDependent.contains(name) || kPairHolders.contains(name) || name == "mode";
}

bool can_combine(const BoundAggregateExpression& aggregate) {
  return classify(aggregate) == StateKind::raw && !aggregate.IsDistinct() &&
         !kOrderDependent.contains(aggregate.function.name);
}

std::optional<std::string> cannot_keep(const BoundAggregateExpression& aggregate) {
  const std::string& name = aggregate.function.name;
  if (is_session_function(name)) {
    return "use FROM session(stream, time, gap, key) instead";
  }
  if (aggregate.order_bys != nullptr) {
    return fmt::format(
        "{}(... ORDER BY ...) over a stream can't be kept from batch to batch: computing its "
        "result destroys its state; use list({{...}}) and list_sort() in a dataset above it",
        name);
  }
  if (const auto found = kApproximate.find(name); found != kApproximate.end()) {
    return fmt::format("{}() over a stream would give other results after a restart; use {}", name,
                       found->second);
  }
  return std::nullopt;
}

}  // namespace millrace::sql
