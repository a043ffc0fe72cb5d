// Reads the files of a folder, each once, as they arrive.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "connectors/files/file_decoding.h"
#include "connectors/files/input_place.h"
#include "connectors/files/options.h"
#include "core/connection_check.h"
#include "core/growing_columns.h"
#include "core/source.h"
#include "sql/database.h"

namespace millrace {

/// Offsets: {"files": [{"path", "size", "mtime_ns", "etag"}, ...]}, paths relative to the folder;
/// etags of objects only.
/// Position: {"files": {"path": mtime_ns, ...}}, all files given so far.
class FilesSource final : public Source, public GrowingColumns, public CheckedSource {
 public:
  /// options.source_archive_dir is absolute. `schema` is empty if the files are to be asked.
  /// `as_table`: all files, every batch.
  FilesSource(sql::Database* database, std::string name, std::unique_ptr<InputPlace> place,
              FilesSourceOptions options, bool as_table);

  const Schema& schema() override;
  [[nodiscard]] std::optional<FileFormat> file_format() const override {
    return decoding_->file_format();
  }
  void open(const std::optional<Json>& position) override;
  [[nodiscard]] std::string target() const override;
  void check_connection(const SourcePlace& place, Findings& findings) override;
  [[nodiscard]] Json position() const override;
  std::optional<Slice> plan(std::int64_t now) override;
  void advance(const Json& offsets) override;
  SliceInput read(const Json& offsets, MalformedReceiver& malformed) override;
  [[nodiscard]] bool offsets_tell_change() const override { return true; }
  void committed(const Json& offsets) override;
  SliceInput read_again(const MalformedRows& rows, const std::string& folder,
                        MalformedReceiver& malformed) override;
  [[nodiscard]] std::optional<std::string> why_no_history() const override;
  Slices history() override;
  void stop_at_present() override {
    at_present_ = true;
    waiting_.clear();
  }
  [[nodiscard]] bool finished() const override { return ended_; }
  void wait(std::stop_token stop, std::chrono::steady_clock::time_point until) override;

  [[nodiscard]] bool grows() const override {
    return options_.on_schema_change == formats::OnSchemaChange::add_columns;
  }
  void begin_with(Schema columns) override { decoding_->begin_with(columns); }
  [[nodiscard]] Schema found() const override { return decoding_->found(); }

 private:
  std::vector<FileScan::File> find_new();
  void look();
  [[nodiscard]] std::vector<FileScan::File> next_files() const;
  [[nodiscard]] std::vector<FileScan::File> find_given() const;
  void note_present(const std::vector<FoundFile>& found);
  void forget_old();
  [[nodiscard]] Slice slice_of(const std::vector<FileScan::File>& files) const;
  void clean(const std::string& relative);

  [[nodiscard]] FileScan file_to_ask();

  std::string name_;
  FilesSourceOptions options_;
  bool as_table_;
  std::unique_ptr<InputPlace> place_;
  Log log_;
  std::unique_ptr<FileDecoding> decoding_;
  std::unordered_map<std::string, std::int64_t> given_;  // path -> time of modification
  std::int64_t newest_ = 0;                              // of the files given
  // Found and not given yet, in order. Looking costs as much as there are files, so with many
  // waiting it is not done for each batch.
  std::deque<FileScan::File> waiting_;
  std::chrono::steady_clock::time_point looked_;
  bool at_present_ = false;
  std::optional<std::unordered_map<std::string, bool>> present_;  // what there was at that moment
  bool ended_ = false;
  bool some_incomplete_ = false;  // at the last look
};

}  // namespace millrace
