// The contract of an object store: named byte strings in a bucket, each put as a whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "core/connector.h"

namespace millrace {

/// An object as it was found. One that is put again under its key is another one.
struct Object {
  std::string key;
  std::int64_t size = 0;
  std::int64_t modified_ns = 0;  ///< since 1970
  std::string etag;              ///< of its content, as the store names it; empty: not known

  bool operator==(const Object&) const = default;
};

/// A file on its way into a store. Destroyed before finish(), it leaves nothing that anybody sees,
/// and what was sent is given up.
class ObjectUpload {
 public:
  virtual ~ObjectUpload() = default;
  /// Makes the object visible, as a whole. May be called again after an Error.
  virtual void finish() = 0;
};

/// One bucket. Thread-safe. What may pass (no connection, timeouts, a store that is busy) is tried
/// again within each call; an Error with Retry::yes says that it did not pass in time, one without
/// that somebody has to act. A stop that was requested ends a call that has to wait, with Stopped.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  /// "s3://bucket/key", for people and for what they query.
  [[nodiscard]] virtual std::string url(std::string_view key) const = 0;
  /// How many requests at once are worth it, which is also the bound.
  [[nodiscard]] virtual std::size_t requests_at_once() const noexcept = 0;

  struct Wanted {
    std::string prefix;
    std::string after;  ///< only keys behind it
    bool flat = false;  ///< only keys without a slash behind the prefix
  };
  /// Gives the objects page by page, by ascending keys, until `each` says false: enough. Returns
  /// how many pages there were.
  virtual int list(const Wanted& wanted,
                   const std::function<bool(std::vector<Object>&&)>& each) const = 0;
  /// nullopt: there is none.
  [[nodiscard]] virtual std::optional<Object> find(const std::string& key) const = 0;
  /// Fills `to` from the place `offset`, which the object must have. Throws Error if the object is
  /// gone or is another one now.
  virtual void read(const Object& object, std::int64_t offset, std::span<char> to) const = 0;

  /// Puts an object, in place of the one that is there.
  virtual void put(const std::string& key, std::string_view bytes) = 0;
  /// Begins to put the file at `path`: what can be sent without anybody seeing it is sent. The file
  /// stays where it is until finish().
  [[nodiscard]] virtual std::unique_ptr<ObjectUpload> upload(const std::string& key,
                                                             const std::string& path) = 0;
  /// Gives up uploads that others began and never finished: those below a prefix whose keys are
  /// `ours`.
  virtual void abort_uploads(const std::string& prefix,
                             const std::function<bool(std::string_view key)>& ours) = 0;
  /// Removes objects. One that is not there is fine.
  virtual void remove(const std::vector<std::string>& keys) = 0;
};

/// A path in a store.
struct ObjectPlace {
  std::shared_ptr<ObjectStore> store;  ///< shared by the parts of a source or sink, and its scans
  std::string prefix;                  ///< without a slash at either end; empty: all of the bucket
};

/// A kind of store, with what a pipeline has to say to get at it.
class ObjectStores {
 public:
  virtual ~ObjectStores() = default;
  /// Paths of it begin so: "s3://".
  [[nodiscard]] virtual std::string_view scheme() const noexcept = 0;
  /// The options of a connection; one is `path`.
  [[nodiscard]] virtual const OptionSet& options() const noexcept = 0;
  /// Reads the options of request.connection and reports every mistake. Touches no system. nullopt:
  /// there was a mistake. `what` is for messages: "sink lake".
  [[nodiscard]] virtual std::optional<ObjectPlace> open(const ConnectorRequest& request,
                                                        Diagnostics& diagnostics,
                                                        std::string_view what) const = 0;
};

/// The bytes of an object from a place on, read ahead by a thread: up to so many bytes; 0 at the
/// end. Used by one thread. Holds two pieces of some MiB.
[[nodiscard]] std::function<std::size_t(char* to, std::size_t bytes)> stream_of(
    std::shared_ptr<const ObjectStore> store, Object object, std::int64_t from = 0);

}  // namespace millrace
