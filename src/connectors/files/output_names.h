// The names of a sink's files, by which they are known again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "connectors/files/options.h"

namespace millrace {

/// Names within a folder. The same batch, written again, has the same names.
class OutputNames {
 public:
  OutputNames(std::string sink, const FilesSinkOptions& options);

  [[nodiscard]] const std::string& sink() const noexcept { return sink_; }
  /// `orders-0000000012-000.parquet`
  [[nodiscard]] std::string of_batch(std::int64_t batch, int part) const;
  /// What the names of all files of batches behind this one are greater than, and no other ones
  /// are.
  [[nodiscard]] std::string behind(std::int64_t batch) const;
  /// `orders-000.parquet`: of a folder that is replaced as a whole.
  [[nodiscard]] std::string of_part(int part) const;
  /// `orders.parquet`: of a file that is replaced as a whole.
  [[nodiscard]] std::string of_whole() const;

  /// The batch of a file of this sink, by its path; -1 for one that has none in its name; nullopt:
  /// it is not ours.
  [[nodiscard]] std::optional<std::int64_t> batch_of(std::string_view path) const;

 private:
  std::string sink_;
  std::string extension_;
};

[[nodiscard]] bool is_number(std::string_view text) noexcept;

}  // namespace millrace
