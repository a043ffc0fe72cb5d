#include "sql/internal/state/words.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace millrace::sql {

namespace {

using duckdb::idx_t;
using duckdb::SerializationException;

constexpr std::uint8_t kWidest = sizeof(std::int64_t);
// What a column begins with: a width in bytes, or this and more for an earlier column.
constexpr std::uint8_t kSameAs = 16;
constexpr std::size_t kMostReferences = 255 - kSameAs + 1;

/// As many bytes as hold every difference up to `range`.
std::uint8_t width_of(std::uint64_t range) {
  return static_cast<std::uint8_t>((std::bit_width(range) + 7) / 8);
}

void read_packed(duckdb::MemoryStream& in, std::uint8_t width, idx_t count, std::int64_t* words) {
  if (width > kWidest || count > STANDARD_VECTOR_SIZE) {
    throw SerializationException("a column of the state has a width of no number");
  }
  const auto least = in.Read<std::uint64_t>();
  // Behind the last one there is room to read a whole word.
  std::array<char, (STANDARD_VECTOR_SIZE + 1) * kWidest> packed;
  in.ReadData(duckdb::data_ptr_cast(packed.data()), count * width);
  const std::uint64_t mask =
      width == kWidest ? ~std::uint64_t{0} : (std::uint64_t{1} << (8U * width)) - 1;
  for (idx_t i = 0; i < count; ++i) {
    std::uint64_t above = 0;
    std::memcpy(&above, packed.data() + (i * width), sizeof(above));
    words[i] = static_cast<std::int64_t>(least + (above & mask));
  }
}

}  // namespace

void write_words(const std::int64_t* words, idx_t count, duckdb::WriteStream& out) {
  std::int64_t least = count == 0 ? 0 : words[0];
  std::int64_t greatest = least;
  for (idx_t i = 0; i < count; ++i) {
    least = std::min(least, words[i]);
    greatest = std::max(greatest, words[i]);
  }
  const auto base = static_cast<std::uint64_t>(least);
  const auto width = width_of(static_cast<std::uint64_t>(greatest) - base);
  out.Write(width);
  out.Write(base);
  // Each is written as a whole word, and the next over what it did not need.
  std::array<char, (STANDARD_VECTOR_SIZE + 1) * kWidest> packed;
  for (idx_t i = 0; i < count; ++i) {
    const std::uint64_t above = static_cast<std::uint64_t>(words[i]) - base;
    std::memcpy(packed.data() + (i * width), &above, sizeof(above));
  }
  out.WriteData(duckdb::const_data_ptr_cast(packed.data()), count * width);
}

void read_words(duckdb::MemoryStream& in, idx_t count, std::int64_t* words) {
  read_packed(in, in.Read<std::uint8_t>(), count, words);
}

void WordsWriter::write(duckdb::WriteStream& out) {
  const auto* column = columns_.back().data();
  const std::size_t earlier = std::min(columns_.size() - 1, kMostReferences);
  for (std::size_t i = 0; i < earlier; ++i) {
    if (std::equal(column, column + count_, columns_[i].data())) {
      out.Write(static_cast<std::uint8_t>(kSameAs + i));
      return;
    }
  }
  write_words(column, count_, out);
}

const Words& WordsReader::read(duckdb::MemoryStream& in) {
  const auto code = in.Read<std::uint8_t>();
  Words& column = columns_.emplace_back();
  if (code < kSameAs) {
    read_packed(in, code, count_, column.data());
    return column;
  }
  const std::size_t earlier = code - kSameAs;
  if (earlier + 1 >= columns_.size()) {
    throw SerializationException("a column of the state is said to equal one that is not there");
  }
  column = columns_[earlier];
  return column;
}

}  // namespace millrace::sql
