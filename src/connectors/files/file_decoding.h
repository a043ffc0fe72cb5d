// How the files of a source become rows: by the readers of sql/, or by ours.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "connectors/files/options.h"
#include "core/source.h"
#include "sql/database.h"

namespace millrace {

/// Gives a scan of one file, to be asked for its columns. Throws Error if there is none.
using FindFile = std::function<FileScan()>;

/// What a source does with the files that it finds. Used by one thread; what its calls give may be
/// used by others, and does not outlive it.
class FileDecoding {
 public:
  virtual ~FileDecoding() = default;
  // As GrowingColumns'; of those that grow.
  virtual void begin_with(const Schema& /*columns*/) {}
  [[nodiscard]] virtual Schema found() const { return {}; }
  /// The columns. `find_file` gives a file to ask, if the options do not say them.
  virtual const Schema& schema(const FindFile& find_file) = 0;
  // As Source's; after schema().
  [[nodiscard]] virtual std::optional<FileFormat> file_format() const { return std::nullopt; }
  [[nodiscard]] virtual SliceInput read(FileScan files, MalformedReceiver& malformed) = 0;
  [[nodiscard]] virtual SliceInput read_again(const MalformedRows& rows, const std::string& folder,
                                              MalformedReceiver& malformed) = 0;
};

/// By the format that the options name. `source`: its name; `database` and `log` outlive it.
[[nodiscard]] std::unique_ptr<FileDecoding> make_file_decoding(sql::Database* database,
                                                               const std::string& source,
                                                               const FilesSourceOptions& options,
                                                               const Log& log);

}  // namespace millrace
