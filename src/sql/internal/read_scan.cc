// The table function that served queries read live tables and rows by.
#include <fmt/format.h>

#include <atomic>
#include <utility>

#include "base/handover.h"
#include "base/strings.h"
#include "sql/internal/batch.h"
#include "sql/internal/live_tables.h"
#include "sql/internal/read_query.h"
#include "sql/internal/stream_scan.h"
#include "sql/internal/types.h"

namespace millrace::sql {

namespace {

using duckdb::ClientContext;
using duckdb::idx_t;

constexpr const char* kReadScan = "millrace_read";
// A thread is worth starting for so many chunks.
constexpr idx_t kChunksPerThread = 16;
constexpr idx_t kRowsOfOthers = 1000;  // an estimate

struct ReadBind final : duckdb::TableFunctionData {
  ReadBind(std::size_t p, idx_t r) : place(p), rows(r) {}
  std::size_t place;
  idx_t rows;
};

struct ReadGlobal final : duckdb::GlobalTableFunctionState {
  LiveSnapshot snapshot;  // keeps the pages
  std::shared_ptr<const LivePages> pages;
  std::shared_ptr<const Batch> batch;
  std::vector<duckdb::column_t> columns;
  std::atomic<idx_t> next = 0;

  [[nodiscard]] idx_t chunks() const {
    return pages != nullptr ? pages->size() : batch != nullptr ? batch->impl().chunks.size() : 0;
  }
  idx_t MaxThreads() const override { return (chunks() / kChunksPerThread) + 1; }
};

struct ReadLocal final : duckdb::LocalTableFunctionState {};

ReadInputs& inputs_of(ClientContext& context) {
  const auto inputs = context.registered_state->Get<ReadInputs>(ReadInputs::kKey);
  if (inputs == nullptr || inputs->relations == nullptr) {
    throw duckdb::BinderException("%s() is millrace's own", kReadScan);
  }
  return *inputs;
}

duckdb::unique_ptr<duckdb::FunctionData> bind_read(ClientContext& context,
                                                   duckdb::TableFunctionBindInput& input,
                                                   duckdb::vector<duckdb::LogicalType>& types,
                                                   duckdb::vector<duckdb::string>& names) {
  const auto place = static_cast<std::size_t>(input.inputs[0].GetValue<std::int64_t>());
  const Relation& relation = inputs_of(context).relations->at(place);
  const Schema& schema = schema_of(relation);
  types = types_of(schema);
  for (const Column& column : schema.columns) {
    names.push_back(column.name);
  }
  const auto rows = relation.kind == Relation::Kind::live
                        ? static_cast<idx_t>(relation.live->rows())
                        : kRowsOfOthers;
  return duckdb::make_uniq<ReadBind>(place, rows);
}

duckdb::unique_ptr<duckdb::GlobalTableFunctionState> init_read(
    ClientContext& context, duckdb::TableFunctionInitInput& init) {
  const auto& inputs = inputs_of(context);
  auto global = duckdb::make_uniq<ReadGlobal>();
  global->columns.assign(init.column_ids.begin(), init.column_ids.end());
  const Relation& relation = inputs.relations->at(init.bind_data->Cast<ReadBind>().place);
  if (inputs.moment == nullptr) {
    return global;
  }
  if (relation.kind == Relation::Kind::live) {
    global->snapshot = inputs.moment->snapshot;
    const auto* seen = global->snapshot.impl();
    const auto* table = seen == nullptr ? nullptr : seen->of(*relation.live);
    global->pages = table == nullptr ? nullptr : table->pages;
  } else {
    for (const auto& [name, batch] : inputs.moment->rows) {
      if (equal_ignoring_case(name, relation.name)) {
        global->batch = batch;
      }
    }
  }
  hand_over(global.get());
  return global;
}

duckdb::unique_ptr<duckdb::LocalTableFunctionState> init_read_local(
    duckdb::ExecutionContext& /*context*/, duckdb::TableFunctionInitInput& /*init*/,
    duckdb::GlobalTableFunctionState* state) {
  take_over(state);
  return duckdb::make_uniq<ReadLocal>();
}

void read(ClientContext& /*context*/, duckdb::TableFunctionInput& in, duckdb::DataChunk& output) {
  auto& global = in.global_state->Cast<ReadGlobal>();
  for (idx_t i = global.next.fetch_add(1); i < global.chunks(); i = global.next.fetch_add(1)) {
    if (global.pages == nullptr) {
      refer_to_columns(*global.batch->impl().chunks[i], global.columns, output);
    } else {
      const LivePage& page = *(*global.pages)[i];
      const auto commit = global.snapshot.impl()->commit;
      refer_to_columns(page.rows(), global.columns, output);
      if (!page.all_there(commit)) {
        duckdb::SelectionVector chosen(page.size());
        const auto count = page.select(commit, -1, chosen);
        if (count != page.size()) {
          output.Slice(chosen, count);
        }
      }
    }
    if (output.size() > 0) {
      return;
    }
    output.Reset();
  }
  output.SetCardinality(0);
}

duckdb::unique_ptr<duckdb::NodeStatistics> read_cardinality(ClientContext& /*context*/,
                                                            const duckdb::FunctionData* data) {
  return duckdb::make_uniq<duckdb::NodeStatistics>(data->Cast<ReadBind>().rows);
}

duckdb::virtual_column_map_t no_column_needed(ClientContext& /*context*/,
                                              duckdb::optional_ptr<duckdb::FunctionData> /*data*/) {
  duckdb::virtual_column_map_t columns;
  columns.insert(
      {duckdb::COLUMN_IDENTIFIER_EMPTY, duckdb::TableColumn("", duckdb::LogicalType::BOOLEAN)});
  return columns;
}

}  // namespace

void register_read_scan(duckdb::DuckDB& duck) {
  duckdb::TableFunction function(kReadScan, {duckdb::LogicalType::BIGINT}, read, bind_read,
                                 init_read, init_read_local);
  function.projection_pushdown = true;
  function.filter_pushdown = false;
  function.order_preservation_type = duckdb::OrderPreservationType::NO_ORDER;
  function.cardinality = read_cardinality;
  function.get_virtual_columns = no_column_needed;
  duckdb::ExtensionLoader loader(*duck.instance, "millrace");
  loader.RegisterFunction(function);
}

duckdb::unique_ptr<duckdb::TableRef> read_scan(std::size_t relation) {
  auto ref = duckdb::make_uniq<duckdb::TableFunctionRef>();
  duckdb::vector<duckdb::unique_ptr<duckdb::ParsedExpression>> arguments;
  arguments.push_back(duckdb::make_uniq<duckdb::ConstantExpression>(
      duckdb::Value::BIGINT(static_cast<std::int64_t>(relation))));
  ref->function = duckdb::make_uniq<duckdb::FunctionExpression>(kReadScan, std::move(arguments));
  return ref;
}

duckdb::shared_ptr<ReadInputs> add_read_inputs(duckdb::Connection& connection) {
  auto inputs = duckdb::make_shared_ptr<ReadInputs>();
  connection.context->registered_state->Insert(ReadInputs::kKey, inputs);
  return inputs;
}

}  // namespace millrace::sql
