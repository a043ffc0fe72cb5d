// Writes result files that readers never see half of.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "connectors/files/avro_output.h"
#include "connectors/files/options.h"
#include "connectors/files/output_names.h"
#include "connectors/files/output_place.h"
#include "connectors/files/rolling_files.h"
#include "core/readable_sink.h"
#include "core/sink.h"
#include "sql/database.h"

namespace millrace {

/// Append: files of a batch become visible under names made of sink, batch and part, or batches
/// fill files together (RollingFiles). Complete: one file, or with partitions all files, are
/// replaced by those of the batch, or each partition that has changed.
///
/// Only files of these names are ever touched.
class FilesSink final : public Sink, public ReadableSink {
 public:
  FilesSink(sql::Database* database, std::string name, std::unique_ptr<OutputPlace> place,
            FilesSinkOptions options);
  ~FilesSink() override;

  [[nodiscard]] SinkTraits traits() const override;
  void open(const SinkStart& start) override;
  [[nodiscard]] std::unique_ptr<SinkBatch> begin(std::int64_t batch,
                                                 MalformedReceiver& refused) override;
  void next_batch_is_whole() override;
  void committed(std::int64_t batch) override;
  void close() override;
  Compacted compact(const CompactOptions& options,
                    const std::function<void(const std::string&)>& say) override;
  [[nodiscard]] bool is_readable() const override { return options_.format != FileKind::avro; }
  [[nodiscard]] std::optional<ReadableFiles> files(std::int64_t last_batch) const override;
  [[nodiscard]] std::string query() const override;

 private:
  [[nodiscard]] OutputJob job() const { return {names_, options_, start_}; }
  void remove_leftovers();
  void check_parts() const;
  void open_rolling();

  sql::Database* database_;
  FilesSinkOptions options_;
  OutputNames names_;
  std::unique_ptr<OutputPlace> place_;
  SinkStart start_;
  // Both empty: sql/ writes the format.
  std::unique_ptr<AvroOutput> avro_;
  sql::MakeRowFile make_int96_;
  bool is_whole_ = false;                  // the next batch, of a table that is replaced in parts
  std::unique_ptr<RollingFiles> rolling_;  // nullptr: each batch has files of its own
};

}  // namespace millrace
