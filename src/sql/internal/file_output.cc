#include "sql/internal/file_output.h"

#include <fmt/format.h>

#include <utility>

#include "base/files.h"
#include "base/strings.h"
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

}  // namespace

FileOutput::FileOutput(duckdb::ClientContext& context, const duckdb::vector<std::string>& names,
                       const duckdb::vector<LogicalType>& types, const FileWriterOptions& options)
    : context_(context), row_types_(types) {
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
void FileOutput::bind_json(const duckdb::vector<std::string>& names,
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
void FileOutput::bind_casts(const duckdb::vector<LogicalType>& types) {
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

FileOutput::Converter::Converter(const FileOutput& output)
    : output_(output), executor_(output.context_) {
  if (output.conversions_.empty()) {
    return;
  }
  for (const auto& expression : output.conversions_) {
    executor_.AddExpression(*expression);
  }
  converted_.Initialize(output.context_, output.row_types_);
}

duckdb::DataChunk& FileOutput::Converter::convert(duckdb::DataChunk& columns) {
  if (output_.conversions_.empty()) {
    return columns;
  }
  converted_.Reset();
  executor_.Execute(columns, converted_);
  return converted_;
}

std::unique_ptr<FileOutput::File> FileOutput::create(const std::string& path) {
  return std::unique_ptr<File>(new File(*this, path));
}

FileOutput::File::File(FileOutput& output, std::string path)
    : output_(output), path_(std::move(path)) {
  state_ = guard(path_, [&] {
    return output_.function_->copy_to_initialize_global(output_.context_, *output_.bound_, path_);
  });
}

void FileOutput::File::put(Rows rows) {
  guard(path_, [&] {
    const auto& function = *output_.function_;
    const auto batch =
        function.prepare_batch(output_.context_, *output_.bound_, *state_, std::move(rows));
    function.flush_batch(output_.context_, *output_.bound_, *state_, *batch);
  });
}

void FileOutput::File::finish() {
  guard(path_, [&] {
    output_.function_->copy_to_finalize(output_.context_, *output_.bound_, *state_);
    state_.reset();
  });
}

void FileOutput::throw_as_error(const std::string& path, const std::exception& error) {
  const duckdb::ErrorData data(error);
  const auto code = data.ExtraInfo().find("errno");
  if (code != data.ExtraInfo().end()) {
    if (const auto number = parse_integer(code->second); number && *number != 0) {
      throw_file_error("write", path, static_cast<int>(*number));
    }
  }
  const Error plain = run_error(data);
  throw Error(plain.blame(), fmt::format("cannot write `{}`: {}", path, plain.what()),
              plain.retry());
}

}  // namespace millrace::sql
