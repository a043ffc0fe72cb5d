// Files of Avro's container format as the rows of a source.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "connectors/files/avro_rows.h"
#include "connectors/files/file_decoding.h"

namespace millrace {

/// Each file's schema, the writer's, is resolved to the columns: declared ones, those of
/// `schema_file`, or those of the first file that is found and, on request, of all others.
class AvroFiles final : public FileDecoding {
 public:
  /// `database` outlives it, and may be null until schema().
  AvroFiles(sql::Database* database, std::string source, const FilesSourceOptions& options)
      : database_(database), source_(std::move(source)), options_(options) {}

  void begin_with(const Schema& columns) override { so_far_ = columns; }
  [[nodiscard]] Schema found() const override { return layout_.rows->columns(); }
  /// Throws Error for two columns of one name, and for a schema that SQL has no types for.
  const Schema& schema(const FindFile& find_file) override;
  SliceInput read(FileScan files, MalformedReceiver& malformed) override;
  SliceInput read_again(const MalformedRows& rows, const std::string& folder,
                        MalformedReceiver& malformed) override;

 private:
  [[nodiscard]] avro::Wanted wanted(const FindFile& find_file) const;

  sql::Database* database_;
  std::string source_;  // its name
  FilesSourceOptions options_;
  Schema so_far_;
  AvroLayout layout_;
};

}  // namespace millrace
