#include "engine/check_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "engine/watermarks.h"
#include "sql/marks.h"

namespace millrace {
namespace {

using Kind = CheckSpec::Kind;

// Columns that the checks add: users' own hardly begin so.
constexpr std::string_view kVerdict = "__millrace_verdict";
constexpr std::string_view kText = "__millrace_row";

bool removes(const CheckSpec& check) {
  return check.otherwise == Otherwise::drop || check.otherwise == Otherwise::quarantine;
}

/// A row as a JSON object. JSON's numbers would round a DECIMAL.
std::string row_text(const Schema& schema) {
  std::vector<std::string> pairs;
  pairs.reserve(schema.size());
  for (const auto& column : schema.columns) {
    const auto name = sql::quote_name(column.name);
    const auto value =
        column.type.starts_with("DECIMAL") ? fmt::format("CAST({} AS VARCHAR)", name) : name;
    pairs.push_back(fmt::format("{}, {}", sql::quote_text(column.name), value));
  }
  return fmt::format("CAST(json_object({}) AS VARCHAR)", fmt::join(pairs, ", "));
}

bool is_whole_number(const std::string& type) {
  constexpr std::array kTypes = {"TINYINT",  "SMALLINT",  "INTEGER", "BIGINT",
                                 "UTINYINT", "USMALLINT", "UINTEGER"};
  return std::ranges::find(kTypes, type) != kTypes.end();
}

/// Bit i is set where condition i is not true.
std::string verdict_of(const std::vector<std::string>& conditions) {
  std::vector<std::string> bits;
  bits.reserve(conditions.size());
  for (std::size_t i = 0; i < conditions.size(); i++) {
    bits.push_back(fmt::format("CASE WHEN {} THEN 0::BIGINT ELSE {}::BIGINT END", conditions[i],
                               std::int64_t{1} << i));
  }
  return bits.empty() ? "0::BIGINT" : fmt::format("({})", fmt::join(bits, " | "));
}

}  // namespace

std::string unchecked_name(const std::string& name) { return name + ":unchecked"; }

bool CheckBuilder::add(std::size_t checked, const ChecksSpec& checks,
                       const WatermarkSpec* watermark) {
  const auto& node = graph_.datasets[checked];
  checked_ = static_cast<int>(checked);
  of_ = node.name;
  schema_ = node.plan->schema();
  if (node.plan->shape() != sql::Shape::stream) {
    diagnostics_.error(checks.at,
                       fmt::format("{} is a table, whose rows change; checks are for the rows of "
                                   "streams",
                                   of_),
                       "check the stream that it is computed from");
    return false;
  }
  auto from = unchecked_name(of_);
  database_.declare(from, schema_, sql::Shape::stream, std::nullopt, event_times_of(node));
  CheckStep step;
  std::vector<std::string> conditions;
  bool sound = true;
  for (const auto& check : checks.checks) {
    sound = is_sound(check) && sound;
    if (check.kind == Kind::sequence) {
      step.sequences.push_back(&check);
    } else if (check.kind != Kind::unique) {
      step.rows.push_back(&check);
      conditions.push_back(condition(check));
    }
  }
  if (conditions.size() > kMaxRowChecks) {
    diagnostics_.error(checks.at,
                       fmt::format("{} has {} checks of rows, of at most {}", of_,
                                   conditions.size(), kMaxRowChecks),
                       "join some of them with AND");
    sound = false;
  }
  if (!sound) {
    return false;
  }
  const bool steps = !step.rows.empty() || !step.sequences.empty();
  if (steps) {
    add_step(of_ + ":checks", from, std::move(step), conditions);
    from = of_ + ":checks";
  }
  add_passed(of_ + ":passed", steps ? graph_.datasets.back().checks.get() : nullptr, from);
  from = of_ + ":passed";
  if (watermark != nullptr) {
    set_watermark(graph_.datasets.back(), *watermark, of_, diagnostics_);
  }
  for (const auto& check : checks.checks) {
    if (check.kind == Kind::unique) {
      add_unique(check, from);
    }
  }
  const auto& last = graph_.datasets.back();
  graph_.datasets[checked].passed = static_cast<int>(graph_.datasets.size()) - 1;
  database_.declare(of_, schema_, sql::Shape::stream, std::nullopt, event_times_of(last));
  return true;
}

void CheckBuilder::report(const CheckSpec& check, const std::string& text,
                          const std::string& hint) {
  diagnostics_.error(check.subject_at, fmt::format("check {} of {}: {}", check.name, of_, text),
                     hint);
}

bool CheckBuilder::is_sound(const CheckSpec& check) {
  if (check.kind == Kind::expect) {
    return check_expression(check);
  }
  return check_columns(check) && (check.kind != Kind::references || check_reference(check)) &&
         (check.kind != Kind::sequence || check_sequence(check));
}

bool CheckBuilder::check_columns(const CheckSpec& check) {
  for (const auto& column : check.columns) {
    if (schema_.find(column) < 0) {
      report(check, fmt::format("there is no column {}", column), "there is: " + schema_.text());
      return false;
    }
  }
  return true;
}

bool CheckBuilder::check_sequence(const CheckSpec& check) {
  const auto place = static_cast<std::size_t>(schema_.find(check.columns[0]));
  const auto& type = schema_.columns[place].type;
  if (!is_whole_number(type)) {
    report(check,
           fmt::format("{} is {}, and a sequence is of whole numbers", check.columns[0], type),
           "name a column of BIGINT, INTEGER or smaller");
    return false;
  }
  return true;
}

/// Plans the expression alone, so that mistakes are found at their places.
bool CheckBuilder::check_expression(const CheckSpec& check) {
  constexpr std::string_view kBefore = "SELECT (\n";
  const auto sql = fmt::format("{}{}\n) AS ok FROM {}", kBefore, check.expect.text,
                               sql::quote_name(unchecked_name(of_)));
  try {
    const auto plan = database_.plan(of_, sql);
    const auto& columns = plan->schema().columns;
    const auto& inputs = plan->inputs();
    if (columns.size() != 1 || plan->shape() != sql::Shape::stream || plan->has_state() ||
        inputs.size() > 1) {
      report(check, "`expect` must be an expression over the columns of one row",
             "aggregates and subqueries belong into a dataset");
    } else if (columns[0].type != "BOOLEAN") {
      report(
          check,
          fmt::format("`{}` is {}, and a condition is BOOLEAN", check.expect.text, columns[0].type),
          "compare it with something");
    } else {
      return true;
    }
  } catch (const sql::SqlError& error) {
    auto at = check.expect.at;
    if (error.position() && *error.position() >= kBefore.size()) {
      at = check.expect.locate(
          std::min(*error.position() - kBefore.size(), check.expect.text.size()));
    }
    diagnostics_.error(at, fmt::format("check {} of {}: {}", check.name, of_, error.what()));
  }
  return false;
}

bool CheckBuilder::check_reference(const CheckSpec& check) {
  const auto producer = graph_.find(check.table);
  if (!producer) {
    report(
        check,
        fmt::format("{} is a dataset, and {} a source, which is read before it", check.table, of_),
        "refer to a source that is a table, or check a dataset over this source");
    return false;
  }
  // A source that is a table is read by a dataset of its own, unless it is looked up.
  const auto index = static_cast<std::size_t>(producer->index);
  const bool is_source = producer->kind == Producer::Kind::source;
  const sql::Plan* plan = is_source ? nullptr : graph_.datasets[index].plan.get();
  const auto* lookup = is_source ? graph_.sources[index].lookup.get() : nullptr;
  if (lookup == nullptr && (plan == nullptr || plan->shape() != sql::Shape::table)) {
    report(check, fmt::format("{} is a stream; `references` looks into a table", check.table),
           "give the source `as: table`, or refer to an aggregation");
    return false;
  }
  const auto& schema = lookup != nullptr ? lookup->schema() : plan->schema();
  if (schema.find(check.table_column) < 0) {
    report(check, fmt::format("{} has no column {}", check.table, check.table_column),
           "there is: " + schema.text());
    return false;
  }
  try {
    (void)database_.plan(of_, fmt::format("SELECT {} AS ok FROM {} AS r", condition(check),
                                          sql::quote_name(unchecked_name(of_))));
  } catch (const sql::SqlError& error) {
    report(check, error.what());
    return false;
  }
  return true;
}

std::string CheckBuilder::condition(const CheckSpec& check) const {
  if (check.kind == Kind::expect) {
    return fmt::format("(\n{}\n)", check.expect.text);
  }
  const auto column = "r." + sql::quote_name(check.columns.empty() ? "" : check.columns[0]);
  return fmt::format("({0} IS NULL OR {0} IN (SELECT {1} FROM {2}))", column,
                     sql::quote_name(check.table_column), sql::quote_name(check.table));
}

std::string CheckBuilder::columns() const {
  std::vector<std::string> names;
  names.reserve(schema_.size());
  for (const auto& column : schema_.columns) {
    names.push_back(sql::quote_name(column.name));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

DatasetNode& CheckBuilder::append(const std::string& name, const std::string& sql) {
  DatasetNode node;
  node.name = name;
  node.sql = sql;
  node.checked = checked_;
  node.plan = database_.plan(name, sql);
  for (const auto& input : node.plan->inputs()) {
    node.inputs.push_back(*graph_.rows_of(input.name));
  }
  graph_.datasets.push_back(std::move(node));
  return graph_.datasets.back();
}

/// The rows as they were, then the numbers of sequences, the verdict, and the text of those that
/// have one.
void CheckBuilder::add_step(const std::string& name, const std::string& from, CheckStep step,
                            const std::vector<std::string>& conditions) {
  std::string numbers;
  for (std::size_t i = 0; i < step.sequences.size(); i++) {
    numbers += fmt::format(", CAST({} AS BIGINT) AS __millrace_number_{}",
                           sql::quote_name(step.sequences[i]->columns[0]), i);
  }
  auto& node = append(name, fmt::format("SELECT *, CASE WHEN {0} <> 0 THEN {1} END AS {2}\n"
                                        "FROM (SELECT {3}{4}, {5} AS {0} FROM {6} AS r) AS v",
                                        kVerdict, row_text(schema_), kText, columns(), numbers,
                                        verdict_of(conditions), sql::quote_name(from)));
  step.of = of_;
  step.first_sequence = schema_.size();
  step.verdict = schema_.size() + step.sequences.size();
  step.text = step.verdict + 1;
  for (std::size_t i = 0; i < step.rows.size(); i++) {
    step.removing |= removes(*step.rows[i]) ? std::int64_t{1} << i : 0;
  }
  database_.declare(name, node.plan->schema(), sql::Shape::stream, std::nullopt,
                    event_times_of(node));
  node.checks = std::make_shared<const CheckStep>(std::move(step));
}

void CheckBuilder::add_passed(const std::string& name, const CheckStep* step,
                              const std::string& from) {
  auto sql = fmt::format("SELECT {} FROM {}", columns(), sql::quote_name(from));
  if (step != nullptr && step->removing != 0) {
    sql += fmt::format(" WHERE ({} & {}::BIGINT) = 0", kVerdict, step->removing);
  }
  append(name, sql);
}

/// Rows that a check takes out do not make others of their kind the second ones.
void CheckBuilder::add_unique(const CheckSpec& check, std::string& from) {
  const auto& before = graph_.datasets.back();
  database_.declare(from, schema_, sql::Shape::stream, std::nullopt, event_times_of(before));
  std::vector<std::string> keys;
  keys.reserve(check.columns.size());
  for (const auto& column : check.columns) {
    keys.push_back(sql::quote_name(column));
  }
  const auto name = fmt::format("{}.once({})", of_, fmt::join(check.columns, ","));
  auto& marked = append(
      name, fmt::format("SELECT DISTINCT ON ({}) {}, TRUE AS {} FROM {}", fmt::join(keys, ", "),
                        columns(), sql::kFirstColumn, sql::quote_name(from)));
  if (!marked.plan->warnings().empty()) {
    diagnostics_.warning(check.subject_at,
                         fmt::format("check {} of {} keeps every value of {} for ever", check.name,
                                     of_, fmt::join(check.columns, ", ")),
                         "with a watermark it keeps those within its delay");
  }
  database_.declare(name, marked.plan->schema(), sql::Shape::stream, std::nullopt,
                    event_times_of(marked));
  CheckStep step;
  step.rows.push_back(&check);
  add_step(name + ":checks", name, std::move(step), {std::string(sql::kFirstColumn)});
  const auto judged = graph_.datasets.back().checks;
  add_passed(name + ":passed", judged.get(), name + ":checks");
  from = name + ":passed";
}

}  // namespace millrace
