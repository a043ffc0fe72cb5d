// Object stores as a file system of DuckDB's, to read from.
#pragma once

#include <memory>
#include <string>

#include "core/object_store.h"
#include "core/source.h"
#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// Its names are "object<number>:<size>:<etag>:<url>". The number is that of a store that was
/// mounted; a size of -1 is asked for when the file is opened.
class ObjectFiles final : public duckdb::FileSystem {
 public:
  ObjectFiles();
  ~ObjectFiles() override;

  /// "object1". The same store has the same name again.
  std::string mount(std::shared_ptr<const ObjectStore> store);

  std::string GetName() const override { return "ObjectFiles"; }
  bool CanHandleFile(const std::string& path) override;
  bool CanSeek() override { return true; }
  bool OnDiskFile(duckdb::FileHandle& /*handle*/) override { return false; }
  bool IsPipe(const std::string& /*path*/,
              duckdb::optional_ptr<duckdb::FileOpener> /*opener*/) override {
    return false;
  }
  duckdb::unique_ptr<duckdb::FileHandle> OpenFile(
      const std::string& path, duckdb::FileOpenFlags flags,
      duckdb::optional_ptr<duckdb::FileOpener> opener) override;
  bool FileExists(const std::string& path,
                  duckdb::optional_ptr<duckdb::FileOpener> opener) override;
  duckdb::vector<duckdb::OpenFileInfo> Glob(const std::string& path,
                                            duckdb::FileOpener* opener) override;

  void Read(duckdb::FileHandle& handle, void* to, std::int64_t bytes,
            duckdb::idx_t location) override;
  std::int64_t Read(duckdb::FileHandle& handle, void* to, std::int64_t bytes) override;
  void Seek(duckdb::FileHandle& handle, duckdb::idx_t location) override;
  void Reset(duckdb::FileHandle& handle) override { Seek(handle, 0); }
  duckdb::idx_t SeekPosition(duckdb::FileHandle& handle) override;
  std::int64_t GetFileSize(duckdb::FileHandle& handle) override;
  duckdb::timestamp_t GetLastModifiedTime(duckdb::FileHandle& handle) override;
  std::string GetVersionTag(duckdb::FileHandle& handle) override;
  duckdb::FileType GetFileType(duckdb::FileHandle& /*handle*/) override {
    return duckdb::FileType::FILE_TYPE_REGULAR;
  }

 private:
  class Handle;
  class Tail;
  struct Mounts;

  std::unique_ptr<Mounts> mounts_;
};

/// What DuckDB is to call a file of a scan.
[[nodiscard]] std::string name_in_duckdb(const FileScan& scan, const FileScan::File& file);

/// Opens all files of a scan at once, and reads their ends, where a Parquet file says what is in
/// it. As long as the handles are there, who opens one of them again has its end at hand. None for
/// files of this machine.
[[nodiscard]] std::vector<duckdb::unique_ptr<duckdb::FileHandle>> read_ends(
    duckdb::ClientContext& context, const FileScan& scan);

}  // namespace millrace::sql
