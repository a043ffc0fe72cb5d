// One batch of a files sink, from its rows to published files.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "connectors/files/avro_output.h"
#include "connectors/files/options.h"
#include "core/sink.h"
#include "sql/database.h"
#include "sql/file_writer.h"

namespace millrace {

/// Where a sink writes, and how: what all its batches have in common.
struct FilesTarget {
  sql::Database* database = nullptr;
  std::string name;
  std::string path;  ///< absolute
  FilesSinkOptions options;
  std::string extension;
  SinkStart start;
  std::unique_ptr<AvroOutput> avro;  ///< nullptr: sql/ writes the format

  [[nodiscard]] bool replaces_folder() const noexcept {
    return start.mode == OutputMode::complete && !options.partition_by.empty();
  }
  /// The folder that staging folders are in: beside the target if that is what gets exchanged. Both
  /// must be in one file system.
  [[nodiscard]] std::string staging_parent() const;
  /// What the names of staging folders begin with; the batch follows.
  [[nodiscard]] std::string staging_prefix() const;
};

/// Writes into a staging folder of its own, which is hidden, and publishes from there.
class FilesBatch final : public SinkBatch {
 public:
  FilesBatch(const FilesTarget& target, std::int64_t batch, MalformedReceiver& refused);
  ~FilesBatch() override;

  std::unique_ptr<SinkWriter> writer() override { return writer_->writer(); }
  void stage() override;
  void publish() override;
  [[nodiscard]] SinkStats stats() const override { return stats_; }

 private:
  [[nodiscard]] std::string file_name(int part) const;
  [[nodiscard]] std::string staged_file(const std::string& partition, int part);
  void publish_files();
  void publish_folder();
  void mark_success() const;

  const FilesTarget& target_;
  std::int64_t batch_;
  std::string staging_;
  bool published_ = false;
  std::unique_ptr<sql::FileWriter> writer_;
  std::set<std::string> made_folders_;  // in the staging folder
  std::mutex made_folders_lock_;
  std::vector<sql::WrittenFile> files_;
  SinkStats stats_;
};

}  // namespace millrace
