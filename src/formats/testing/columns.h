// Columns in plain memory whose rows can be looked at, for the tests and benchmarks of formats.
#pragma once

#include <cstddef>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/schema.h"
#include "core/type.h"
#include "formats/memory_columns.h"

namespace millrace::testing {

/// The columns of a schema, with room for so many rows.
class MemoryColumns final : public formats::MemoryColumns {
 public:
  explicit MemoryColumns(const Schema& schema, std::size_t rows = kChunkRows)
      : formats::MemoryColumns(schema, rows), schema_(schema) {}

  /// A row by its columns' names: numbers as numbers if nlohmann's can hold them, else (HUGEINT,
  /// DECIMAL) as their digits; DATE, TIME and TIMESTAMP as their bare numbers; BLOB as its bytes in
  /// hexadecimal.
  [[nodiscard]] nlohmann::json row(std::size_t row);

 private:
  Schema schema_;
};

/// Names and types.
using Columns = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] Schema schema_of(const Columns& columns);

}  // namespace millrace::testing
