#include "sql/internal/object_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/call_on_threads.h"
#include "base/error.h"
#include "base/strings.h"
#include "core/planned_files.h"
#include "sql/database.h"

namespace millrace::sql {

namespace {

constexpr std::string_view kPrefix = "object";
// A file that is no larger is read by one request. Kept for each file of a batch while it runs.
constexpr std::int64_t kTailBytes = 128 << 10;

/// What stands between two colons of a name, taken off its beginning.
std::string_view cut_off(std::string_view& name) {
  const auto colon = std::min(name.find(':'), name.size());
  const auto part = name.substr(0, colon);
  name.remove_prefix(std::min(colon + 1, name.size()));
  return part;
}

/// An etag within a name; what would end it, or be taken for a folder, is left out of etags by all
/// stores, and an etag that has it is not sent.
std::string_view etag_in_name(std::string_view etag) {
  return etag.find_first_of(":/=%") == std::string_view::npos ? etag : std::string_view();
}

}  // namespace

std::string object_name(std::string_view mount, std::string_view url, std::int64_t size,
                        std::string_view etag) {
  return fmt::format("{}:{}:{}:{}", mount, size, etag_in_name(etag), url);
}

/// The end of a file, read once for all who have it open.
class ObjectFiles::Tail {
 public:
  /// True: the range lies in it, and was copied.
  bool read(const ObjectStore& store, const Object& object, char* to, std::int64_t offset,
            std::int64_t bytes) {
    const auto begin = std::max<std::int64_t>(object.size - kTailBytes, 0);
    if (offset < begin) {
      return false;
    }
    const std::lock_guard guard(lock_);
    if (bytes_.empty()) {
      std::string end(static_cast<std::size_t>(object.size - begin), '\0');
      store.read(object, begin, end);
      bytes_ = std::move(end);
    }
    std::memcpy(to, bytes_.data() + (offset - begin), static_cast<std::size_t>(bytes));
    return true;
  }

 private:
  std::mutex lock_;
  std::string bytes_;
};

struct ObjectFiles::Mounts {
  std::mutex lock;
  std::vector<std::shared_ptr<const ObjectStore>> stores;
  std::map<std::string, std::weak_ptr<Tail>, std::less<>> tails;  // by name
};

class ObjectFiles::Handle final : public duckdb::FileHandle {
 public:
  Handle(ObjectFiles& files, const std::string& path, duckdb::FileOpenFlags flags,
         std::shared_ptr<const ObjectStore> s, Object o, std::shared_ptr<Tail> t)
      : duckdb::FileHandle(files, path, flags),
        store(std::move(s)),
        object(std::move(o)),
        tail(std::move(t)) {}
  void Close() override {}

  std::shared_ptr<const ObjectStore> store;
  Object object;
  std::shared_ptr<Tail> tail;  // shared with other handles of the file
  std::int64_t at = 0;
  std::function<std::size_t(char*, std::size_t)> stream;  // from `at` on; empty: not begun
};

ObjectFiles::ObjectFiles() : mounts_(std::make_unique<Mounts>()) {}
ObjectFiles::~ObjectFiles() = default;

std::string ObjectFiles::mount(std::shared_ptr<const ObjectStore> store) {
  const std::lock_guard guard(mounts_->lock);
  auto& stores = mounts_->stores;
  const auto known = std::ranges::find(stores, store);
  const auto number = known - stores.begin() + 1;
  if (known == stores.end()) {
    stores.push_back(std::move(store));
  }
  return fmt::format("{}{}", kPrefix, number);
}

bool ObjectFiles::CanHandleFile(const std::string& path) {
  const auto rest = std::string_view(path).substr(0, path.find(':'));
  return rest.starts_with(kPrefix) && rest.size() < path.size() &&
         parse_integer(rest.substr(kPrefix.size())).has_value();
}

duckdb::unique_ptr<duckdb::FileHandle> ObjectFiles::OpenFile(
    const std::string& path, duckdb::FileOpenFlags flags,
    duckdb::optional_ptr<duckdb::FileOpener> /*opener*/) {
  std::string_view rest = path;
  const auto number = parse_integer(cut_off(rest).substr(kPrefix.size())).value_or(0);
  const auto size = parse_integer(cut_off(rest)).value_or(-1);
  const std::string etag(cut_off(rest));
  std::shared_ptr<const ObjectStore> store;
  std::shared_ptr<Tail> tail;
  {
    const std::lock_guard guard(mounts_->lock);
    if (number < 1 || std::cmp_greater(number, mounts_->stores.size())) {
      throw duckdb::IOException("there is no such store: %s", path);
    }
    store = mounts_->stores[static_cast<std::size_t>(number - 1)];
    std::erase_if(mounts_->tails, [](const auto& each) { return each.second.expired(); });
    auto& known = mounts_->tails[path];
    tail = known.lock();
    if (tail == nullptr) {
      tail = std::make_shared<Tail>();
      known = tail;
    }
  }
  if (flags.OpenForWriting() || !rest.starts_with(store->url(""))) {
    throw duckdb::IOException("objects can only be read: %s", path);
  }
  Object object{.key = std::string(rest.substr(store->url("").size())), .size = size, .etag = etag};
  if (size < 0) {
    auto found = store->find(object.key);
    if (!found) {
      throw duckdb::IOException("there is no `%s`", std::string(rest));
    }
    object = *std::move(found);
  }
  return duckdb::make_uniq<Handle>(*this, path, flags, std::move(store), std::move(object),
                                   std::move(tail));
}

bool ObjectFiles::FileExists(const std::string& /*path*/,
                             duckdb::optional_ptr<duckdb::FileOpener> /*opener*/) {
  return true;  // who opens it is told otherwise
}

duckdb::vector<duckdb::OpenFileInfo> ObjectFiles::Glob(const std::string& path,
                                                       duckdb::FileOpener* /*opener*/) {
  return {duckdb::OpenFileInfo(path)};  // names are whole: `*` and `[` stand for themselves
}

void ObjectFiles::Read(duckdb::FileHandle& base, void* to, std::int64_t bytes,
                       duckdb::idx_t location) {
  auto& handle = base.Cast<Handle>();
  const auto offset = static_cast<std::int64_t>(location);
  if (bytes < 0 || offset > handle.object.size || bytes > handle.object.size - offset) {
    throw duckdb::IOException("`%s` ends too early", handle.store->url(handle.object.key));
  }
  auto* const out = static_cast<char*>(to);
  if (!handle.tail->read(*handle.store, handle.object, out, offset, bytes)) {
    handle.store->read(handle.object, offset, {out, static_cast<std::size_t>(bytes)});
  }
}

std::int64_t ObjectFiles::Read(duckdb::FileHandle& base, void* to, std::int64_t bytes) {
  auto& handle = base.Cast<Handle>();
  if (!handle.stream) {
    handle.stream = stream_of(handle.store, handle.object, handle.at);
  }
  const auto got = handle.stream(static_cast<char*>(to), static_cast<std::size_t>(bytes));
  handle.at += static_cast<std::int64_t>(got);
  return static_cast<std::int64_t>(got);
}

void ObjectFiles::Seek(duckdb::FileHandle& base, duckdb::idx_t location) {
  auto& handle = base.Cast<Handle>();
  if (std::cmp_not_equal(handle.at, location)) {
    handle.at = static_cast<std::int64_t>(location);
    handle.stream = nullptr;
  }
}

duckdb::idx_t ObjectFiles::SeekPosition(duckdb::FileHandle& handle) {
  return static_cast<duckdb::idx_t>(handle.Cast<Handle>().at);
}

std::int64_t ObjectFiles::GetFileSize(duckdb::FileHandle& handle) {
  return handle.Cast<Handle>().object.size;
}

duckdb::timestamp_t ObjectFiles::GetLastModifiedTime(duckdb::FileHandle& handle) {
  return duckdb::timestamp_t(handle.Cast<Handle>().object.modified_ns / 1000);
}

std::string ObjectFiles::GetVersionTag(duckdb::FileHandle& handle) {
  return handle.Cast<Handle>().object.etag;
}

std::string name_in_duckdb(const FileScan& scan, const FileScan::File& file) {
  return scan.store == nullptr ? file.path
                               : object_name(scan.mount, file.path, file.size, file.etag);
}

std::vector<duckdb::unique_ptr<duckdb::FileHandle>> read_ends(duckdb::ClientContext& context,
                                                              const FileScan& scan) {
  std::vector<duckdb::unique_ptr<duckdb::FileHandle>> handles;
  if (scan.store == nullptr) {
    return handles;
  }
  auto& files = duckdb::FileSystem::GetFileSystem(context);
  handles.resize(scan.files.size());
  call_on_threads(handles.size(), scan.store->requests_at_once(), [&](std::size_t i) {
    const auto& file = scan.files[i];
    handles[i] = files.OpenFile(name_in_duckdb(scan, file), duckdb::FileFlags::FILE_FLAGS_READ);
    char last = 0;
    if (file.size > 0) {
      handles[i]->Read(&last, 1, static_cast<duckdb::idx_t>(file.size - 1));
    }
  });
  return handles;
}

}  // namespace millrace::sql
