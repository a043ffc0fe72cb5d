// A bucket as an ObjectStore.
#pragma once

#include <memory>

#include "connectors/s3/client.h"
#include "core/object_store.h"

namespace millrace::s3 {

class S3Store final : public ObjectStore {
 public:
  /// `at_once`: the bound of requests at once.
  S3Store(std::unique_ptr<S3Client> client, std::size_t at_once)
      : client_(std::move(client)), at_once_(at_once) {}

  [[nodiscard]] std::string url(std::string_view key) const override { return client_->url(key); }
  [[nodiscard]] std::size_t requests_at_once() const noexcept override { return at_once_; }
  int list(const Wanted& wanted,
           const std::function<bool(std::vector<Object>&&)>& each) const override;
  [[nodiscard]] std::optional<Object> find(const std::string& key) const override;
  void read(const Object& object, std::int64_t offset, std::span<char> to) const override;
  void put(const std::string& key, std::string_view bytes) override;
  [[nodiscard]] std::unique_ptr<ObjectUpload> upload(const std::string& key,
                                                     const std::string& path) override;
  void abort_uploads(const std::string& prefix,
                     const std::function<bool(std::string_view key)>& ours) override;
  void remove(const std::vector<std::string>& keys) override;

 private:
  std::unique_ptr<S3Client> client_;
  std::size_t at_once_;
};

}  // namespace millrace::s3
