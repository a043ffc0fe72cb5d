#include "sql/internal/file_output.h"

#include <fmt/format.h>

#include <utility>

#include "base/files.h"
#include "base/strings.h"
#include "sql/internal/error.h"
#include "sql/internal/file_copy.h"
#include "sql/internal/file_rows.h"

namespace millrace::sql {

std::unique_ptr<FileOutput> FileOutput::make(duckdb::ClientContext& context,
                                             const duckdb::vector<std::string>& names,
                                             const duckdb::vector<duckdb::LogicalType>& types,
                                             const FileWriterOptions& options) {
  return options.make_file ? row_output(context, types, options.make_file)
                           : copy_output(context, names, types, options);
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
