#include "connectors/files/object_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "connectors/files/discovery.h"

namespace millrace {

namespace {

using std::chrono::steady_clock;

constexpr std::string_view kGlobCharacters = "*?[";
/// With so many that wait to be given, the others are listed later.
constexpr std::size_t kFoundMax = 100'000;

class ObjectInput final : public InputPlace {
 public:
  ObjectInput(ObjectPlace place, const FilesSourceOptions& options, sql::Database* database);

  [[nodiscard]] const std::string& base() const noexcept override { return base_; }
  void check() override;
  [[nodiscard]] std::vector<FoundFile> look(const Look& look) override;
  [[nodiscard]] std::chrono::milliseconds looks_again_after() const noexcept override {
    return std::chrono::hours(1);  // objects don't change, and listing them is what costs
  }
  [[nodiscard]] bool is_as_found(const FileScan::File& /*file*/) const override { return true; }
  [[nodiscard]] std::function<std::optional<FileScan::File>(const std::string& path)> finder()
      const override;
  [[nodiscard]] FileScan scan(std::vector<FileScan::File> files) const override;

  void remove(const std::string& path) override { store_->remove({folder_ + path}); }
  void archive(const std::string& /*path*/, const std::string& /*folder*/) override {
    throw Error(Blame::internal, "objects can't be archived");
  }
  void wait(const std::stop_token& stop, steady_clock::time_point until) override;

 private:
  void set_folder(std::string folder);
  [[nodiscard]] bool fits(const std::string& path) const;
  [[nodiscard]] bool is_flat() const noexcept {
    return !recursive_ && !pattern_.contains('/') && !pattern_.contains("**");
  }
  [[nodiscard]] FileScan::File file_of(const Object& object) const {
    return {.path = object.key.substr(folder_.size()),
            .size = object.size,
            .mtime_ns = object.modified_ns,
            .etag = object.etag};
  }

  std::shared_ptr<ObjectStore> store_;  // shared with scans
  std::string name_filter_;
  bool recursive_;
  std::chrono::milliseconds full_interval_;
  sql::Database* database_;
  std::string path_;     // as it was given: of a folder, or of one object; empty: that is settled
  std::string folder_;   // keys begin so: empty, or with a slash at its end
  std::string pattern_;  // relative to it; empty: all objects
  std::string base_;
  std::string done_;  // the last key before which everything was given
  int pages_ = 0;     // of the last full listing
  steady_clock::time_point full_at_;
  std::mutex lock_;
  std::condition_variable_any waiting_;
};

ObjectInput::ObjectInput(ObjectPlace place, const FilesSourceOptions& options,
                         sql::Database* database)
    : store_(std::move(place.store)),
      name_filter_(options.path_glob_filter),
      recursive_(options.recursive_file_lookup),
      full_interval_(options.full_listing_interval),
      database_(database) {
  const auto glob = place.prefix.find_first_of(kGlobCharacters);
  if (glob == std::string::npos) {
    path_ = place.prefix;
    set_folder(place.prefix);
    return;
  }
  const auto slash = place.prefix.rfind('/', glob);
  const bool has_folder = slash != std::string::npos;
  pattern_ = place.prefix.substr(has_folder ? slash + 1 : 0);
  set_folder(has_folder ? place.prefix.substr(0, slash) : "");
}

void ObjectInput::set_folder(std::string folder) {
  base_ = store_->url(folder);
  while (base_.ends_with('/')) {
    base_.pop_back();
  }
  folder_ = folder.empty() ? "" : std::move(folder) + "/";
}

/// What a path without a pattern names, only the store knows.
void ObjectInput::check() {
  const auto path = std::exchange(path_, "");
  if (!path.empty() && store_->find(path)) {
    const auto slash = path.rfind('/');
    pattern_ = path.substr(slash == std::string::npos ? 0 : slash + 1);
    set_folder(slash == std::string::npos ? "" : path.substr(0, slash));
  }
}

bool ObjectInput::fits(const std::string& path) const {
  std::string_view rest = path;
  for (auto slash = rest.find('/'); slash != std::string_view::npos; slash = rest.find('/')) {
    if (is_left_alone(rest.substr(0, slash))) {
      return false;
    }
    rest.remove_prefix(slash + 1);
  }
  return !is_left_alone(rest) && (recursive_ || !pattern_.empty() || rest.size() == path.size()) &&
         (name_filter_.empty() || path_fits(name_filter_, rest)) &&
         (pattern_.empty() || path_fits(pattern_, path));
}

std::vector<FoundFile> ObjectInput::look(const Look& look) {
  const auto now = steady_clock::now();
  const bool full = look.whole || pages_ <= 1 || now - full_at_ >= full_interval_;
  const ObjectStore::Wanted wanted{
      .prefix = folder_, .after = full ? "" : done_, .flat = is_flat()};
  std::string done = wanted.after;
  std::vector<FoundFile> found;
  const auto take = [&](std::vector<Object>&& objects) {
    for (const Object& object : objects) {
      auto file = file_of(object);
      if (fits(file.path) && object.modified_ns >= look.oldest_ns && !look.skip(file.path)) {
        found.push_back({.file = std::move(file), .complete = true});
      } else if (found.empty()) {
        done = object.key;
      }
    }
    return look.whole || found.size() < kFoundMax;
  };
  const int pages = store_->list(wanted, take);
  done_ = std::move(done);
  if (full) {
    pages_ = pages;
    full_at_ = now;
  }
  std::ranges::sort(found, {}, [](const FoundFile& each) {
    return std::tie(each.file.mtime_ns, each.file.path);
  });
  return found;
}

std::function<std::optional<FileScan::File>(const std::string& path)> ObjectInput::finder() const {
  std::unordered_map<std::string, FileScan::File> all;
  store_->list({.prefix = folder_, .after = {}, .flat = is_flat()},
               [&](std::vector<Object>&& objects) {
                 for (const Object& object : objects) {
                   auto file = file_of(object);
                   all.emplace(file.path, std::move(file));
                 }
                 return true;
               });
  return [all = std::move(all)](const std::string& path) {
    const auto found = all.find(path);
    return found == all.end() ? std::nullopt : std::optional(found->second);
  };
}

FileScan ObjectInput::scan(std::vector<FileScan::File> files) const {
  for (FileScan::File& file : files) {
    file.path = store_->url(folder_ + file.path);
  }
  return {.files = std::move(files), .store = store_, .mount = database_->mount(store_)};
}

void ObjectInput::wait(const std::stop_token& stop, steady_clock::time_point until) {
  std::unique_lock guard(lock_);
  waiting_.wait_until(guard, stop, until, [] { return false; });
}

}  // namespace

std::unique_ptr<InputPlace> object_input(ObjectPlace place, const FilesSourceOptions& options,
                                         sql::Database* database) {
  return std::make_unique<ObjectInput>(std::move(place), options, database);
}

}  // namespace millrace
