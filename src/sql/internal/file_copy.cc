#include "sql/internal/file_copy.h"

#include <atomic>
#include <utility>

#include "duckdb/catalog/catalog_entry/copy_function_catalog_entry.hpp"
#include "duckdb/function/function_binder.hpp"
#include "duckdb/parser/parsed_data/copy_info.hpp"
#include "sql/internal/error.h"

namespace millrace::sql {

namespace {

using duckdb::LogicalType;
using duckdb::Value;
using Format = FileWriterOptions::Format;

void set_options(duckdb::CopyInfo& info, const FileWriterOptions& options) {
  const auto set = [&info](const char* name, Value value) {
    info.options[name] = {std::move(value)};
  };
  if (!options.compression.empty()) {
    set("compression", Value(options.compression));
  }
  switch (options.format) {
    case Format::parquet:
      set("row_group_size", Value::UBIGINT(static_cast<std::uint64_t>(options.row_group_rows)));
      return;
    case Format::csv:
      set("header", Value::BOOLEAN(options.header));
      return;
    case Format::json:  // a line a row, already made: nothing is quoted
      set("quote", Value(""));
      set("escape", Value(""));
      set("delimiter", Value("\n"));
      set("header", Value::BOOLEAN(false));
      return;
  }
}

class CopyOutput final : public FileOutput {
 public:
  CopyOutput(duckdb::ClientContext& context, const duckdb::vector<std::string>& names,
             const duckdb::vector<LogicalType>& types, const FileWriterOptions& options);
  [[nodiscard]] std::unique_ptr<File> create(const std::string& path) override;

 private:
  class CopyFile;

  void bind_json(const duckdb::vector<std::string>& names,
                 const duckdb::vector<LogicalType>& types);
  void bind_casts(const duckdb::vector<LogicalType>& types);

  std::unique_ptr<duckdb::CopyFunction> function_;
  duckdb::unique_ptr<duckdb::FunctionData> bound_;
};

class CopyOutput::CopyFile final : public File {
 public:
  CopyFile(CopyOutput& output, const std::string& path) : File(path), output_(output) {
    state_ = guard(path, [&] {
      return output_.function_->copy_to_initialize_global(output_.context_, *output_.bound_, path);
    });
  }
  void put(Rows rows) override {
    rows_ += static_cast<std::int64_t>(rows->Count());
    guard(path(), [&] {
      const auto& function = *output_.function_;
      const auto batch =
          function.prepare_batch(output_.context_, *output_.bound_, *state_, std::move(rows));
      function.flush_batch(output_.context_, *output_.bound_, *state_, *batch);
    });
  }
  std::int64_t finish() override {
    guard(path(), [&] {
      output_.function_->copy_to_finalize(output_.context_, *output_.bound_, *state_);
      state_.reset();
    });
    return rows_;
  }

 private:
  CopyOutput& output_;
  duckdb::unique_ptr<duckdb::GlobalFunctionData> state_;
  std::atomic<std::int64_t> rows_ = 0;
};

CopyOutput::CopyOutput(duckdb::ClientContext& context, const duckdb::vector<std::string>& names,
                       const duckdb::vector<LogicalType>& types, const FileWriterOptions& options)
    : FileOutput(context, types) {
  duckdb::vector<std::string> row_names = names;
  if (options.format == Format::json) {
    bind_json(names, types);
    row_names = {"json"};
  } else if (options.format == Format::parquet) {
    bind_casts(types);
  }
  const char* format = options.format == Format::parquet ? "parquet" : "csv";
  auto& entry =
      duckdb::Catalog::GetSystemCatalog(context).GetEntry<duckdb::CopyFunctionCatalogEntry>(
          context, DEFAULT_SCHEMA, format);
  function_ = std::make_unique<duckdb::CopyFunction>(entry.function);
  duckdb::CopyInfo info;
  info.format = format;
  set_options(info, options);
  duckdb::CopyFunctionBindInput input(info, function_->function_info);
  bound_ = function_->copy_to_bind(context, input, row_names, row_types_);
}

/// to_json(struct_pack(a := a, ...)), as COPY (FORMAT json) does it.
void CopyOutput::bind_json(const duckdb::vector<std::string>& names,
                           const duckdb::vector<LogicalType>& types) {
  duckdb::FunctionBinder binder(context_);
  const auto call = [&](const char* function,
                        duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> arguments) {
    duckdb::ErrorData error;
    auto bound = binder.BindScalarFunction(DEFAULT_SCHEMA, function, std::move(arguments), error);
    if (bound == nullptr) {
      throw run_error(error);
    }
    return bound;
  };
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> columns;
  for (std::size_t i = 0; i < names.size(); ++i) {
    columns.push_back(duckdb::make_uniq<duckdb::BoundReferenceExpression>(names[i], types[i], i));
  }
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> row;
  row.push_back(call("struct_pack", std::move(columns)));
  auto json = call("to_json", std::move(row));
  conversions_.push_back(
      duckdb::BoundCastExpression::AddCastToType(context_, std::move(json), LogicalType::VARCHAR));
  row_types_ = {LogicalType::VARCHAR};
}

/// DuckDB writes HUGEINT into Parquet as DOUBLE, which loses digits silently: sums of integers are
/// HUGEINT. As DECIMAL(38,0) they keep them, and a larger one is an error.
void CopyOutput::bind_casts(const duckdb::vector<LogicalType>& types) {
  bool needed = false;
  for (std::size_t i = 0; i < types.size(); ++i) {
    duckdb::unique_ptr<duckdb::Expression> column =
        duckdb::make_uniq<duckdb::BoundReferenceExpression>(types[i], i);
    if (types[i].id() == duckdb::LogicalTypeId::HUGEINT ||
        types[i].id() == duckdb::LogicalTypeId::UHUGEINT) {
      row_types_[i] = LogicalType::DECIMAL(38, 0);
      column =
          duckdb::BoundCastExpression::AddCastToType(context_, std::move(column), row_types_[i]);
      needed = true;
    }
    conversions_.push_back(std::move(column));
  }
  if (!needed) {
    conversions_.clear();
  }
}

std::unique_ptr<FileOutput::File> CopyOutput::create(const std::string& path) {
  return std::make_unique<CopyFile>(*this, path);
}

}  // namespace

std::unique_ptr<FileOutput> copy_output(duckdb::ClientContext& context,
                                        const duckdb::vector<std::string>& names,
                                        const duckdb::vector<LogicalType>& types,
                                        const FileWriterOptions& options) {
  return std::make_unique<CopyOutput>(context, names, types, options);
}

}  // namespace millrace::sql
