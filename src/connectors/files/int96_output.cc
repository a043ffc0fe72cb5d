#include "connectors/files/int96_output.h"

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/files.h"
#include "formats/parquet/int96_file.h"

namespace millrace {

namespace {

/// Rows of all threads go into the same row group, one chunk after the other.
class Int96RowFile final : public sql::RowFile {
 public:
  Int96RowFile(const std::string& path, const Schema& columns,
               const parquet::Int96File::Options& options)
      : file_(path),
        rows_([this](std::string_view bytes) { file_.write(bytes); }, columns, options) {}

  [[nodiscard]] std::unique_ptr<SinkWriter> writer() override {
    return std::make_unique<Writer>(*this);
  }
  std::int64_t finish() override {
    const auto rows = rows_.finish();
    file_ = AppendFile();
    return rows;
  }

 private:
  class Writer final : public SinkWriter {
   public:
    explicit Writer(Int96RowFile& file) : file_(file) {}
    void write(const Chunk& chunk) override {
      const std::lock_guard guard(file_.lock_);
      file_.rows_.add(chunk);
    }
    void finish() override {}

   private:
    Int96RowFile& file_;
  };

  std::mutex lock_;
  AppendFile file_;
  parquet::Int96File rows_;
};

}  // namespace

sql::MakeRowFile int96_files(const FilesSinkOptions& options, Schema columns) {
  const parquet::Int96File::Options how{
      .codec = parquet::codec_named(options.compression).value_or(parquet::Codec::snappy),
      .row_group_rows = options.row_group_size};
  (void)parquet::Int96File([](std::string_view) {}, columns, how);  // for what it refuses
  return [columns = std::move(columns), how](const std::string& path) {
    return std::make_unique<Int96RowFile>(path, columns, how);
  };
}

}  // namespace millrace
