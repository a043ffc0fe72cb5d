// Rows of a batch, encoded, from the writers until they are published.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace millrace::cassandra {

/// A row as it is staged.
struct StagedRow {
  bool is_delete = false;
  std::string_view partition_key;  ///< what its token is made of
  std::string_view clustering;     ///< the values of the clustering columns
  std::string_view values;         ///< of all columns of the statement, each with its length

  [[nodiscard]] bool same_key(const StagedRow& other) const noexcept {
    return partition_key == other.partition_key && clustering == other.clustering;
  }
};

/// Appends a row, in the form that Staging keeps.
void put_row(const StagedRow& row, std::string& to);

/// In memory up to a limit; then in temporary files that nobody else sees, and that are gone with
/// the process. Rows of a partition come to the same file, so that one is in memory at a time.
class Staging {
 public:
  explicit Staging(std::int64_t memory_bytes) : memory_bytes_(memory_bytes) {}

  /// Rows by put_row(). Called by several threads at once.
  void add(std::string_view rows);
  /// Gives all rows, part by part, each sorted by key, and one row a key: of several, that with
  /// the greatest bytes, whatever order they came in. After the last add(); as often as one likes.
  void for_each_part(const std::function<void(const std::vector<StagedRow>&)>& take) const;
  [[nodiscard]] std::int64_t bytes() const noexcept { return bytes_; }

 private:
  struct File {
    UniqueFd fd;
    std::int64_t size = 0;
    std::string unwritten;
  };

  void spill(std::string_view rows);
  static void write(File& file);

  std::int64_t memory_bytes_;
  std::mutex lock_;
  std::string memory_;
  std::vector<File> files_;
  std::int64_t bytes_ = 0;
};

}  // namespace millrace::cassandra
