#include "connectors/mysql/binlog_values.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "base/strings.h"
#include "connectors/mysql/binlog_json.h"

namespace millrace::mysql {

namespace {

using Bytes = std::span<const unsigned char>;

constexpr std::array<std::size_t, 10> kDigitBytes{0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
constexpr unsigned kDigitsPerWord = 9;
constexpr unsigned kBinary = 63;  ///< the collation of bytes
constexpr unsigned kUtf8 = 45;    ///< one of utf8mb4

bool bit_of(Bytes bits, std::size_t at) { return (bits[at / 8] >> (at % 8) & 1U) != 0; }

std::size_t count_of_bits(Bytes bits, std::size_t columns) {
  std::size_t count = 0;
  for (std::size_t c = 0; c < columns; ++c) {
    count += bit_of(bits, c) ? 1 : 0;
  }
  return count;
}

/// Bytes of a second's fraction, of 0 to 6 digits.
std::size_t fraction_bytes(unsigned digits) { return (std::min(digits, 6U) + 1) / 2; }

std::size_t decimal_bytes(unsigned digits) {
  return digits / kDigitsPerWord * 4 + kDigitBytes[digits % kDigitsPerWord];
}

/// The highest byte first, as times and decimals are kept.
std::uint64_t big_endian(Bytes bytes) {
  std::uint64_t number = 0;
  for (const auto byte : bytes) {
    number = number << 8U | byte;
  }
  return number;
}

/// The bytes of a value, with those that say how many.
std::size_t size_of_length(const BinlogColumn& column) {
  switch (column.type) {
    case MYSQL_TYPE_VARCHAR:
    case MYSQL_TYPE_VAR_STRING:
    case MYSQL_TYPE_STRING:
      return column.meta > 255 ? 2 : 1;
    case MYSQL_TYPE_BLOB:
    case MYSQL_TYPE_GEOMETRY:
    case MYSQL_TYPE_JSON:
      return column.meta;
    default:
      return 0;
  }
}

std::size_t fixed_size(const BinlogColumn& column) {
  switch (column.type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_YEAR:
      return 1;
    case MYSQL_TYPE_SHORT:
      return 2;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
    case MYSQL_TYPE_TIME:
      return 3;
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_TIMESTAMP:
      return 4;
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_DOUBLE:
    case MYSQL_TYPE_DATETIME:
      return 8;
    case MYSQL_TYPE_TIMESTAMP2:
      return 4 + fraction_bytes(column.meta);
    case MYSQL_TYPE_DATETIME2:
      return 5 + fraction_bytes(column.meta);
    case MYSQL_TYPE_TIME2:
      return 3 + fraction_bytes(column.meta);
    case MYSQL_TYPE_BIT:  // whole bytes, and the bits of another one
      return (column.meta >> 8U) + ((column.meta & 0xFFU) != 0 ? 1 : 0);
    case MYSQL_TYPE_ENUM:
    case MYSQL_TYPE_SET:
      return column.meta;
    case MYSQL_TYPE_NEWDECIMAL: {
      const unsigned scale = column.meta & 0xFFU;
      return decimal_bytes((column.meta >> 8U) - scale) + decimal_bytes(scale);
    }
    default:
      throw Error(Blame::external,
                  fmt::format("column {} has type {} in the binlog, which is unknown", column.name,
                              fmt::underlying(column.type)));
  }
}

Bytes take_value(const BinlogColumn& column, ByteReader& bytes) {
  const auto before = size_of_length(column);
  return bytes.take(before > 0 ? bytes.number(before) : fixed_size(column));
}

// ---- Values as the binary protocol has them ----------------------------------------------------

template <class T>
void append(T value, std::string& to) {
  std::array<char, sizeof(T)> bytes{};
  std::memcpy(bytes.data(), &value, sizeof(T));
  to.append(bytes.data(), bytes.size());
}

void write_moment(unsigned year, unsigned month, unsigned day, std::int64_t micros,
                  std::string& to) {
  append(static_cast<std::uint16_t>(year), to);
  append(static_cast<std::uint8_t>(month), to);
  append(static_cast<std::uint8_t>(day), to);
  const auto seconds = micros / 1'000'000;
  append(static_cast<std::uint8_t>(seconds / 3600), to);
  append(static_cast<std::uint8_t>(seconds / 60 % 60), to);
  append(static_cast<std::uint8_t>(seconds % 60), to);
  append(static_cast<std::uint32_t>(micros % 1'000'000), to);
}

void write_time(bool negative, std::uint64_t seconds, std::uint64_t micros, std::string& to) {
  append(static_cast<std::uint8_t>(negative ? 1 : 0), to);
  append(static_cast<std::uint32_t>(seconds / 86'400), to);
  append(static_cast<std::uint8_t>(seconds / 3600 % 24), to);
  append(static_cast<std::uint8_t>(seconds / 60 % 60), to);
  append(static_cast<std::uint8_t>(seconds % 60), to);
  append(static_cast<std::uint32_t>(micros), to);
}

/// A fraction of `digits` digits, kept in as many bytes as pairs of digits, in microseconds.
std::int64_t fraction_micros(Bytes bytes) {
  static constexpr std::array<std::int64_t, 4> kScale{0, 10'000, 100, 1};
  return static_cast<std::int64_t>(big_endian(bytes)) * kScale[bytes.size()];
}

void write_timestamp(std::int64_t seconds, std::int64_t micros, std::string& to) {
  if (seconds == 0 && micros == 0) {  // '0000-00-00 00:00:00'
    return write_moment(0, 0, 0, 0, to);
  }
  const auto days = std::chrono::days(seconds / 86'400);
  const std::chrono::year_month_day date{std::chrono::sys_days(days)};
  write_moment(static_cast<unsigned>(static_cast<int>(date.year())),
               static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
               seconds % 86'400 * 1'000'000 + micros, to);
}

/// Five bytes: year * 13 + month, day, hour, minute, second in 17, 5, 5, 6 and 6 bits.
void write_datetime2(Bytes value, std::string& to) {
  const auto packed = big_endian(value.first(5)) - 0x80'0000'0000ULL;
  const auto months = packed >> 22U;
  const auto seconds = (packed >> 12U & 31U) * 3600 + (packed >> 6U & 63U) * 60 + (packed & 63U);
  write_moment(static_cast<unsigned>(months / 13), static_cast<unsigned>(months % 13),
               static_cast<unsigned>(packed >> 17U & 31U),
               static_cast<std::int64_t>(seconds) * 1'000'000 + fraction_micros(value.subspan(5)),
               to);
}

/// A sign, hour, minute and second in three bytes, and a fraction; a negative one is the whole's
/// complement.
void write_time2(Bytes value, std::string& to) {
  const auto bits = 8 * value.size();
  const auto middle = std::uint64_t{1} << (bits - 1);
  const auto packed = big_endian(value);
  const bool negative = packed < middle;
  const auto size = negative ? middle - packed : packed - middle;
  const auto fraction_bits = bits - 24;
  const auto hms = size >> fraction_bits;
  static constexpr std::array<std::uint64_t, 4> kScale{0, 10'000, 100, 1};
  const auto fraction =
      (size & ((std::uint64_t{1} << fraction_bits) - 1)) * kScale[value.size() - 3];
  write_time(negative, (hms >> 12U & 1023U) * 3600 + (hms >> 6U & 63U) * 60 + (hms & 63U), fraction,
             to);
}

/// Numbers "hhmmss" and "YYYYMMDDhhmmss", of servers that keep the format of before MySQL 5.6.
void write_old_time(std::int64_t number, std::string& to) {
  const bool negative = number < 0;
  const auto size = static_cast<std::uint64_t>(negative ? -number : number);
  write_time(negative, size / 10'000 * 3600 + size / 100 % 100 * 60 + size % 100, 0, to);
}

void write_old_datetime(std::uint64_t number, std::string& to) {
  const auto date = number / 1'000'000;
  const auto time = number % 1'000'000;
  const auto seconds = time / 10'000 * 3600 + time / 100 % 100 * 60 + time % 100;
  write_moment(static_cast<unsigned>(date / 10'000), static_cast<unsigned>(date / 100 % 100),
               static_cast<unsigned>(date % 100), static_cast<std::int64_t>(seconds) * 1'000'000,
               to);
}

/// MariaDB keeps UUIDs of versions 1 to 5 with their parts in the opposite order, so that they are
/// sorted by time.
void write_uuid(Bytes value, std::string& to) {
  std::array<unsigned char, 16> uuid{};
  std::ranges::copy(value.first(uuid.size()), uuid.begin());
  // As kept: 6 bytes of the node, 2 of the clock, then the time from its highest part on.
  const bool is_turned = (uuid[6] & 0x80U) != 0 && uuid[8] > 0 && uuid[8] < 0x60;
  if (is_turned) {
    static constexpr std::array<std::size_t, 16> kPlaces{12, 13, 14, 15, 10, 11, 8, 9,
                                                         6,  7,  0,  1,  2,  3,  4, 5};
    std::ranges::transform(kPlaces, uuid.begin(), [&](std::size_t at) { return value[at]; });
  }
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    to += i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
    to += fmt::format("{:02x}", uuid[i]);
  }
}

void write_words(const BinlogColumn& column, Bytes value, std::string& to) {
  ByteReader bytes(value);
  const auto number = bytes.number(value.size());
  if (column.type == MYSQL_TYPE_ENUM) {
    to += number > 0 && number <= column.words.size() ? column.words[number - 1] : "";
    return;
  }
  for (std::size_t i = 0; i < column.words.size() && i < 64; ++i) {
    if ((number >> i & 1U) != 0) {
      to += to.empty() ? "" : ",";
      to += column.words[i];
    }
  }
}

/// A value of MariaDB's own types as text.
void write_form(BinlogForm form, Bytes value, std::string& to) {
  std::array<char, INET6_ADDRSTRLEN> room{};
  switch (form) {
    case BinlogForm::uuid:
      write_uuid(value, to);
      return;
    case BinlogForm::inet4:
      to += ::inet_ntop(AF_INET, value.data(), room.data(), room.size());
      return;
    default:
      to += ::inet_ntop(AF_INET6, value.data(), room.data(), room.size());
  }
}

/// The value as the binary protocol has it; in place where that is the same.
Cell cell_of(const BinlogColumn& column, Bytes value, Charsets& charsets, std::string& room) {
  room.clear();
  ByteReader bytes(value);
  if (column.form != BinlogForm::plain) {
    std::array<unsigned char, 16> whole{};  // zeros at the end are left out
    std::ranges::copy(value.first(std::min(value.size(), whole.size())), whole.begin());
    write_form(column.form, whole, room);
    return {reinterpret_cast<const unsigned char*>(room.data()), room.size()};
  }
  switch (column.type) {
    case MYSQL_TYPE_INT24: {
      const auto number = static_cast<std::uint32_t>(bytes.number(3));
      const bool negative = !column.is_unsigned && (number & 0x80'0000U) != 0;
      append(negative ? number | 0xFF00'0000U : number, room);
      break;
    }
    case MYSQL_TYPE_YEAR: {
      const auto number = bytes.number(1);
      append(static_cast<std::uint16_t>(number == 0 ? 0 : 1900 + number), room);
      break;
    }
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE: {
      const auto number = static_cast<unsigned>(bytes.number(3));
      write_moment(number >> 9U, number >> 5U & 15U, number & 31U, 0, room);
      break;
    }
    case MYSQL_TYPE_TIME: {
      const auto number = static_cast<std::int32_t>(bytes.number(3) << 8U) >> 8;
      write_old_time(number, room);
      break;
    }
    case MYSQL_TYPE_TIMESTAMP:
      write_timestamp(static_cast<std::int64_t>(bytes.number(4)), 0, room);
      break;
    case MYSQL_TYPE_DATETIME:
      write_old_datetime(bytes.number(8), room);
      break;
    case MYSQL_TYPE_TIMESTAMP2:
      write_timestamp(static_cast<std::int64_t>(big_endian(value.first(4))),
                      fraction_micros(value.subspan(4)), room);
      break;
    case MYSQL_TYPE_DATETIME2:
      write_datetime2(value, room);
      break;
    case MYSQL_TYPE_TIME2:
      write_time2(value, room);
      break;
    case MYSQL_TYPE_NEWDECIMAL:
      if (!write_decimal(column.meta >> 8U, column.meta & 0xFFU, value, room)) {
        throw Error(Blame::external, "the binlog has a number that is damaged", Retry::yes);
      }
      break;
    case MYSQL_TYPE_JSON:
      write_json(value, room);
      break;
    case MYSQL_TYPE_ENUM:
    case MYSQL_TYPE_SET:
      write_words(column, value, room);
      break;
    default: {
      const std::string_view text(reinterpret_cast<const char*>(value.data()), value.size());
      const bool is_text = size_of_length(column) > 0;
      if (is_text && !charsets.is_utf8(column.charset)) {
        if (!charsets.convert(column.charset, text, room)) {
          room = text;  // whoever decodes it says that it is no UTF-8
        }
        break;
      }
      // The zeros at the end of a BINARY are left out.
      if (column.type == MYSQL_TYPE_STRING && column.charset == kBinary &&
          value.size() < column.meta) {
        room.assign(text);
        room.resize(column.meta);
        break;
      }
      return {value.data(), value.size()};
    }
  }
  return {reinterpret_cast<const unsigned char*>(room.data()), room.size()};
}

}  // namespace

MYSQL_FIELD field_of(const BinlogColumn& column) {
  MYSQL_FIELD field{};
  field.type = column.type;
  field.flags = column.is_unsigned ? UNSIGNED_FLAG : 0;
  field.charsetnr = column.charset;
  if (column.form != BinlogForm::plain) {
    field.type = MYSQL_TYPE_STRING;
    field.charsetnr = kUtf8;
    return field;
  }
  switch (column.type) {
    case MYSQL_TYPE_NEWDATE:
      field.type = MYSQL_TYPE_DATE;
      break;
    case MYSQL_TYPE_TIMESTAMP2:
    case MYSQL_TYPE_DATETIME2:
    case MYSQL_TYPE_TIME2:
      field.type = column.type == MYSQL_TYPE_TIMESTAMP2  ? MYSQL_TYPE_TIMESTAMP
                   : column.type == MYSQL_TYPE_DATETIME2 ? MYSQL_TYPE_DATETIME
                                                         : MYSQL_TYPE_TIME;
      field.decimals = column.meta;
      break;
    case MYSQL_TYPE_NEWDECIMAL:
      field.decimals = column.meta & 0xFFU;
      field.length =
          (column.meta >> 8U) + (field.decimals > 0 ? 1 : 0) + (column.is_unsigned ? 0 : 1);
      break;
    case MYSQL_TYPE_JSON:
      field.charsetnr = kUtf8;
      break;
    case MYSQL_TYPE_BIT:
      field.length = (column.meta >> 8U) * 8 + (column.meta & 0xFFU);
      break;
    case MYSQL_TYPE_ENUM:
    case MYSQL_TYPE_SET:
      field.type = MYSQL_TYPE_STRING;
      field.flags |= column.type == MYSQL_TYPE_ENUM ? ENUM_FLAG : SET_FLAG;
      break;
    default:
      break;
  }
  return field;
}

/// Nine digits in four bytes, and fewer in fewer; of a negative number all bits are flipped, and
/// the highest one always.
bool write_decimal(unsigned precision, unsigned scale, std::span<const unsigned char> value,
                   std::string& to) {
  if (scale > precision || value.empty() ||
      value.size() != decimal_bytes(precision - scale) + decimal_bytes(scale)) {
    return false;
  }
  const unsigned whole = precision - scale;
  std::vector<unsigned char> bytes(value.begin(), value.end());
  const bool negative = (bytes.front() & 0x80U) == 0;
  bytes.front() ^= 0x80U;
  if (negative) {
    std::ranges::transform(bytes, bytes.begin(), [](unsigned char b) { return ~b & 0xFFU; });
  }
  std::string digits;
  std::size_t at = 0;
  const auto word = [&](unsigned count) {
    const auto size = kDigitBytes[count];
    if (count > 0) {
      digits += fmt::format("{:0{}}", big_endian(Bytes(bytes).subspan(at, size)), count);
    }
    at += size;
  };
  const auto words = [&](unsigned count) {
    for (; count >= kDigitsPerWord; count -= kDigitsPerWord) {
      word(kDigitsPerWord);
    }
    return count;
  };
  word(whole % kDigitsPerWord);
  (void)words(whole - whole % kDigitsPerWord);
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  to += negative ? "-" : "";
  to += digits.empty() ? "0" : digits;
  digits.clear();
  word(words(scale));
  if (scale > 0) {
    to += '.';
    to += digits;
  }
  return true;
}

std::span<const Cell> ImageReader::read(ByteReader& bytes, std::span<const unsigned char> present) {
  const auto count = table_.columns.size();
  cells_.assign(count, {});
  const auto nulls = bytes.take((count_of_bits(present, count) + 7) / 8);
  std::size_t place = 0;
  for (std::size_t c = 0; c < count; ++c) {
    if (bit_of(present, c) && !bit_of(nulls, place++)) {
      const auto& column = table_.columns[c];
      cells_[c] = cell_of(column, take_value(column, bytes), charsets_, room_[c]);
    }
  }
  return cells_;
}

void ImageReader::skip(ByteReader& bytes, std::span<const unsigned char> present) const {
  const auto count = table_.columns.size();
  const auto nulls = bytes.take((count_of_bits(present, count) + 7) / 8);
  std::size_t place = 0;
  for (std::size_t c = 0; c < count; ++c) {
    if (bit_of(present, c) && !bit_of(nulls, place++)) {
      (void)take_value(table_.columns[c], bytes);
    }
  }
}

}  // namespace millrace::mysql
