#include "sql/internal/file_parquet.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <utility>

#include "duckdb/catalog/catalog_entry/table_function_catalog_entry.hpp"

#include "base/strings.h"
#include "sql/internal/error.h"
#include "sql/internal/object_files.h"

namespace millrace::sql {

namespace {

using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::LogicalTypeId;

/// True if every value of one type is a value of the other: what a file may be read as.
bool widens(const LogicalType& from, const LogicalType& to) {
  if (from == to) {
    return true;
  }
  if (from.IsNested() || to.IsNested()) {
    return false;
  }
  if (from.IsIntegral() && to.IsIntegral()) {
    const idx_t from_size = duckdb::GetTypeIdSize(from.InternalType());
    const idx_t to_size = duckdb::GetTypeIdSize(to.InternalType());
    return from.IsUnsigned() ? from_size < to_size : !to.IsUnsigned() && from_size < to_size;
  }
  if (from.IsIntegral() && to.id() == LogicalTypeId::DOUBLE) {
    return duckdb::GetTypeIdSize(from.InternalType()) <= 4;
  }
  if (to.id() == LogicalTypeId::DECIMAL) {
    std::uint8_t width = 0;
    std::uint8_t scale = 0;
    return from.GetDecimalProperties(width, scale) &&
           (from.IsIntegral() || from.id() == LogicalTypeId::DECIMAL) &&
           duckdb::DecimalType::GetScale(to) >= scale &&
           duckdb::DecimalType::GetWidth(to) - duckdb::DecimalType::GetScale(to) >= width - scale;
  }
  switch (to.id()) {
    case LogicalTypeId::DOUBLE:
      return from.id() == LogicalTypeId::FLOAT;
    case LogicalTypeId::VARCHAR:
      return from.id() == LogicalTypeId::ENUM || from.id() == LogicalTypeId::UUID;
    case LogicalTypeId::TIMESTAMP:
      return from.id() == LogicalTypeId::DATE || from.id() == LogicalTypeId::TIMESTAMP_MS ||
             from.id() == LogicalTypeId::TIMESTAMP_SEC;
    default:
      return false;
  }
}

/// One file, bound.
struct ParquetFile {
  duckdb::unique_ptr<duckdb::FunctionData> bind;
  duckdb::unique_ptr<duckdb::GlobalTableFunctionState> global;
  duckdb::vector<duckdb::column_t> ids;  // for each column of the output: of the file, or virtual
  duckdb::vector<duckdb::ColumnIndex> indexes;
  duckdb::vector<LogicalType> types;  // as the file gives them
  std::string path;
};

class ParquetScanner final : public FileScanner {
 public:
  ParquetScanner(duckdb::ClientContext& context, Input& input, const FileScan& scan,
                 const std::vector<duckdb::column_t>& columns);

  idx_t max_threads() const override { return std::max<idx_t>(threads_, 1); }
  std::unique_ptr<FileScanner::Local> local(duckdb::ExecutionContext& context) override {
    return std::make_unique<ParquetLocal>(context);
  }
  void scan(duckdb::ClientContext& context, FileScanner::Local& local,
            duckdb::DataChunk& out) override;

 private:
  struct ParquetLocal final : FileScanner::Local {
    explicit ParquetLocal(duckdb::ExecutionContext& c) : context(c) {}
    duckdb::ExecutionContext& context;
    std::size_t file = 0;
    duckdb::unique_ptr<duckdb::LocalTableFunctionState> state;
    bool begun = false;
    duckdb::DataChunk chunk;  // of the file's types
  };

  ParquetFile bind(duckdb::ClientContext& context, const std::string& path,
                   const std::string& name);
  void choose_columns(ParquetFile& file, const duckdb::vector<LogicalType>& types,
                      const duckdb::vector<duckdb::string>& names);
  duckdb::TableFunctionInitInput init_input(const ParquetFile& file) const;
  bool scan_file(duckdb::ClientContext& context, ParquetLocal& local, ParquetFile& file);

  duckdb::TableFunction function_;
  std::vector<ParquetFile> files_;
  idx_t threads_ = 0;
};

duckdb::TableFunction parquet_function(duckdb::ClientContext& context) {
  auto& entry =
      duckdb::Catalog::GetSystemCatalog(context).GetEntry<duckdb::TableFunctionCatalogEntry>(
          context, DEFAULT_SCHEMA, "read_parquet");
  return entry.functions.GetFunctionByArguments(context, {LogicalType::VARCHAR});
}

ParquetScanner::ParquetScanner(duckdb::ClientContext& context, Input& input, const FileScan& scan,
                               const std::vector<duckdb::column_t>& columns)
    : FileScanner(input, scan, columns), function_(parquet_function(context)) {
  const auto ends = read_ends(context, scan);
  for (const FileScan::File& file : scan.files) {
    files_.push_back(bind(context, file.path, name_in_duckdb(scan, file)));
    threads_ += files_.back().global->MaxThreads();
  }
}

duckdb::TableFunctionInitInput ParquetScanner::init_input(const ParquetFile& file) const {
  return {file.bind.get(), file.indexes, {}, nullptr};
}

ParquetFile ParquetScanner::bind(duckdb::ClientContext& context, const std::string& path,
                                 const std::string& name) {
  ParquetFile file;
  file.path = path;
  try {
    duckdb::vector<duckdb::Value> inputs{duckdb::Value(name)};
    duckdb::named_parameter_map_t parameters{{"hive_partitioning", duckdb::Value::BOOLEAN(false)}};
    duckdb::vector<LogicalType> input_types;
    duckdb::vector<duckdb::string> input_names;
    const duckdb::TableFunctionRef ref;
    duckdb::TableFunctionBindInput input(inputs, parameters, input_types, input_names,
                                         function_.function_info.get(), nullptr, function_, ref);
    duckdb::vector<LogicalType> types;
    duckdb::vector<duckdb::string> names;
    file.bind = function_.bind(context, input, types, names);
    if (function_.get_virtual_columns != nullptr) {
      function_.get_virtual_columns(context, file.bind.get());
    }
    choose_columns(file, types, names);
    auto init = init_input(file);
    file.global = function_.init_global(context, init);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(Blame::external, fmt::format("cannot read `{}` as Parquet: {}", path,
                                             duckdb::ErrorData(error).RawMessage()));
  }
  return file;
}

void ParquetScanner::choose_columns(ParquetFile& file, const duckdb::vector<LogicalType>& types,
                                    const duckdb::vector<duckdb::string>& names) {
  const Declaration& declared = *input_.declared;
  const std::vector<std::string> candidates(names.begin(), names.end());
  for (const duckdb::column_t column : columns_) {
    if (duckdb::IsVirtualColumn(column)) {
      file.ids.push_back(column);
      file.indexes.emplace_back(column);
      file.types.push_back(LogicalType::BOOLEAN);
      continue;
    }
    const auto found = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
      return equal_ignoring_case(name, declared.names[column]);
    });
    if (found == names.end()) {
      throw Error(Blame::external,
                  fmt::format("`{}` has no column `{}`; {}", file.path, declared.names[column],
                              did_you_mean(declared.names[column], candidates)));
    }
    const auto index = static_cast<duckdb::column_t>(found - names.begin());
    if (!widens(types[index], declared.types[column])) {
      throw Error(
          Blame::external,
          fmt::format("`{}`: column `{}` is {}, but the schema says {}, and not every value "
                      "of the one is a value of the other; correct the source's `schema` "
                      "and CAST in the SQL",
                      file.path, *found, types[index].ToString(),
                      declared.types[column].ToString()));
    }
    file.ids.push_back(index);
    file.indexes.emplace_back(index);
    file.types.push_back(types[index]);
  }
}

/// Reads on in a file. False: this thread is done with it.
bool ParquetScanner::scan_file(duckdb::ClientContext& context, ParquetLocal& local,
                               ParquetFile& file) {
  try {
    if (!local.begun) {
      auto init = init_input(file);
      local.state = function_.init_local(local.context, init, file.global.get());
      local.chunk.Destroy();
      local.chunk.Initialize(context, file.types);
      local.begun = true;
    }
    local.chunk.Reset();
    duckdb::TableFunctionInput input(file.bind.get(), local.state.get(), file.global.get());
    function_.function(context, input, local.chunk);
  } catch (const Error&) {  // a store's
    throw;
  } catch (const std::exception& error) {
    throw Error(Blame::external, fmt::format("cannot read `{}` as Parquet: {}", file.path,
                                             duckdb::ErrorData(error).RawMessage()));
  }
  return local.chunk.size() > 0;
}

void ParquetScanner::scan(duckdb::ClientContext& context, FileScanner::Local& base,
                          duckdb::DataChunk& out) {
  auto& local = static_cast<ParquetLocal&>(base);
  while (local.file < files_.size()) {
    if (!scan_file(context, local, files_[local.file])) {
      ++local.file;
      local.begun = false;
      continue;
    }
    for (idx_t i = 0; i < columns_.size(); ++i) {
      if (duckdb::IsVirtualColumn(columns_[i])) {
        out.data[i].Reference(duckdb::Value(out.data[i].GetType()));
      } else if (local.chunk.data[i].GetType() == out.data[i].GetType()) {
        out.data[i].Reference(local.chunk.data[i]);
      } else {
        duckdb::VectorOperations::Cast(context, local.chunk.data[i], out.data[i],
                                       local.chunk.size());
      }
    }
    out.SetCardinality(local.chunk.size());
    return;
  }
  out.SetCardinality(0);
}

}  // namespace

std::unique_ptr<FileScanner> open_parquet(duckdb::ClientContext& context, Input& input,
                                          const FileScan& scan,
                                          const std::vector<duckdb::column_t>& columns) {
  return std::make_unique<ParquetScanner>(context, input, scan, columns);
}

}  // namespace millrace::sql
