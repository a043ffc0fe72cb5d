#include "connectors/mysql/binlog_json.h"

#include <fmt/format.h>
#include <mariadb/mysql.h>

#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/strings.h"
#include "connectors/mysql/binlog_table.h"
#include "connectors/mysql/binlog_values.h"

namespace millrace::mysql {

namespace {

using Bytes = std::span<const unsigned char>;

enum class JsonType : std::uint8_t {
  small_object = 0,
  large_object = 1,
  small_array = 2,
  large_array = 3,
  literal = 4,
  int16 = 5,
  uint16 = 6,
  int32 = 7,
  uint32 = 8,
  int64 = 9,
  uint64 = 10,
  real = 11,
  text = 12,
  opaque = 15,
};

/// The server's own limit.
constexpr int kMaxDepth = 100;
/// No value's text is longer than so many times its bytes; what is, has parts that are used more
/// than once, and could be made to fill all memory.
constexpr std::size_t kMaxGrowth = 8;
constexpr std::size_t kSmallText = 1024;

[[noreturn]] void throw_damaged_json() {
  throw Error(Blame::external, "the binlog has a JSON document that is damaged", Retry::yes);
}

/// A length in up to 5 bytes of 7 bits each, the lowest first.
std::size_t variable_length(ByteReader& bytes) {
  std::uint64_t length = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    const auto byte = bytes.number(1);
    length |= (byte & 0x7FU) << shift;
    if ((byte & 0x80U) == 0) {
      return length;
    }
  }
  throw_damaged_json();
}

/// As the server writes doubles: the fewest digits that tell the number, with an exponent only
/// where it has more than 15 digits before the point, or as many zeros behind it.
void write_double(double number, std::string& to) {
  std::array<char, 32> room{};
  const auto end =
      std::to_chars(room.data(), room.data() + room.size(), number, std::chars_format::scientific)
          .ptr;
  std::string_view text(room.data(), end);
  const auto mark = text.find('e');
  if (mark == std::string_view::npos) {
    throw_damaged_json();  // JSON has neither infinity nor NaN
  }
  int exponent = 0;
  const auto* digits = text.data() + mark + (text[mark + 1] == '+' ? 2 : 1);
  std::from_chars(digits, end, exponent);
  if (text.front() == '-') {
    to += '-';
    text.remove_prefix(1);
  }
  std::string all(1, text.front());
  if (text[1] == '.') {
    all += text.substr(2, text.find('e') - 2);
  }
  const int before = exponent + 1;  // digits before the point
  const int count = static_cast<int>(all.size());
  if (before < -14 || before > 15) {
    to += all.front();
    if (count > 1) {
      to += '.';
      to += all.substr(1);
    }
    to += fmt::format("e{}", exponent);
  } else if (before <= 0) {
    to += "0.";
    to.append(static_cast<std::size_t>(-before), '0');
    to += all;
  } else if (before >= count) {
    to += all;
    to.append(static_cast<std::size_t>(before - count), '0');
    to += ".0";
  } else {
    to += all.substr(0, static_cast<std::size_t>(before));
    to += '.';
    to += all.substr(static_cast<std::size_t>(before));
  }
}

void write_quoted(std::string_view text, std::string& to) {
  to += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
      case '\\':
        to += '\\';
        to += c;
        break;
      case '\b':
        to += R"(\b)";
        break;
      case '\f':
        to += R"(\f)";
        break;
      case '\n':
        to += R"(\n)";
        break;
      case '\r':
        to += R"(\r)";
        break;
      case '\t':
        to += R"(\t)";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          to += fmt::format(R"(\u{:04x})", c);
        } else {
          to += c;
        }
    }
  }
  to += '"';
}

/// Dates and times are numbers: 24 bits of microseconds below what is left of the second.
void write_moment(unsigned type, Bytes value, std::string& to) {
  ByteReader bytes(value);
  const auto packed = static_cast<std::int64_t>(bytes.number(8));
  const auto whole = static_cast<std::uint64_t>(packed < 0 ? -static_cast<std::uint64_t>(packed)
                                                           : static_cast<std::uint64_t>(packed));
  const auto micros = whole & 0xFF'FFFFU;
  const auto seconds = whole >> 24U;
  const auto minute = seconds >> 6U & 63U;
  const auto second = seconds & 63U;
  if (type == MYSQL_TYPE_TIME) {
    to += fmt::format("\"{}{:02}:{:02}:{:02}.{:06}\"", packed < 0 ? "-" : "",
                      seconds >> 12U & 1023U, minute, second, micros);
    return;
  }
  const auto date = seconds >> 17U;
  const auto month = date >> 5U;
  to += fmt::format("\"{:04}-{:02}-{:02}", month / 13, month % 13, date & 31U);
  if (type != MYSQL_TYPE_DATE) {
    to += fmt::format(" {:02}:{:02}:{:02}.{:06}", seconds >> 12U & 31U, minute, second, micros);
  }
  to += '"';
}

class JsonWriter {
 public:
  JsonWriter(std::size_t bytes, std::string& to)
      : to_(to), most_(to.size() + bytes * kMaxGrowth + kSmallText) {}

  /// `data`: from the value's begin to the end of what it is in.
  void write(JsonType type, Bytes data, int depth) {
    if (depth > kMaxDepth || to_.size() > most_) {
      throw_damaged_json();
    }
    ByteReader bytes(data);
    switch (type) {
      case JsonType::small_object:
      case JsonType::large_object:
      case JsonType::small_array:
      case JsonType::large_array:
        write_container(type, data, depth);
        break;
      case JsonType::literal:
        write_literal(bytes.number(1));
        break;
      case JsonType::int16:
        to_ += std::to_string(static_cast<std::int16_t>(bytes.number(2)));
        break;
      case JsonType::uint16:
        to_ += std::to_string(bytes.number(2));
        break;
      case JsonType::int32:
        to_ += std::to_string(static_cast<std::int32_t>(bytes.number(4)));
        break;
      case JsonType::uint32:
        to_ += std::to_string(bytes.number(4));
        break;
      case JsonType::int64:
        to_ += std::to_string(static_cast<std::int64_t>(bytes.number(8)));
        break;
      case JsonType::uint64:
        to_ += std::to_string(bytes.number(8));
        break;
      case JsonType::real:
        write_double(std::bit_cast<double>(bytes.number(8)), to_);
        break;
      case JsonType::text:
        write_quoted(text_of(bytes.take(variable_length(bytes))), to_);
        break;
      case JsonType::opaque:
        write_opaque(bytes);
        break;
      default:
        throw_damaged_json();
    }
  }

 private:
  static std::string_view text_of(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  void write_literal(std::uint64_t literal) {
    static constexpr std::array<std::string_view, 3> kWords{"null", "true", "false"};
    if (literal >= kWords.size()) {
      throw_damaged_json();
    }
    to_ += kWords[literal];
  }

  /// Counts, then where the keys are, then where the values are or, of small ones, what they are.
  void write_container(JsonType type, Bytes data, int depth) {
    const bool is_large = type == JsonType::large_object || type == JsonType::large_array;
    const bool is_object = type == JsonType::small_object || type == JsonType::large_object;
    const std::size_t width = is_large ? 4 : 2;
    ByteReader entries(data);
    const auto count = entries.number(width);
    const auto size = entries.number(width);
    if (size > data.size()) {
      throw_damaged_json();
    }
    data = data.first(size);
    entries = ByteReader(data.subspan(std::min(2 * width, data.size())));
    ByteReader keys = is_object ? ByteReader(entries.take(count * (width + 2))) : ByteReader({});
    to_ += is_object ? '{' : '[';
    for (std::uint64_t i = 0; i < count; ++i) {
      to_ += i > 0 ? ", " : "";
      if (is_object) {
        const auto at = keys.number(width);
        const auto length = keys.number(2);
        write_quoted(text_of(part(data, at).first(fitting(length, data.size() - at))), to_);
        to_ += ": ";
      }
      write_entry(entries, data, width, depth);
    }
    to_ += is_object ? '}' : ']';
  }

  void write_entry(ByteReader& entries, Bytes data, std::size_t width, int depth) {
    const auto type = static_cast<JsonType>(entries.number(1));
    const auto value = entries.take(width);
    const bool is_inlined = type == JsonType::literal || type == JsonType::int16 ||
                            type == JsonType::uint16 ||
                            (width == 4 && (type == JsonType::int32 || type == JsonType::uint32));
    write(type, is_inlined ? value : part(data, ByteReader(value).number(width)), depth + 1);
  }

  static Bytes part(Bytes data, std::uint64_t at) { return data.subspan(fitting(at, data.size())); }
  static std::size_t fitting(std::uint64_t number, std::size_t most) {
    if (number > most) {
      throw_damaged_json();
    }
    return number;
  }

  /// A value of a type that JSON has not.
  void write_opaque(ByteReader& bytes) {
    const auto type = static_cast<unsigned>(bytes.number(1));
    const auto value = bytes.take(variable_length(bytes));
    switch (type) {
      case MYSQL_TYPE_NEWDECIMAL: {
        ByteReader number(value);
        const auto precision = static_cast<unsigned>(number.number(1));
        const auto scale = static_cast<unsigned>(number.number(1));
        const auto digits = number.take(number.left());
        if (!write_decimal(precision, scale, digits, to_)) {
          throw_damaged_json();
        }
        break;
      }
      case MYSQL_TYPE_DATE:
      case MYSQL_TYPE_TIME:
      case MYSQL_TYPE_DATETIME:
      case MYSQL_TYPE_TIMESTAMP:
        write_moment(type, value, to_);
        break;
      default:
        to_ += fmt::format("\"base64:type{}:", type);
        encode_base64(text_of(value), to_);
        to_ += '"';
    }
  }

  std::string& to_;
  std::size_t most_;
};

}  // namespace

void write_json(std::span<const unsigned char> document, std::string& to) {
  if (document.empty()) {  // what a column of rows that were there when it was added has
    to += "null";
    return;
  }
  JsonWriter(document.size(), to)
      .write(static_cast<JsonType>(document.front()), document.subspan(1), 1);
}

}  // namespace millrace::mysql
