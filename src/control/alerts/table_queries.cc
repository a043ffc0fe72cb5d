#include "control/alerts/table_queries.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"
#include "control/json_value.h"
#include "sql/render.h"

namespace millrace::control {
namespace {

constexpr std::int64_t kAnswerBytesMax = 64LL << 20;

/// The column that is compared with the threshold; -1: there is none.
int value_column(const Schema& schema) {
  const int named = schema.find("value");
  const int at = named < 0 && schema.size() == 1 ? 0 : named;
  return at >= 0 && is_numeric(schema.columns[static_cast<std::size_t>(at)]) ? at : -1;
}

void check_value(const AlertRuleSpec& rule, const Schema& schema) {
  if (rule.test != AlertTest::any_row && value_column(schema) < 0) {
    throw sql::SqlError(
        fmt::format("the query gives {}, and a threshold is compared with a number that is called "
                    "`value`, or the only column",
                    schema.text()),
        std::nullopt);
  }
}

}  // namespace

std::vector<std::string> alert_table_names(const PipelineSpec& spec) {
  const auto words = spec.alerts.names();
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::ranges::binary_search(words, to_lower(name))) {
      names.push_back(name);
    }
  };
  for (const SourceSpec& source : spec.sources) {
    if (source.table && !source.lookup) {
      add(source.name);
    }
  }
  for (const DatasetSpec& dataset : spec.datasets) {
    add(dataset.name);
  }
  return names;
}

void check_alert_queries(const AlertsSpec& alerts, sql::Database& database,
                         const std::vector<sql::Relation>& relations, Diagnostics& diagnostics) {
  for (const AlertRuleSpec& rule : alerts.rules) {
    if (rule.metric != nullptr) {
      continue;
    }
    try {
      const sql::ReadQuery query(database, rule.query.text, relations, {});
      check_value(rule, query.schema());
    } catch (const sql::SqlError& error) {
      diagnostics.error(rule.query.locate(error.position().value_or(0)),
                        fmt::format("alert `{}`: {}", rule.name, error.what()));
    }
  }
}

TableQueries::TableQueries(sql::Database& database, sql::LiveTables& tables)
    : database_(database), tables_(tables), runner_(database, kAnswerBytesMax) {}

const sql::ReadQuery& TableQueries::prepare(const AlertRuleSpec& rule) {
  auto tables = tables_.all();
  Prepared& prepared = prepared_[rule.name];
  if (prepared.query != nullptr && prepared.tables == tables) {
    return *prepared.query;
  }
  prepared = {};
  auto query = std::make_unique<sql::ReadQuery>(
      database_, rule.query.text, sql::relations_of(tables_), std::vector<sql::ReadParameter>());
  check_value(rule, query->schema());
  prepared = {std::move(tables), std::move(query)};
  return *prepared.query;
}

std::optional<AlertAnswer> TableQueries::ask(const AlertRuleSpec& rule,
                                             const std::stop_token& stop) {
  sql::ReadMoment moment;
  moment.snapshot = tables_.snapshot();
  if (moment.snapshot.version().batch < 0) {
    return std::nullopt;
  }
  const sql::ReadQuery& query = prepare(rule);
  sql::Batch rows = runner_.run(query, {}, moment, AlertAnswer::kRowsMax, stop);
  AlertAnswer answer{.row_count = rows.rows()};
  const Schema& schema = query.schema();
  const int value = rule.test == AlertTest::any_row ? -1 : value_column(schema);
  rows.for_each([&](const Chunk& chunk) {
    if (answer.rows.size() >= AlertAnswer::kShown) {
      return;
    }
    for (const auto& row : sql::render(chunk)) {
      if (answer.rows.empty() && value >= 0) {
        const auto& text = row[static_cast<std::size_t>(value)];
        answer.value = text ? parse_number(*text) : std::nullopt;
      }
      if (answer.rows.size() == AlertAnswer::kShown) {
        break;
      }
      OrderedJson json = OrderedJson::object();
      for (std::size_t i = 0; i < row.size(); i++) {
        json[schema.columns[i].name] = json_value(schema.columns[i], row[i]);
      }
      answer.rows.push_back(std::move(json));
    }
  });
  return answer;
}

}  // namespace millrace::control
