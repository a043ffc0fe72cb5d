// Files in folders of this machine.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/files.h"
#include "connectors/files/discovery.h"
#include "connectors/files/input_place.h"
#include "connectors/files/watcher.h"

namespace millrace {

namespace {

class LocalInput final : public InputPlace {
 public:
  LocalInput(std::string path, const FilesSourceOptions& options)
      : discovery_({std::move(path), options.path_glob_filter, options.recursive_file_lookup,
                    options.settle_time}) {}

  [[nodiscard]] const std::string& base() const noexcept override { return discovery_.base(); }
  void check() override {
    discovery_.check();
    watcher_.watch(base());  // before the first look, so that nothing falls in between
  }
  [[nodiscard]] std::vector<FoundFile> look(const Look& look) override {
    return discovery_.look(look.skip);
  }
  // Files may still change, and the time of modification of new ones may be older.
  [[nodiscard]] std::chrono::milliseconds looks_again_after() const noexcept override {
    return std::chrono::seconds(1);
  }
  [[nodiscard]] bool is_as_found(const FileScan::File& file) const override {
    const auto now = discovery_.find(file.path);
    return now && now->size == file.size && now->mtime_ns == file.mtime_ns;
  }
  [[nodiscard]] std::function<std::optional<FileScan::File>(const std::string& path)> finder()
      const override {
    return [this](const std::string& path) { return discovery_.find(path); };
  }
  [[nodiscard]] FileScan scan(std::vector<FileScan::File> files) const override {
    for (FileScan::File& file : files) {
      file.path = whole(file.path);
    }
    return {.files = std::move(files), .store = nullptr, .mount = {}};
  }

  void remove(const std::string& path) override { remove_file(whole(path)); }
  void archive(const std::string& path, const std::string& folder) override {
    const auto from = whole(path);
    const auto to = fmt::format("{}/{}", folder, path);
    make_folders(folder_of(to), false);
    if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) {
      throw_file_error("archive", from, errno);
    }
  }
  void wait(const std::stop_token& stop, std::chrono::steady_clock::time_point until) override {
    for (const std::string& folder : discovery_.folders()) {
      watcher_.watch(folder);
    }
    if (discovery_.folders().empty()) {
      watcher_.watch(base());
    }
    watcher_.wait(stop, until);
  }

 private:
  [[nodiscard]] std::string whole(const std::string& path) const {
    return fmt::format("{}/{}", base(), path);
  }

  Discovery discovery_;
  FolderWatcher watcher_;
};

}  // namespace

std::unique_ptr<InputPlace> local_input(std::string path, const FilesSourceOptions& options) {
  return std::make_unique<LocalInput>(std::move(path), options);
}

}  // namespace millrace
