#include "sql/internal/file_rows.h"

#include <utility>

#include "sql/internal/column_views.h"

namespace millrace::sql {

namespace {

class ForeignFile final : public FileOutput::File {
 public:
  ForeignFile(const std::string& path, const MakeRowFile& make) : File(path), file_(make(path)) {}

  void put(FileOutput::Rows rows) override {
    const auto writer = file_->writer();
    ColumnViews views;
    duckdb::DataChunk chunk;
    rows->InitializeScanChunk(chunk);
    duckdb::ColumnDataScanState state;
    FileOutput::guard(path(), [&] { rows->InitializeScan(state); });
    while (FileOutput::guard(path(), [&] { return rows->Scan(state, chunk); })) {
      writer->write(views.of(chunk));
    }
    writer->finish();
  }
  std::int64_t finish() override { return file_->finish(); }

 private:
  std::unique_ptr<RowFile> file_;
};

class RowOutput final : public FileOutput {
 public:
  RowOutput(duckdb::ClientContext& context, const duckdb::vector<duckdb::LogicalType>& types,
            MakeRowFile make_file)
      : FileOutput(context, types), make_file_(std::move(make_file)) {}
  [[nodiscard]] std::unique_ptr<File> create(const std::string& path) override {
    return std::make_unique<ForeignFile>(path, make_file_);
  }

 private:
  MakeRowFile make_file_;
};

}  // namespace

std::unique_ptr<FileOutput> row_output(duckdb::ClientContext& context,
                                       const duckdb::vector<duckdb::LogicalType>& types,
                                       const MakeRowFile& make_file) {
  return std::make_unique<RowOutput>(context, types, make_file);
}

}  // namespace millrace::sql
