#include "sql/internal/stream_scan.h"

#include <fmt/format.h>

#include <utility>

#include "base/handover.h"
#include "sql/internal/batch.h"
#include "sql/internal/file_scan.h"

namespace millrace::sql {

namespace {

using duckdb::ClientContext;
using duckdb::column_t;
using duckdb::idx_t;

// Estimates for the optimizer. Never a maximum: a plan lives on when batches grow.
constexpr idx_t kStreamRows = 100'000;
constexpr idx_t kTableRows = 10'000;
// A thread is worth starting for so many chunks; small batches stay on one.
constexpr idx_t kChunksPerThread = 16;

struct RegistryInfo final : duckdb::TableFunctionInfo, duckdb::ReplacementScanData {
  explicit RegistryInfo(const Registry& r) : registry(r) {}
  const Registry& registry;
};

struct ScanBind final : duckdb::TableFunctionData {
  ScanBind(std::shared_ptr<Input> i, RunContext& r) : input(std::move(i)), run(r) {}
  std::shared_ptr<Input> input;
  RunContext& run;
};

/// Chunks in memory, read by any number of threads.
struct ChunkList {
  std::shared_ptr<const void> owner;
  std::vector<duckdb::DataChunk*> chunks;
  std::vector<column_t> columns;  // for each column of the output; virtual: only the count matters
};

struct ScanGlobal final : duckdb::GlobalTableFunctionState {
  ChunkList list;
  std::shared_ptr<FileScanner> files;  // if set, instead of the list
  std::atomic<idx_t> next = 0;

  idx_t MaxThreads() const override {
    return files != nullptr ? files->max_threads() : (list.chunks.size() / kChunksPerThread) + 1;
  }
};

struct ScanLocal final : duckdb::LocalTableFunctionState {
  std::unique_ptr<FileScanner::Local> files;
  idx_t chunk = 0;
};

duckdb::unique_ptr<duckdb::FunctionData> bind_scan(ClientContext& context,
                                                   duckdb::TableFunctionBindInput& input,
                                                   duckdb::vector<duckdb::LogicalType>& types,
                                                   duckdb::vector<duckdb::string>& names) {
  const auto plan = context.registered_state->Get<PlanInputs>(PlanInputs::kKey);
  const auto name = input.inputs[0].GetValue<std::string>();
  const auto declaration = input.info->Cast<RegistryInfo>().registry.find(name);
  if (plan == nullptr || declaration == nullptr) {
    throw duckdb::BinderException("`%s` can be read by datasets only", name);
  }
  types = declaration->types;
  names = declaration->names;
  return duckdb::make_uniq<ScanBind>(plan->input_for(declaration), plan->run());
}

ChunkList list_batch(const std::shared_ptr<const Batch>& batch,
                     const duckdb::vector<column_t>& columns) {
  ChunkList list;
  list.owner = batch;
  list.columns.assign(columns.begin(), columns.end());
  if (batch == nullptr) {
    return list;
  }
  for (const auto& chunk : batch->impl().chunks) {
    list.chunks.push_back(chunk.get());
  }
  return list;
}

/// Runs the query at once, on a connection of its own: the plan's is busy with the plan.
ChunkList list_query(ClientContext& context, const Declaration& declared, const std::string& query,
                     const duckdb::vector<column_t>& columns) {
  ChunkList list;
  std::string wanted;
  for (const column_t column : columns) {
    if (duckdb::IsVirtualColumn(column)) {
      list.columns.push_back(column);
      continue;
    }
    const Column& what = declared.schema.columns[column];
    wanted += fmt::format("{}CAST({} AS {})", wanted.empty() ? "" : ", ", quote_name(what.name),
                          what.type);
    list.columns.push_back(list.columns.size());
  }
  duckdb::Connection connection(*context.db);
  auto result =
      connection.Query(fmt::format("SELECT {} FROM ({})", wanted.empty() ? "NULL" : wanted, query));
  if (result->HasError()) {
    throw run_error(result->GetErrorObject());
  }
  auto chunks = std::make_shared<std::vector<duckdb::unique_ptr<duckdb::DataChunk>>>();
  while (auto chunk = result->Fetch()) {
    if (chunk->size() == 0) {
      break;
    }
    chunk->Flatten();
    list.chunks.push_back(chunk.get());
    chunks->push_back(std::move(chunk));
  }
  list.owner = chunks;
  return list;
}

duckdb::unique_ptr<duckdb::GlobalTableFunctionState> init_scan(
    ClientContext& context, duckdb::TableFunctionInitInput& init) {
  const auto& bind = init.bind_data->Cast<ScanBind>();
  Input& input = *bind.input;
  auto global = duckdb::make_uniq<ScanGlobal>();
  bind.run.carrier.guard([&] {
    if (const auto* batch = std::get_if<std::shared_ptr<const Batch>>(&input.given)) {
      global->list = list_batch(*batch, init.column_ids);
    } else if (const auto* query = std::get_if<std::string>(&input.given)) {
      global->list = list_query(context, *input.declared, *query, init.column_ids);
    } else if (const auto* files = std::get_if<FileScan>(&input.given)) {
      const std::vector<column_t> columns(init.column_ids.begin(), init.column_ids.end());
      global->files = FileScanner::open(context, input, *files, columns);
      bind.run.scanners.push_back(global->files);
    }
  });
  hand_over(global.get());
  return global;
}

duckdb::unique_ptr<duckdb::LocalTableFunctionState> init_scan_local(
    duckdb::ExecutionContext& context, duckdb::TableFunctionInitInput& init,
    duckdb::GlobalTableFunctionState* state) {
  take_over(state);
  auto local = duckdb::make_uniq<ScanLocal>();
  if (const auto& files = state->Cast<ScanGlobal>().files; files != nullptr) {
    const auto& bind = init.bind_data->Cast<ScanBind>();
    bind.run.carrier.guard([&] { local->files = files->local(context); });
  }
  return local;
}

void scan_chunk(ScanGlobal& global, ScanLocal& local, duckdb::DataChunk& output) {
  local.chunk = global.next.fetch_add(1, std::memory_order_relaxed);
  if (local.chunk >= global.list.chunks.size()) {
    return;
  }
  refer_to_columns(*global.list.chunks[local.chunk], global.list.columns, output);
}

void scan(ClientContext& context, duckdb::TableFunctionInput& in, duckdb::DataChunk& output) {
  const auto& bind = in.bind_data->Cast<ScanBind>();
  auto& global = in.global_state->Cast<ScanGlobal>();
  auto& local = in.local_state->Cast<ScanLocal>();
  if (global.files != nullptr) {
    bind.run.carrier.guard([&] { global.files->scan(context, *local.files, output); });
  } else {
    scan_chunk(global, local, output);
  }
  bind.input->scanned.fetch_add(static_cast<std::int64_t>(output.size()),
                                std::memory_order_relaxed);
}

duckdb::unique_ptr<duckdb::NodeStatistics> scan_cardinality(ClientContext& /*context*/,
                                                            const duckdb::FunctionData* data) {
  const bool stream = data->Cast<ScanBind>().input->declared->shape == Shape::stream;
  return duckdb::make_uniq<duckdb::NodeStatistics>(stream ? kStreamRows : kTableRows);
}

duckdb::virtual_column_map_t no_column_needed(ClientContext& /*context*/,
                                              duckdb::optional_ptr<duckdb::FunctionData> /*data*/) {
  // What count(*) reads. Without it DuckDB takes the first column, which the batch may not keep.
  duckdb::virtual_column_map_t columns;
  columns.insert(
      {duckdb::COLUMN_IDENTIFIER_EMPTY, duckdb::TableColumn("", duckdb::LogicalType::BOOLEAN)});
  return columns;
}

duckdb::InsertionOrderPreservingMap<duckdb::string> describe_scan(
    duckdb::TableFunctionToStringInput& input) {
  const Declaration& declared = *input.bind_data->Cast<ScanBind>().input->declared;
  duckdb::InsertionOrderPreservingMap<duckdb::string> text;
  text[declared.shape == Shape::stream ? "Stream" : "Table"] = declared.name;
  return text;
}

bool looks_like_file(const std::string& name) {
  return name.find_first_of("./*:") != std::string::npos;
}

duckdb::unique_ptr<duckdb::TableRef> replace_name(
    ClientContext& context, duckdb::ReplacementScanInput& input,
    duckdb::optional_ptr<duckdb::ReplacementScanData> data) {
  if (context.registered_state->Get<PlanInputs>(PlanInputs::kKey) == nullptr ||
      !input.schema_name.empty() || !input.catalog_name.empty()) {
    return nullptr;
  }
  const auto& info = *static_cast<const RegistryInfo*>(data.get());
  if (info.registry.find(input.table_name) == nullptr) {
    if (looks_like_file(input.table_name)) {
      throw duckdb::BinderException(
          "a dataset can't read the file '%s' by itself; declare a source for it",
          input.table_name);
    }
    return nullptr;
  }
  auto ref = duckdb::make_uniq<duckdb::TableFunctionRef>();
  duckdb::vector<duckdb::unique_ptr<duckdb::ParsedExpression>> arguments;
  arguments.push_back(
      duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value(input.table_name)));
  ref->function = duckdb::make_uniq<duckdb::FunctionExpression>(kStreamScan, std::move(arguments));
  ref->alias = input.table_name;
  return ref;
}

}  // namespace

std::shared_ptr<Input> PlanInputs::input_for(
    const std::shared_ptr<const Declaration>& declaration) {
  for (const auto& input : run_.inputs) {
    if (input->declared == declaration) {
      return input;
    }
  }
  return run_.inputs.emplace_back(std::make_shared<Input>(declaration));
}

void PlanInputs::TransactionBegin(duckdb::MetaTransaction& transaction,
                                  ClientContext& /*context*/) {
  transaction.start_timestamp = duckdb::timestamp_t(run_.time_us);
}

Input* scanned_input(const duckdb::LogicalGet& get) {
  return get.function.name == kStreamScan ? get.bind_data->Cast<ScanBind>().input.get() : nullptr;
}

Input* scanned_input(const duckdb::PhysicalTableScan& scan) {
  return scan.function.name == kStreamScan ? scan.bind_data->Cast<ScanBind>().input.get() : nullptr;
}

void refer_to_columns(const duckdb::DataChunk& chunk, const std::vector<column_t>& columns,
                      duckdb::DataChunk& output) {
  for (idx_t c = 0; c < columns.size(); ++c) {
    if (duckdb::IsVirtualColumn(columns[c])) {
      output.data[c].Reference(duckdb::Value(output.data[c].GetType()));
    } else {
      output.data[c].Reference(chunk.data[columns[c]]);
    }
  }
  output.SetCardinality(chunk.size());
}

void register_stream_scan(duckdb::DuckDB& duck, const Registry& registry) {
  duckdb::TableFunction function(kStreamScan, {duckdb::LogicalType::VARCHAR}, scan, bind_scan,
                                 init_scan, init_scan_local);
  function.projection_pushdown = true;
  function.filter_pushdown = false;  // WHERE stays an operator, whose rows are counted
  function.order_preservation_type = duckdb::OrderPreservationType::NO_ORDER;
  function.cardinality = scan_cardinality;
  function.get_virtual_columns = no_column_needed;
  function.to_string = describe_scan;
  function.function_info = duckdb::make_shared_ptr<RegistryInfo>(registry);
  duckdb::ExtensionLoader loader(*duck.instance, "millrace");
  loader.RegisterFunction(function);
  // Before DuckDB's own, which would take FROM 'x.parquet' for a file to read.
  auto& scans = duckdb::DBConfig::GetConfig(*duck.instance).replacement_scans;
  scans.emplace(scans.begin(), replace_name, duckdb::make_uniq<RegistryInfo>(registry));
}

}  // namespace millrace::sql
