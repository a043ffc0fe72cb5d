// The queries of alerts, over the live tables of a pipeline.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "control/alerts/evaluator.h"
#include "spec/pipeline.h"
#include "sql/database.h"
#include "sql/live_tables.h"
#include "sql/read_query.h"

namespace millrace::control {

/// Names of datasets, and of sources that are tables, that the rules' queries may read: those have
/// to be kept as live tables.
[[nodiscard]] std::vector<std::string> alert_table_names(const PipelineSpec& spec);

/// Checks the queries of rules against tables of these schemas, and reports what is wrong with each
/// at its place. Reads nothing. `relations`: rows, with their schemas, or live tables.
void check_alert_queries(const AlertsSpec& alerts, sql::Database& database,
                         const std::vector<sql::Relation>& relations, Diagnostics& diagnostics);

/// Answers as of the last batch, at once and beside the running pipeline. One thread at a time.
class TableQueries final : public AlertQueries {
 public:
  /// Database and tables outlive it.
  TableQueries(sql::Database& database, sql::LiveTables& tables);

  [[nodiscard]] std::optional<AlertAnswer> ask(const AlertRuleSpec& rule,
                                               const std::stop_token& stop) override;

 private:
  /// A query, and the tables that it was made with: another attempt may have others.
  struct Prepared {
    std::vector<std::shared_ptr<sql::LiveTable>> tables;
    std::unique_ptr<sql::ReadQuery> query;
  };
  [[nodiscard]] const sql::ReadQuery& prepare(const AlertRuleSpec& rule);

  sql::Database& database_;
  sql::LiveTables& tables_;
  sql::QueryRunner runner_;
  std::map<std::string, Prepared> prepared_;  // by the rule's name
};

}  // namespace millrace::control
