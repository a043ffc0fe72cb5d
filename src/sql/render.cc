#include "sql/render.h"

#include "sql/internal/duckdb.h"

namespace millrace::sql {

std::vector<std::vector<std::optional<std::string>>> render(const Chunk& chunk) {
  const auto& rows = *static_cast<const duckdb::DataChunk*>(chunk.native);
  std::vector<std::vector<std::optional<std::string>>> out(chunk.rows);
  for (std::size_t r = 0; r < chunk.rows; r++) {
    for (duckdb::idx_t c = 0; c < rows.ColumnCount(); c++) {
      const auto value = rows.GetValue(c, r);
      out[r].push_back(value.IsNull() ? std::nullopt : std::optional(value.ToString()));
    }
  }
  return out;
}

}  // namespace millrace::sql
