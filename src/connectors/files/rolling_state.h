// What a sink with rolling files has on its own disk: rows that were committed and wait.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// Which file of a batch's rows, within its partition.
struct PieceId {
  std::int64_t batch = -1;
  int part = 0;
  auto operator<=>(const PieceId&) const = default;
};

/// A batch's rows of one partition.
struct Piece {
  PieceId id;
  std::string path;
  std::int64_t bytes = 0;
  std::int64_t since_us = 0;  ///< when it was written
};

/// A partition: its open file, if there is one, and what waits to go into it.
struct RollingPartition {
  std::string name;  ///< the open file's, as it is published; empty: there is none
  std::string base;  ///< the path of its rows up to `through`; empty: there is none
  std::int64_t base_bytes = 0;
  std::int64_t opened_us = 0;
  bool is_published = true;  ///< the base is, under `name`
  PieceId through;           ///< pieces up to this one are in the base, or in finished files
  std::deque<Piece> pieces;  ///< those behind it, in order

  [[nodiscard]] bool is_empty() const noexcept { return base.empty() && pieces.empty(); }
  [[nodiscard]] std::int64_t bytes() const noexcept;
};

/// A folder of the checkpoint:
///
///     batch-N/PARTITION/PART   the pieces of a batch; .batch-N while it is written
///     open/NUMBER              the bases
///     rolling.json             which bases there are, and up to where they go
///
/// rolling.json changes in one step and counts: what it does not name, or has as taken, is garbage.
/// By one thread at a time.
class RollingState {
 public:
  explicit RollingState(std::string folder) : folder_(std::move(folder)) {}

  /// Whether rows wait in a folder.
  [[nodiscard]] static bool has_rows(const std::string& folder);

  /// Reads all of it; removes what batches after the last committed one left behind, and garbage.
  void load(std::optional<std::int64_t> last_committed);
  /// What files are like. When the pieces of another one are there, they can't be merged with ours.
  [[nodiscard]] const std::string& kind() const noexcept { return kind_; }
  void set_kind(std::string kind) { kind_ = std::move(kind); }

  [[nodiscard]] std::map<std::string, RollingPartition>& partitions() noexcept {
    return partitions_;
  }
  [[nodiscard]] const std::map<std::string, RollingPartition>& partitions() const noexcept {
    return partitions_;
  }
  void add(const std::string& partition, Piece piece);
  /// Where a batch is written; and makes it whole, durably, at its place.
  [[nodiscard]] std::string staging_folder(std::int64_t batch) const;
  [[nodiscard]] std::string batch_folder(std::int64_t batch) const;
  void keep_batch(std::int64_t batch) const;
  void drop_batch(std::int64_t batch) const;
  /// Where another base can be written.
  [[nodiscard]] std::string new_base();
  /// Makes the partitions durable as they are, and removes what is no longer needed.
  void save();

 private:
  [[nodiscard]] std::string path(std::string_view name) const;
  void load_partitions();
  void load_pieces(std::int64_t batch);
  void remove_garbage();

  std::string folder_;
  std::string kind_;
  std::map<std::string, RollingPartition> partitions_;
  std::map<std::int64_t, std::vector<std::pair<std::string, PieceId>>> batches_;  // on the disk
  std::int64_t next_base_ = 0;
};

}  // namespace millrace
