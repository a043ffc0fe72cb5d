#include "connectors/files/object_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/call_on_threads.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"

namespace millrace {

namespace {

using Json = nlohmann::json;

constexpr std::int64_t kManifestBytesMax = 64 << 20;

/// Keys below a prefix, and paths below it.
class Keys {
 public:
  explicit Keys(std::string prefix) : prefix_(std::move(prefix)) {
    if (!prefix_.empty()) {
      prefix_ += '/';
    }
  }
  /// Empty, or ends with a slash.
  [[nodiscard]] const std::string& prefix() const noexcept { return prefix_; }
  [[nodiscard]] std::string of(std::string_view path) const {
    return fmt::format("{}{}", prefix_, path);
  }
  [[nodiscard]] std::string path_of(std::string_view key) const {
    return std::string(key.substr(prefix_.size()));
  }

 private:
  std::string prefix_;
};

/// Which files make up the table, of complete mode with several files.
class Manifest {
 public:
  Manifest(std::shared_ptr<ObjectStore> store, const Keys& keys, const OutputNames& names)
      : store_(std::move(store)), key_(keys.of(fmt::format("_{}.manifest.json", names.sink()))) {}

  /// Paths, sorted. nullopt: there is none.
  [[nodiscard]] std::optional<std::vector<std::string>> read() const {
    const auto object = store_->find(key_);
    if (!object) {
      return std::nullopt;
    }
    std::string text(static_cast<std::size_t>(std::min(object->size, kManifestBytesMax)), '\0');
    store_->read(*object, 0, text);
    const auto json = Json::parse(text, nullptr, false);
    if (!json.is_object() || !json.contains("files") || !json["files"].is_array()) {
      throw Error(Blame::external,
                  fmt::format("`{}` is no manifest of ours; remove it, and what lies beside it is "
                              "written anew",
                              store_->url(key_)));
    }
    std::vector<std::string> files;
    for (const Json& file : json["files"]) {
      files.push_back(file.is_string() ? file.get<std::string>() : "");
    }
    std::ranges::sort(files);
    return files;
  }
  void write(std::int64_t batch, const std::vector<std::string>& files) {
    store_->put(key_, Json({{"batch", batch}, {"files", files}}).dump(1) + "\n");
  }
  void remove() {
    if (store_->find(key_)) {
      store_->remove({key_});
    }
  }

 private:
  std::shared_ptr<ObjectStore> store_;  // shared with the place, which outlives it
  std::string key_;
};

class ObjectPublication final : public Publication {
 public:
  ObjectPublication(const OutputJob& job, ObjectStore& store, const Keys& keys, Manifest manifest,
                    std::vector<std::string>& current, std::int64_t batch)
      : job_(job),
        store_(store),
        keys_(keys),
        manifest_(std::move(manifest)),
        current_(current),
        batch_(batch),
        staging_(fmt::format("{}/{}", job.start.staging, batch)) {}
  ObjectPublication(const ObjectPublication&) = delete;
  ObjectPublication& operator=(const ObjectPublication&) = delete;
  ~ObjectPublication() override;

  [[nodiscard]] const std::string& folder() const noexcept override { return staging_; }
  [[nodiscard]] std::string file_name(int part) const override {
    if (job_.replaces_parts()) {
      return job_.names.of_part(part);
    }
    return job_.is_complete() && !job_.replaces_folder() ? job_.names.of_whole()
                                                         : job_.names.of_batch(batch_, part);
  }
  void stage(const std::vector<sql::WrittenFile>& files) override;
  void publish() override;

 private:
  void replace();

  const OutputJob job_;
  ObjectStore& store_;
  const Keys& keys_;
  Manifest manifest_;
  std::vector<std::string>& current_;  // what the manifest lists: the place's
  std::int64_t batch_;
  std::string staging_;
  std::vector<std::string> paths_;
  std::vector<std::unique_ptr<ObjectUpload>> uploads_;
  bool published_ = false;
};

ObjectPublication::~ObjectPublication() {
  try {
    uploads_.clear();
    remove_tree(staging_);
  } catch (const std::exception& error) {  // open() removes it next time
    Log().with("sink", job_.names.sink()).warn("{}", error.what());
  }
}

void ObjectPublication::stage(const std::vector<sql::WrittenFile>& files) {
  paths_.reserve(files.size());
  uploads_.reserve(files.size());
  for (const sql::WrittenFile& file : files) {
    const auto name = name_of_file(file.path);
    paths_.push_back(file.partition.empty() ? name : fmt::format("{}/{}", file.partition, name));
    uploads_.push_back(store_.upload(keys_.of(paths_.back()), file.path));
    fault_point("objects.after_stage");
  }
  std::ranges::sort(paths_);
}

void ObjectPublication::publish() {
  if (published_) {
    return;
  }
  fault_point("objects.before_publish");
  call_on_threads(uploads_.size(), store_.requests_at_once(), [this](std::size_t i) {
    uploads_[i]->finish();
    fault_point("objects.between_puts");
  });
  fault_point("objects.after_puts");
  if (job_.replaces_folder()) {
    replace();
  }
  if (job_.options.success_marker && (!uploads_.empty() || job_.replaces_folder())) {
    store_.put(keys_.of("_SUCCESS"), "");
  }
  published_ = true;
}

/// The new files are there: from now on they count, and the old ones go.
void ObjectPublication::replace() {
  manifest_.write(batch_, paths_);
  fault_point("objects.after_switch");
  std::vector<std::string> old;
  for (const std::string& path : current_) {
    if (!std::ranges::binary_search(paths_, path)) {
      old.push_back(keys_.of(path));
    }
  }
  store_.remove(old);
  current_ = paths_;
}

class ObjectOutput final : public OutputPlace {
 public:
  explicit ObjectOutput(ObjectPlace place)
      : store_(std::move(place.store)), path_(store_->url(place.prefix)), keys_(place.prefix) {
    while (path_.ends_with('/')) {
      path_.pop_back();
    }
  }

  [[nodiscard]] const std::string& path() const noexcept override { return path_; }
  [[nodiscard]] std::string guarantee(const FilesSinkOptions& options) const override {
    return fmt::format(
        "objects are put whole under names made of sink, batch and part; complete {}",
        options.overwrites_parts()     ? "replaces the one object of a partition"
        : options.partition_by.empty() ? "replaces one object"
                                       : "puts new ones, replaces the manifest that "
                                         "lists them, and removes the old ones");
  }
  [[nodiscard]] bool syncs() const noexcept override { return false; }
  void open(const OutputJob& job) override;
  void check_replaceable(const OutputJob& job) override;
  [[nodiscard]] std::vector<PlacedFile> files_behind(const OutputJob& job,
                                                     std::int64_t batch) const override;
  [[nodiscard]] std::string fetch(const PlacedFile& file, const std::string& folder) const override;
  void remove(const std::vector<std::string>& files) override;
  [[nodiscard]] std::unique_ptr<Publication> begin(const OutputJob& job,
                                                   std::int64_t batch) override {
    return std::make_unique<ObjectPublication>(job, *store_, keys_, manifest(job), current_, batch);
  }
  [[nodiscard]] std::vector<PlacedFile> visible(const OutputJob& job, sql::Database& database,
                                                std::int64_t last_batch) const override;

 private:
  [[nodiscard]] Manifest manifest(const OutputJob& job) const { return {store_, keys_, job.names}; }

  std::shared_ptr<ObjectStore> store_;  // shared with scans of what was written
  std::string path_;
  Keys keys_;
  std::vector<std::string> current_;  // what the manifest lists
};

void ObjectOutput::open(const OutputJob& job) {
  if (job.start.staging.empty()) {
    throw Error(Blame::internal, "a sink of an object store was opened without a staging folder");
  }
  remove_tree(job.start.staging);
  store_->abort_uploads(keys_.prefix(),
                        [&](std::string_view key) { return job.names.batch_of(key).has_value(); });
  if (!job.replaces_folder() && !job.options.partition_by.empty()) {
    manifest(job).remove();  // of another mode
  }
}

/// Whatever the manifest does not list is left over: new files if it was not replaced, else old
/// ones.
void ObjectOutput::check_replaceable(const OutputJob& job) {
  current_ = manifest(job).read().value_or(std::vector<std::string>());
  std::vector<std::string> others;
  for (const auto& file : files_behind(job, -1)) {
    if (!std::ranges::binary_search(current_, file.path)) {
      others.push_back(file.path);
    }
  }
  remove(others);
}

std::vector<PlacedFile> ObjectOutput::files_behind(const OutputJob& job, std::int64_t batch) const {
  ObjectStore::Wanted wanted{.prefix = keys_.prefix()};
  if (job.options.partition_by.empty()) {  // by name, and so by batch
    wanted.prefix += job.names.sink();
    wanted.after = batch < 0 ? "" : keys_.of(job.names.behind(batch));
    wanted.flat = true;
  }
  std::vector<PlacedFile> files;
  store_->list(wanted, [&](std::vector<Object>&& objects) {
    for (const Object& object : objects) {
      auto path = keys_.path_of(object.key);
      const auto of = job.names.batch_of(path);
      if (of && (batch < 0 || *of > batch) && !path.starts_with('.') && !path.contains("/.")) {
        files.push_back({std::move(path), object.size, object.modified_ns, object.etag});
      }
    }
    return true;
  });
  return files;
}

std::string ObjectOutput::fetch(const PlacedFile& file, const std::string& folder) const {
  const auto key = keys_.of(file.path);
  const auto object = store_->find(key);
  if (!object) {
    throw Error(Blame::external, fmt::format("`{}` is gone", store_->url(key)));
  }
  auto path = fmt::format("{}/{}", folder, name_of_file(file.path));
  remove_file(path);
  AppendFile to(path);
  const auto read = stream_of(store_, *object);
  std::string piece(std::size_t{1} << 20, '\0');
  for (std::size_t bytes = 0; (bytes = read(piece.data(), piece.size())) > 0;) {
    to.write(std::string_view(piece).substr(0, bytes));
  }
  return path;
}

void ObjectOutput::remove(const std::vector<std::string>& files) {
  std::vector<std::string> keys;
  keys.reserve(files.size());
  for (const std::string& file : files) {
    keys.push_back(keys_.of(file));
  }
  store_->remove(keys);
}

std::vector<PlacedFile> ObjectOutput::visible(const OutputJob& job, sql::Database& database,
                                              std::int64_t last_batch) const {
  std::vector<PlacedFile> files;
  const auto listed = job.options.partition_by.empty() ? std::nullopt : manifest(job).read();
  const auto mount = database.mount(store_);
  if (!listed) {
    files = files_behind(job, -1);
    remove_behind(files, job, last_batch);
  }
  for (const auto& path : listed.value_or(std::vector<std::string>())) {
    files.push_back({.path = path, .bytes = -1});
  }
  for (PlacedFile& file : files) {
    file.path = sql::object_name(mount, store_->url(keys_.of(file.path)), file.bytes, file.etag);
  }
  return files;
}

}  // namespace

std::unique_ptr<OutputPlace> object_output(ObjectPlace place) {
  return std::make_unique<ObjectOutput>(std::move(place));
}

}  // namespace millrace
