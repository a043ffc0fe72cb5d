// One batch of a files sink, from its rows to published files.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "connectors/files/output_place.h"
#include "core/sink.h"
#include "sql/database.h"
#include "sql/file_writer.h"

namespace millrace {

/// What is left for the files: a folder says what its partition's columns are.
[[nodiscard]] Schema columns_of_files(Schema schema, const FilesSinkOptions& options);
/// How the files of a sink are written. `make_file`: for formats that sql/ does not write.
[[nodiscard]] sql::FileWriterOptions writer_options(const OutputJob& job, bool syncs,
                                                    sql::MakeRowFile make_file);

/// Writes into a folder of its publication, which makes the files visible.
class FilesBatch final : public SinkBatch {
 public:
  /// `is_whole`: partitions that the batch has no row of are no longer in the table; with
  /// OutputJob::replaces_parts().
  FilesBatch(sql::Database& database, const OutputJob& job, OutputPlace& place, std::int64_t batch,
             sql::MakeRowFile make_file, bool is_whole);

  std::unique_ptr<SinkWriter> writer() override { return writer_->writer(); }
  std::unique_ptr<SinkWriter> changed() override { return writer_->noter(); }
  void stage() override;
  void publish() override;
  [[nodiscard]] SinkStats stats() const override { return stats_; }

 private:
  [[nodiscard]] std::string staged_file(const std::string& partition, int part);
  void join_parts(std::vector<sql::WrittenFile>& files) const;

  sql::Database& database_;
  const OutputJob job_;
  OutputPlace& place_;
  bool is_whole_;
  sql::FileWriterOptions options_;
  std::unique_ptr<Publication> publication_;
  std::set<std::string> made_folders_;
  std::mutex made_folders_lock_;
  std::unique_ptr<sql::FileWriter> writer_;  // ends before the publication removes what it writes
  std::set<std::string> written_;            // below the place, if the batch is whole
  SinkStats stats_;
};

}  // namespace millrace
