// `FROM name` in a plan: a table function over what the plan was given for the current run.
#pragma once

#include "sql/internal/database.h"
#include "sql/internal/duckdb.h"
#include "sql/internal/run_context.h"

namespace millrace::sql {

/// The name of the table function that stands for every declared name in a bound plan.
inline constexpr const char* kStreamScan = "millrace_scan";

/// Hung onto the connection of a plan: it makes declared names visible there, and only there.
class PlanInputs final : public duckdb::ClientContextState {
 public:
  explicit PlanInputs(RunContext& run) : run_(run) {}
  [[nodiscard]] RunContext& run() noexcept { return run_; }
  /// The plan's input for a declaration, made at the first use.
  std::shared_ptr<Input> input_for(const std::shared_ptr<const Declaration>& declaration);

  /// now(), current_date and their like ask the transaction when it began: with the batch.
  void TransactionBegin(duckdb::MetaTransaction& transaction,
                        duckdb::ClientContext& context) override;

  static constexpr const char* kKey = "millrace_plan_inputs";

 private:
  RunContext& run_;
};

/// Which input a bound scan reads; nullptr if `get` is no scan of a declared name.
[[nodiscard]] Input* scanned_input(const duckdb::LogicalGet& get);

/// The same of a physical scan.
[[nodiscard]] Input* scanned_input(const duckdb::PhysicalTableScan& scan);
/// What a scan with these columns gives for a chunk of its stream, without copying.
void refer_to_columns(const duckdb::DataChunk& chunk, const std::vector<duckdb::column_t>& columns,
                      duckdb::DataChunk& output);

/// Adds the function and the replacement scan that makes `FROM name` call it. The registry must
/// outlive the database.
void register_stream_scan(duckdb::DuckDB& duck, const Registry& registry);

}  // namespace millrace::sql
