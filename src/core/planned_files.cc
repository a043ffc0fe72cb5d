#include "core/planned_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"

namespace millrace {

void check_unchanged(const FileScan& scan, const FileScan::File& file) {
  if (scan.store != nullptr) {
    return;
  }
  struct stat now{};
  if (::stat(file.path.c_str(), &now) != 0) {
    if (errno != ENOENT) {
      throw_file_error("read", file.path, errno);
    }
    throw Error(Blame::external,
                fmt::format("`{}` is gone; it was planned for this batch, which must be able to "
                            "read it again until it is committed: put the file back",
                            file.path));
  }
  const std::int64_t mtime =
      (static_cast<std::int64_t>(now.st_mtim.tv_sec) * 1'000'000'000) + now.st_mtim.tv_nsec;
  if (now.st_size != file.size || mtime != file.mtime_ns) {
    throw Error(Blame::external,
                fmt::format("`{}` has changed since it was planned for this batch ({} then, {} "
                            "now); files must not change once they are in the folder: write them "
                            "elsewhere and move them in; to go on, put the old content back with "
                            "its modification time",
                            file.path, human_bytes(file.size),
                            now.st_size == file.size ? "same size, but written again"
                                                     : human_bytes(now.st_size)));
  }
}

Object object_of(const FileScan& scan, const FileScan::File& file) {
  return {.key = file.path.substr(scan.store->url("").size()),
          .size = file.size,
          .modified_ns = file.mtime_ns,
          .etag = file.etag};
}

}  // namespace millrace
