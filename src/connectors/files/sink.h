// Writes result files that readers never see half of.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connectors/files/options.h"
#include "connectors/files/sink_batch.h"
#include "core/sink.h"
#include "sql/database.h"

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
  [[nodiscard]] std::unique_ptr<SinkBatch> begin(std::int64_t batch,
                                                 MalformedReceiver& refused) override;
  [[nodiscard]] std::string query() const override;

 private:
  /// The batch of a published file of this sink; -1 for a file of complete mode; nullopt: not ours.
  [[nodiscard]] std::optional<std::int64_t> batch_of(const std::string& file) const;
  [[nodiscard]] std::vector<std::string> published_files() const;
  void check_writable() const;
  void remove_staged() const;
  void remove_leftovers();
  void check_folder_is_ours() const;

  FilesTarget target_;
};

}  // namespace millrace
