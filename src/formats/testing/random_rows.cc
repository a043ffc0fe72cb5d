#include "formats/testing/random_rows.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>

namespace millrace::testing {
namespace {

using Id = Type::Id;
__extension__ using Int128 = __int128;

/// From 0 to below `end`.
std::uint64_t below(std::uint64_t end, std::mt19937& random) {
  return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(random);
}

std::int64_t between(std::int64_t first, std::int64_t last, std::mt19937& random) {
  return std::uniform_int_distribution<std::int64_t>(first, last)(random);
}

template <class T>
void put(ColumnWriter& to, std::size_t row, T value) {
  std::memcpy(to.values<char>() + row * sizeof(value), &value, sizeof(value));
}

/// All bits at random.
template <class T>
void put_bits(ColumnWriter& to, std::size_t row, std::mt19937& random) {
  put(to, row, static_cast<T>(below(0, random)));  // below(0): all 64 bits
}

Int128 random_wide(std::mt19937& random) {
  return (static_cast<Int128>(between(INT64_MIN, INT64_MAX, random)) << 64U) |
         static_cast<Int128>(below(0, random));
}

std::string random_text(std::mt19937& random) {
  constexpr const char* kLetters[] = {"a", "Z", "0", " ", "\"", "\\", "\n", "{", "ä", "€", "𝄞"};
  std::string text;
  for (std::uint64_t i = below(20, random); i > 0; --i) {
    text += kLetters[below(std::size(kLetters), random)];
  }
  return text;
}

std::string random_bytes(std::mt19937& random) {
  std::string bytes(below(20, random), '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(below(256, random));
  }
  return bytes;
}

void fill_decimal(ColumnWriter& to, const Type& type, std::size_t row, std::mt19937& random) {
  Int128 bound = 1;
  for (int i = 0; i < type.precision; ++i) {
    bound *= 10;
  }
  const Int128 value = random_wide(random) % bound;
  if (type.precision <= 4) {
    put(to, row, static_cast<std::int16_t>(value));
  } else if (type.precision <= 9) {
    put(to, row, static_cast<std::int32_t>(value));
  } else if (type.precision <= 18) {
    put(to, row, static_cast<std::int64_t>(value));
  } else {
    put(to, row, value);
  }
}

/// A timestamp of so many units a second.
void fill_moment(ColumnWriter& to, std::size_t row, std::int64_t units, std::mt19937& random) {
  constexpr std::int64_t kYears = 31'556'952LL * 230;
  const std::int64_t second = between(-kYears, kYears, random);
  const std::int64_t millis = units < 1000 ? 0 : between(0, 999, random) * (units / 1000);
  put(to, row, second * units + millis);
}

void fill_scalar(ColumnWriter& to, const Type& type, std::size_t row, std::mt19937& random) {
  switch (type.id) {
    case Id::boolean:
      return put(to, row, below(2, random) == 1);
    case Id::i8:
    case Id::u8:
      return put_bits<std::uint8_t>(to, row, random);
    case Id::i16:
    case Id::u16:
      return put_bits<std::uint16_t>(to, row, random);
    case Id::i32:
    case Id::u32:
      return put_bits<std::uint32_t>(to, row, random);
    case Id::i64:
    case Id::u64:
      return put_bits<std::uint64_t>(to, row, random);
    case Id::i128:
    case Id::uuid:
      return put(to, row, random_wide(random));
    case Id::f32:
      return put(to, row, static_cast<float>(between(-1'000'000, 1'000'000, random)) / 7);
    case Id::f64:
      return put(to, row, static_cast<double>(between(-1'000'000, 1'000'000, random)) / 7);
    case Id::varchar:
      return to.set_string(row, random_text(random));
    case Id::blob:
      return to.set_string(row, random_bytes(random));
    case Id::date:
      return put(to, row, static_cast<std::int32_t>(between(-98'000, 84'000, random)));
    case Id::time:
      return put(to, row, between(0, 86'399'999, random) * 1000);
    case Id::timestamp_s:
      return fill_moment(to, row, 1, random);
    case Id::timestamp_ms:
      return fill_moment(to, row, 1000, random);
    case Id::timestamp_ns:
      return fill_moment(to, row, 1'000'000'000, random);
    case Id::interval:
      return put(to, row,
                 Interval{.months = static_cast<std::int32_t>(below(100, random)),
                          .days = static_cast<std::int32_t>(below(100, random)),
                          .micros = between(0, 86'399'999, random) * 1000});
    case Id::decimal:
      return fill_decimal(to, type, row, random);
    default:
      return fill_moment(to, row, 1'000'000, random);
  }
}

void fill_list(ColumnWriter& to, const Type& type, std::size_t row, std::mt19937& random) {
  to.begin_list(row);
  const std::uint64_t length = below(4, random);
  for (std::uint64_t i = 0; i < length; ++i) {
    const std::size_t element = to.add_element(row);
    if (type.id == Id::map) {
      to.parts()[0]->set_string(element, fmt::format("{} {}", i, random_text(random)));
    }
    fill(*to.parts().back(), type.parts.back().type, element, random);
  }
}

std::string random_type(std::span<const std::string> leaves, int depth, std::mt19937& random) {
  const auto part = [&] { return random_type(leaves, depth - 1, random); };
  std::string fields;
  switch (depth == 0 ? 9 : below(6, random)) {
    case 0:
      for (std::uint64_t i = 0, count = 1 + below(3, random); i < count; ++i) {
        fields += fmt::format("{}f{} {}", i == 0 ? "" : ", ", i, part());
      }
      return fmt::format("STRUCT({})", fields);
    case 1:
    case 2:
      return part() + "[]";
    case 3:
      return fmt::format("MAP(VARCHAR, {})", part());
    default:
      return leaves[below(leaves.size(), random)];
  }
}

}  // namespace

Schema random_schema(std::span<const std::string> leaves, int depth, std::mt19937& random) {
  Schema schema;
  const std::uint64_t columns = 1 + below(4, random);
  for (std::uint64_t i = 0; i < columns; ++i) {
    const std::string type = random_type(leaves, depth, random);
    schema.columns.push_back(
        {.name = fmt::format("c{}", i), .type = type, .physical = physical_of(type)});
  }
  return schema;
}

void fill(ColumnWriter& to, const Type& type, std::size_t row, std::mt19937& random) {
  if (below(5, random) == 0) {
    to.set_null(row);
    return;
  }
  switch (type.id) {
    case Id::structure:
      for (std::size_t i = 0; i < type.parts.size(); ++i) {
        fill(*to.parts()[i], type.parts[i].type, row, random);
      }
      return;
    case Id::list:
    case Id::map:
      return fill_list(to, type, row, random);
    default:
      return fill_scalar(to, type, row, random);
  }
}

}  // namespace millrace::testing
