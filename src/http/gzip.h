// Bodies of answers, compressed: RFC 1952.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace millrace::http {

/// The compressed forms of bodies. A body that somebody else holds, too, is one that will be sent
/// again: its form is kept as long as the body lives, within bounds. Thread-safe.
class CompressedBodies {
 public:
  using Body = std::shared_ptr<const std::string>;

  explicit CompressedBodies(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// nullptr: it does not get smaller. The caller holds `body` once.
  [[nodiscard]] Body of(const Body& body);
  [[nodiscard]] std::size_t kept() const;

 private:
  struct Form {
    std::weak_ptr<const std::string> of;
    Body compressed;  ///< nullptr: it does not get smaller
  };
  [[nodiscard]] bool find(const Body& body, Body& into);
  void keep(const Body& body, const Body& compressed);
  void make_room();

  std::size_t bytes_max_;
  mutable std::mutex mutex_;
  std::unordered_map<const std::string*, Form> forms_;
  std::size_t bytes_ = 0;  ///< of all forms
};

/// nullptr: it does not get smaller by a twentieth.
[[nodiscard]] std::shared_ptr<const std::string> compress_gzip(const std::string& plain);

}  // namespace millrace::http
