#include "core/chunk_bytes.h"

namespace millrace {
namespace {

std::int64_t width_of(Physical physical) {
  switch (physical) {
    case Physical::boolean:
    case Physical::i8:
    case Physical::u8:
      return 1;
    case Physical::i16:
    case Physical::u16:
      return 2;
    case Physical::i32:
    case Physical::u32:
    case Physical::f32:
      return 4;
    case Physical::i64:
    case Physical::u64:
    case Physical::f64:
      return 8;
    case Physical::i128:
    case Physical::string:
    case Physical::other:
      return 16;
  }
  return 16;
}

std::int64_t bytes_of(const ColumnView& column, std::size_t rows) {
  if (column.physical == Physical::string) {
    std::int64_t bytes = 0;
    for (std::size_t row = 0; row < rows; row++) {
      bytes += column.is_null(row) ? 1 : 4 + std::int64_t{column.values<StringRef>()[row].length};
    }
    return bytes;
  }
  return width_of(column.physical) * static_cast<std::int64_t>(rows);
}

}  // namespace

std::int64_t bytes_of(const Chunk& chunk, const std::vector<bool>& kept) {
  std::int64_t bytes = 0;
  for (std::size_t c = 0; c < chunk.columns.size(); c++) {
    if (kept.empty() || kept[c]) {
      bytes += bytes_of(chunk.columns[c], chunk.rows);
    }
  }
  return bytes;
}

}  // namespace millrace
