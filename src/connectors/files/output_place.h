// Where the files of a sink become visible: a folder of this machine, or a prefix in an object
// store. What a sink does is the same for all places; how a file appears there is theirs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "connectors/files/output_names.h"
#include "core/sink.h"
#include "sql/database.h"
#include "sql/file_writer.h"

namespace millrace {

/// What a place gets to know of the sink that writes there.
struct OutputJob {
  const OutputNames& names;
  const FilesSinkOptions& options;
  const SinkStart& start;

  [[nodiscard]] bool is_complete() const noexcept { return start.mode == OutputMode::complete; }
  /// Complete mode with several files, one or more for each partition, which are replaced together.
  [[nodiscard]] bool replaces_folder() const noexcept {
    return is_complete() && !options.partition_by.empty() && !replaces_parts();
  }
  /// Complete mode with one file for each partition, which is replaced by itself.
  [[nodiscard]] bool replaces_parts() const noexcept {
    return is_complete() && options.overwrites_parts();
  }
};

/// A file that is there.
struct PlacedFile {
  std::string path;  ///< below the place
  std::int64_t bytes = 0;
  std::int64_t modified_ns = 0;  ///< 0: not known
  std::string etag = {};         ///< of an object
};

/// The files of one batch, from the folder that they are written in to where readers see them.
/// Destroyed before publish(), it leaves nothing that anybody sees.
class Publication {
 public:
  virtual ~Publication() = default;
  /// The folder of this machine that files are written into, each below the folder of its
  /// partition. It is made by who writes the first one.
  [[nodiscard]] virtual const std::string& folder() const noexcept = 0;
  /// The name of a file within its partition.
  [[nodiscard]] virtual std::string file_name(int part) const = 0;
  /// All files are written. What can be done without anybody seeing it is done.
  virtual void stage(const std::vector<sql::WrittenFile>& files) = 0;
  /// Makes them visible, durably. May be called again after an Error.
  virtual void publish() = 0;
};

/// One place. Used by one thread, but that publications of two batches may be under way, in order.
class OutputPlace {
 public:
  virtual ~OutputPlace() = default;
  /// For messages: a folder, or s3://bucket/prefix. No slash at its end.
  [[nodiscard]] virtual const std::string& path() const noexcept = 0;
  /// What readers may rely on, for people: how files appear, and how complete mode replaces them.
  [[nodiscard]] virtual std::string guarantee(const FilesSinkOptions& options) const = 0;
  /// Whether files must survive a crash of this machine before publish().
  [[nodiscard]] virtual bool syncs() const noexcept = 0;

  /// Makes ready to write, and removes what dead processes have staged.
  virtual void open(const OutputJob& job) = 0;
  /// Complete mode with several files: what was left half replaced is put right. Throws Error if
  /// what is there forbids to replace it. After open().
  virtual void check_replaceable(const OutputJob& job) = 0;
  /// The sink's files of batches behind this one, sorted by their paths. -1: all of batches, and
  /// those without a batch in their names.
  [[nodiscard]] virtual std::vector<PlacedFile> files_behind(const OutputJob& job,
                                                             std::int64_t batch) const = 0;
  /// Gives the path of a file on this machine: where it is, or a copy in `folder`, which is there.
  [[nodiscard]] virtual std::string fetch(const PlacedFile& file,
                                          const std::string& folder) const = 0;
  /// Removes such files, durably.
  virtual void remove(const std::vector<std::string>& files) = 0;
  /// Outlives the publication, as `job` does.
  [[nodiscard]] virtual std::unique_ptr<Publication> begin(const OutputJob& job,
                                                           std::int64_t batch) = 0;

  /// What a reader is to see now, as paths that SQL of `database` reads. Of files that a manifest
  /// lists, which never change, the paths alone. Without those of batches behind `last_batch`, as
  /// far as names tell; -1: all.
  [[nodiscard]] virtual std::vector<PlacedFile> visible(const OutputJob& job,
                                                        sql::Database& database,
                                                        std::int64_t last_batch) const = 0;
};

/// Takes out files of batches behind `last`, as far as names tell; -1: none.
inline void remove_behind(std::vector<PlacedFile>& files, const OutputJob& job, std::int64_t last) {
  std::erase_if(files, [&](const PlacedFile& file) {
    return last >= 0 && job.names.batch_of(file.path).value_or(-1) > last;
  });
}

/// `path` is absolute. Rests on rename, renameat2 and fsync of a local file system.
[[nodiscard]] std::unique_ptr<OutputPlace> local_output(std::string path);

}  // namespace millrace
