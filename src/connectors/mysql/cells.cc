#include "connectors/mysql/cells.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <iterator>
#include <utility>

#include "formats/numbers_text.h"

namespace millrace::mysql {

static_assert(std::endian::native == std::endian::little);

namespace {

template <class T>
T read(const unsigned char* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

constexpr std::int64_t kSecond = 1'000'000;

std::int64_t clock_of(const unsigned char* at) noexcept {
  return (std::int64_t{at[0]} * 3600 + std::int64_t{at[1]} * 60 + at[2]) * kSecond;
}

/// A length before a text: one byte, or a mark and 2, 3 or 8 bytes.
std::optional<CellSize> text_size(const unsigned char* at, const unsigned char* end) noexcept {
  const auto left = static_cast<std::size_t>(end - at);
  const unsigned char first = *at;
  if (first < 251) {
    return CellSize{1, first};
  }
  const std::size_t bytes = first == 252 ? 2 : first == 253 ? 3 : first == 254 ? 8 : 0;
  if (bytes == 0 || left < 1 + bytes) {
    return std::nullopt;
  }
  std::uint64_t size = 0;
  std::memcpy(&size, at + 1, bytes);
  if (size > left - 1 - bytes) {
    return std::nullopt;
  }
  return CellSize{1 + bytes, size};
}

void write_clock(std::int64_t micros, unsigned decimals, std::string& to) {
  const auto seconds = micros / kSecond;
  fmt::format_to(std::back_inserter(to), "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60,
                 seconds % 60);
  if (decimals > 0 && decimals <= 6) {
    const auto fraction = fmt::format("{:06}", micros % kSecond);
    to += '.';
    to.append(fraction, 0, decimals);
  }
}

void write_moment(const MYSQL_FIELD& field, const Cell& cell, std::string& to) {
  const auto moment = moment_of(cell);
  fmt::format_to(std::back_inserter(to), "{:04}-{:02}-{:02}", moment.year, moment.month,
                 moment.day);
  if (field.type != MYSQL_TYPE_DATE) {
    to += ' ';
    write_clock(moment.micros, field.decimals, to);
  }
}

}  // namespace

template <class T>
T value_of(const Cell& cell) noexcept {
  return read<T>(cell.data);
}
template float value_of<float>(const Cell&) noexcept;
template double value_of<double>(const Cell&) noexcept;

std::optional<CellSize> size_of(enum_field_types type, const unsigned char* at,
                                const unsigned char* end) noexcept {
  if (at >= end) {
    return std::nullopt;
  }
  switch (type) {
    case MYSQL_TYPE_TINY:
      return CellSize{0, 1};
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
      return CellSize{0, 2};
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_FLOAT:
      return CellSize{0, 4};
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_DOUBLE:
      return CellSize{0, 8};
    case MYSQL_TYPE_NULL:
      return CellSize{0, 0};
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
      return *at == 0 || *at == 4 || *at == 7 || *at == 11 ? std::optional(CellSize{1, *at})
                                                           : std::nullopt;
    case MYSQL_TYPE_TIME:
      return *at == 0 || *at == 8 || *at == 12 ? std::optional(CellSize{1, *at}) : std::nullopt;
    default:
      return text_size(at, end);
  }
}

ServerMoment moment_of(const Cell& cell) noexcept {
  ServerMoment moment;
  if (cell.size >= 4) {
    moment.year = read<std::uint16_t>(cell.data);
    moment.month = cell.data[2];
    moment.day = cell.data[3];
  }
  if (cell.size >= 7) {
    moment.micros = clock_of(cell.data + 4);
  }
  if (cell.size >= 11) {
    moment.micros += read<std::uint32_t>(cell.data + 7);
  }
  return moment;
}

std::int64_t time_of(const Cell& cell) noexcept {
  if (cell.size < 8) {
    return 0;
  }
  std::int64_t micros = std::int64_t{read<std::uint32_t>(cell.data + 1)} * 24 * 3600 * kSecond +
                        clock_of(cell.data + 5);
  if (cell.size >= 12) {
    micros += read<std::uint32_t>(cell.data + 8);
  }
  return cell.data[0] != 0 ? -micros : micros;
}

std::int64_t signed_of(enum_field_types type, const Cell& cell) noexcept {
  switch (type) {
    case MYSQL_TYPE_TINY:
      return read<std::int8_t>(cell.data);
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
      return read<std::int16_t>(cell.data);
    case MYSQL_TYPE_LONGLONG:
      return read<std::int64_t>(cell.data);
    default:
      return read<std::int32_t>(cell.data);
  }
}

std::uint64_t unsigned_of(enum_field_types type, const Cell& cell) noexcept {
  switch (type) {
    case MYSQL_TYPE_TINY:
      return read<std::uint8_t>(cell.data);
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
      return read<std::uint16_t>(cell.data);
    case MYSQL_TYPE_LONGLONG:
      return read<std::uint64_t>(cell.data);
    default:
      return read<std::uint32_t>(cell.data);
  }
}

std::int64_t number_of(const MYSQL_FIELD& field, const Cell& cell) {
  if (!is_unsigned(field)) {
    return signed_of(field.type, cell);
  }
  const auto number = unsigned_of(field.type, cell);
  if (!std::in_range<std::int64_t>(number)) {
    throw Error(Blame::user, fmt::format("{} is too large for an incremental column", number));
  }
  return static_cast<std::int64_t>(number);
}

std::uint64_t bits_of(const Cell& cell) noexcept {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < cell.size && i < sizeof(bits); ++i) {
    bits = bits << 8U | cell.data[i];
  }
  return bits;
}

void write_text(const MYSQL_FIELD& field, const Cell& cell, std::string& to) {
  switch (field.type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
      if (is_unsigned(field)) {
        formats::write_number(unsigned_of(field.type, cell), to);
      } else {
        formats::write_number(signed_of(field.type, cell), to);
      }
      return;
    case MYSQL_TYPE_YEAR:
      fmt::format_to(std::back_inserter(to), "{:04}", unsigned_of(field.type, cell));
      return;
    case MYSQL_TYPE_FLOAT:
      formats::write_number(value_of<float>(cell), to);
      return;
    case MYSQL_TYPE_DOUBLE:
      formats::write_number(value_of<double>(cell), to);
      return;
    case MYSQL_TYPE_BIT:
      formats::write_number(bits_of(cell), to);
      return;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
      write_moment(field, cell, to);
      return;
    case MYSQL_TYPE_TIME: {
      const auto micros = time_of(cell);
      to += micros < 0 ? "-" : "";
      write_clock(micros < 0 ? -micros : micros, field.decimals, to);
      return;
    }
    default:
      to += cell.text();
  }
}

}  // namespace millrace::mysql
