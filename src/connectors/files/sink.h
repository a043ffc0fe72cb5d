// Writes result files that readers never see half of.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connectors/files/options.h"
#include "core/sink.h"
#include "sql/database.h"
#include "sql/file_writer.h"

namespace millrace {

/// Append: files are written into a hidden folder, then renamed to `<sink>-<batch>-<part>.<ext>`.
/// Complete: one file `<sink>.<ext>` that is replaced by a rename, or with partitions the whole
/// folder, which is exchanged for the new one in one step.
///
/// Only files of these names are ever touched.
class FilesSink final : public Sink {
 public:
  /// `path` is absolute.
  FilesSink(sql::Database* database, std::string name, std::string path, FilesSinkOptions options);

  [[nodiscard]] SinkTraits traits() const override;
  void open(const SinkStart& start) override;
  void begin(std::int64_t batch) override;
  std::unique_ptr<SinkWriter> writer() override;
  void stage() override;
  void publish() override;
  void abort() noexcept override;
  [[nodiscard]] SinkStats stats() const override { return stats_; }
  [[nodiscard]] std::string query() const override;

 private:
  [[nodiscard]] bool replaces_folder() const noexcept {
    return start_.mode == OutputMode::complete && !options_.partition_by.empty();
  }
  [[nodiscard]] std::string file_name(int part) const;
  /// The batch of a published file of this sink; -1 for a file of complete mode; nullopt: not ours.
  [[nodiscard]] std::optional<std::int64_t> batch_of(const std::string& file) const;
  [[nodiscard]] std::vector<std::string> published_files() const;
  void check_writable() const;
  void remove_leftovers();
  void check_folder_is_ours() const;
  void publish_files();
  void publish_folder();
  void mark_success() const;

  sql::Database* database_;
  std::string name_;
  std::string path_;
  FilesSinkOptions options_;
  std::string extension_;
  SinkStart start_;
  std::string staging_;
  std::int64_t batch_ = 0;
  bool published_ = false;
  std::unique_ptr<sql::FileWriter> writer_;
  std::set<std::string> made_folders_;  // in the staging folder, in this batch
  std::mutex made_folders_lock_;
  std::vector<sql::WrittenFile> files_;
  SinkStats stats_;
};

}  // namespace millrace
