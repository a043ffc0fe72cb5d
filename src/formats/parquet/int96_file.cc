#include "formats/parquet/int96_file.h"

#include <fmt/format.h>
#include <snappy.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

#include "base/error.h"
#include "core/times.h"
#include "formats/parquet/thrift.h"

namespace millrace::parquet {

namespace {

using Id = Type::Id;

constexpr std::string_view kMagic = "PAR1";
/// A row group is written when it has so many bytes, whatever its rows.
constexpr std::size_t kGroupBytes = 32U << 20U;
constexpr std::int64_t kJulianDayOf1970 = 2'440'588;
constexpr std::int64_t kSecondsOfDay = 86'400;
constexpr std::int64_t kNanosOfSecond = 1'000'000'000;

// Parquet's physical types.
constexpr std::uint8_t kBoolean = 0;
constexpr std::uint8_t kInt32 = 1;
constexpr std::uint8_t kInt64 = 2;
constexpr std::uint8_t kInt96 = 3;
constexpr std::uint8_t kFloat = 4;
constexpr std::uint8_t kDouble = 5;
constexpr std::uint8_t kBytes = 6;
constexpr std::uint8_t kFixedBytes = 7;
// Its ConvertedTypes.
constexpr int kUtf8 = 0;
constexpr int kDecimal = 5;
constexpr int kDate = 6;
constexpr int kTimeMicros = 8;
constexpr int kUint8 = 11;
constexpr int kInt8 = 15;
// Encodings.
constexpr std::int32_t kPlain = 0;
constexpr std::int32_t kRle = 3;

constexpr std::size_t kWideBytes = 16;

template <class T>
void append_raw(std::string& to, const T& value) {
  std::array<char, sizeof(T)> bytes{};
  std::memcpy(bytes.data(), &value, sizeof(T));
  to.append(bytes.data(), bytes.size());
}

std::int32_t code_of(Codec codec) {
  switch (codec) {
    case Codec::uncompressed:
      return 0;
    case Codec::snappy:
      return 1;
    case Codec::zstd:
      break;
  }
  return 6;
}

std::string compressed(Codec codec, const std::string& from) {
  std::string to;
  if (codec == Codec::snappy) {
    snappy::Compress(from.data(), from.size(), &to);
    return to;
  }
  to.resize(ZSTD_compressBound(from.size()));
  const auto size =
      ZSTD_compress(to.data(), to.size(), from.data(), from.size(), ZSTD_CLEVEL_DEFAULT);
  if (ZSTD_isError(size) != 0) {
    throw Error(Blame::internal, fmt::format("zstd: {}", ZSTD_getErrorName(size)));
  }
  to.resize(size);
  return to;
}

std::int64_t floor_div(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

/// Definition levels of one bit, with their length before them (Parquet's RLE hybrid).
std::string definition_levels(const std::string& bits, std::int64_t count, bool has_nulls) {
  std::string runs;
  const auto varint = [&runs](std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) {
      runs += static_cast<char>(value | 0x80U);
    }
    runs += static_cast<char>(value);
  };
  if (has_nulls) {
    varint((bits.size() << 1U) | 1U);
    runs += bits;
  } else {
    varint(static_cast<std::uint64_t>(count) << 1U);
    runs += '\1';
  }
  std::string levels;
  append_raw(levels, static_cast<std::uint32_t>(runs.size()));
  return levels + runs;
}

}  // namespace

std::optional<Codec> codec_named(std::string_view name) noexcept {
  constexpr std::array<std::pair<std::string_view, Codec>, 3> kNames{
      {{"uncompressed", Codec::uncompressed}, {"snappy", Codec::snappy}, {"zstd", Codec::zstd}}};
  const auto* const found =
      std::ranges::find(kNames, name, [](const auto& each) { return each.first; });
  return found == kNames.end() ? std::nullopt : std::optional(found->second);
}

Int96File::ColumnOut Int96File::plan(const Column& column) {
  struct Known {
    Id id;
    Form form;
    std::uint8_t physical;
    std::size_t width;
    std::optional<int> converted = std::nullopt;
    bool is_signed = true;
    std::int64_t ticks = 0;
  };
  static constexpr std::array kKnown{
      Known{Id::boolean, Form::boolean, kBoolean, 1},
      Known{Id::i8, Form::widened, kInt32, 1, kInt8},
      Known{Id::i16, Form::widened, kInt32, 2, kInt8 + 1},
      Known{Id::i32, Form::plain, kInt32, 4, kInt8 + 2},
      Known{Id::i64, Form::plain, kInt64, 8, kInt8 + 3},
      Known{Id::u8, Form::widened, kInt32, 1, kUint8, false},
      Known{Id::u16, Form::widened, kInt32, 2, kUint8 + 1, false},
      Known{Id::u32, Form::plain, kInt32, 4, kUint8 + 2},
      Known{Id::u64, Form::plain, kInt64, 8, kUint8 + 3},
      Known{Id::f32, Form::plain, kFloat, 4},
      Known{Id::f64, Form::plain, kDouble, 8},
      Known{Id::varchar, Form::text, kBytes, sizeof(StringRef), kUtf8},
      Known{Id::blob, Form::text, kBytes, sizeof(StringRef)},
      Known{Id::date, Form::plain, kInt32, 4, kDate},
      Known{Id::time, Form::plain, kInt64, 8, kTimeMicros},
      Known{Id::timestamp_s, Form::int96, kInt96, 8, std::nullopt, true, 1},
      Known{Id::timestamp_ms, Form::int96, kInt96, 8, std::nullopt, true, 1'000},
      Known{Id::timestamp, Form::int96, kInt96, 8, std::nullopt, true, 1'000'000},
      Known{Id::timestamp_tz, Form::int96, kInt96, 8, std::nullopt, true, 1'000'000},
      Known{Id::timestamp_ns, Form::int96, kInt96, 8, std::nullopt, true, kNanosOfSecond},
      Known{Id::i128, Form::wide_decimal, kFixedBytes, kWideBytes, kDecimal}};
  const Type type = parse_type(column.type);
  ColumnOut out;
  out.column = column;
  out.precision = 38;
  if (type.id == Id::decimal) {
    set_decimal(out, type);
    return out;
  }
  const auto* const known = std::ranges::find(kKnown, type.id, &Known::id);
  if (known == kKnown.end()) {
    throw Error(Blame::user,
                fmt::format("column {} is {}, which files with INT96 timestamps do not hold; cast "
                            "it, for example to_json({})::VARCHAR",
                            column.name, column.type, column.name));
  }
  out.form = known->form;
  out.physical = known->physical;
  out.width = known->width;
  out.converted = known->converted;
  out.is_signed = known->is_signed;
  out.ticks = known->ticks;
  return out;
}

void Int96File::set_decimal(ColumnOut& to, const Type& type) {
  to.converted = kDecimal;
  to.precision = type.precision;
  to.scale = type.scale;
  switch (to.column.physical) {
    case Physical::i16:
      to.form = Form::widened;
      to.physical = kInt32;
      to.width = sizeof(std::int16_t);
      return;
    case Physical::i32:
      to.physical = kInt32;
      to.width = sizeof(std::int32_t);
      return;
    case Physical::i64:
      to.physical = kInt64;
      to.width = sizeof(std::int64_t);
      return;
    default:
      to.form = Form::wide_decimal;
      to.physical = kFixedBytes;
      to.width = kWideBytes;
  }
}

Int96File::Int96File(Write write, const Schema& columns, const Options& options)
    : write_(std::move(write)), options_(options) {
  columns_.reserve(columns.size());
  std::ranges::transform(columns.columns, std::back_inserter(columns_), plan);
  append(kMagic);
}

void Int96File::append(std::string_view bytes) {
  write_(bytes);
  position_ += static_cast<std::int64_t>(bytes.size());
}

void Int96File::add(const Chunk& rows) {
  for (std::size_t row = 0; row < rows.rows; ++row) {
    std::size_t bytes = 0;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      put(columns_[c], rows.columns[c], row);
      bytes += columns_[c].values.size();
    }
    if (++rows_ >= options_.row_group_rows || bytes >= kGroupBytes) {
      flush();
    }
  }
}

void Int96File::put(ColumnOut& to, const ColumnView& from, std::size_t row) {
  const auto bit = static_cast<std::size_t>(to.count % 8);
  if (bit == 0) {
    to.levels += '\0';
  }
  ++to.count;
  if (from.is_null(row)) {
    to.has_nulls = true;
    return;
  }
  to.levels.back() = static_cast<char>(static_cast<unsigned char>(to.levels.back()) | (1U << bit));
  const auto* const value = static_cast<const char*>(from.data) + row * to.width;
  switch (to.form) {
    case Form::boolean:  // bits in the end; a byte each until then
    case Form::plain:
      to.values.append(value, to.width);
      return;
    case Form::widened: {
      std::int32_t wide = 0;
      if (to.width == 1) {
        wide = to.is_signed ? from.values<std::int8_t>()[row] : from.values<std::uint8_t>()[row];
      } else {
        wide = to.is_signed ? from.values<std::int16_t>()[row] : from.values<std::uint16_t>()[row];
      }
      append_raw(to.values, wide);
      return;
    }
    case Form::int96:
      put_int96(to, from.values<std::int64_t>()[row]);
      return;
    case Form::text: {
      const auto text = from.string(row);
      append_raw(to.values, static_cast<std::uint32_t>(text.size()));
      to.values += text;
      return;
    }
    case Form::wide_decimal:  // the highest byte first
      for (std::size_t i = kWideBytes; i-- > 0;) {
        to.values += value[i];
      }
      return;
  }
}

/// Nanoseconds of the day, and the Julian day.
void Int96File::put_int96(ColumnOut& to, std::int64_t value) {
  if (value > kMicrosMax || value < -kMicrosMax) {
    throw Error(Blame::external,
                fmt::format("column {} has an infinite time, which INT96 does not hold; leave such "
                            "rows out, or make it NULL: CASE WHEN isfinite({}) THEN {} END",
                            to.column.name, to.column.name, to.column.name));
  }
  const auto ticks_of_day = to.ticks * kSecondsOfDay;
  const auto day = floor_div(value, ticks_of_day);
  append_raw(to.values, (value - day * ticks_of_day) * (kNanosOfSecond / to.ticks));
  append_raw(to.values, static_cast<std::int32_t>(day + kJulianDayOf1970));
}

void Int96File::flush() {
  if (rows_ == 0) {
    return;
  }
  RowGroup group{.rows = rows_, .columns = {}};
  group.columns.reserve(columns_.size());
  for (ColumnOut& column : columns_) {
    group.columns.push_back(write_page(column));
  }
  groups_.push_back(std::move(group));
  all_rows_ += std::exchange(rows_, 0);
}

Int96File::Written Int96File::write_page(ColumnOut& column) {
  std::string page = definition_levels(column.levels, column.count, column.has_nulls);
  if (column.form == Form::boolean) {
    std::string bits((column.values.size() + 7) / 8, '\0');
    for (std::size_t i = 0; i < column.values.size(); ++i) {
      bits[i / 8] = static_cast<char>(static_cast<unsigned char>(bits[i / 8]) |
                                      (column.values[i] != 0 ? 1U << (i % 8) : 0U));
    }
    page += bits;
  } else {
    page += column.values;
  }
  if (std::cmp_greater(page.size(), std::numeric_limits<std::int32_t>::max())) {
    throw Error(Blame::user, fmt::format("column {}: a value is too large for a page of Parquet",
                                         column.column.name));
  }
  const auto plain_bytes = static_cast<std::int32_t>(page.size());
  if (options_.codec != Codec::uncompressed) {
    page = compressed(options_.codec, page);
  }
  std::string header;
  ThriftWriter thrift(header);
  thrift.begin_element();
  thrift.i32(1, 0);  // a data page
  thrift.i32(2, plain_bytes);
  thrift.i32(3, static_cast<std::int32_t>(page.size()));
  thrift.begin(5);
  thrift.i32(1, static_cast<std::int32_t>(column.count));
  thrift.i32(2, kPlain);
  thrift.i32(3, kRle);
  thrift.i32(4, kRle);
  thrift.end();
  thrift.end();
  const Written written{.offset = position_,
                        .bytes = static_cast<std::int64_t>(header.size() + page.size()),
                        .plain_bytes = static_cast<std::int64_t>(header.size()) + plain_bytes};
  append(header);
  append(page);
  column.values.clear();
  column.levels.clear();
  column.count = 0;
  column.has_nulls = false;
  return written;
}

std::string Int96File::footer() const {
  using T = ThriftWriter::Type;
  std::string text;
  ThriftWriter thrift(text);
  thrift.begin_element();
  thrift.i32(1, 1);
  thrift.list(2, T::structure, columns_.size() + 1);
  thrift.begin_element();  // the row
  thrift.text(4, "schema");
  thrift.i32(5, static_cast<std::int32_t>(columns_.size()));
  thrift.end();
  for (const ColumnOut& column : columns_) {
    thrift.begin_element();
    thrift.i32(1, column.physical);
    if (column.physical == kFixedBytes) {
      thrift.i32(2, kWideBytes);
    }
    thrift.i32(3, 1);  // may be NULL
    thrift.text(4, column.column.name);
    if (column.converted) {
      thrift.i32(6, *column.converted);
    }
    if (column.converted == kDecimal) {
      thrift.i32(7, column.scale);
      thrift.i32(8, column.precision);
    }
    thrift.end();
  }
  thrift.i64(3, all_rows_);
  thrift.list(4, T::structure, groups_.size());
  for (const RowGroup& group : groups_) {
    std::int64_t bytes = 0;
    thrift.begin_element();
    thrift.list(1, T::structure, columns_.size());
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const Written& written = group.columns[c];
      bytes += written.plain_bytes;
      thrift.begin_element();
      thrift.i64(2, written.offset);
      thrift.begin(3);
      thrift.i32(1, columns_[c].physical);
      thrift.list(2, T::i32, 2);
      thrift.element(kPlain);
      thrift.element(kRle);
      thrift.list(3, T::binary, 1);
      thrift.element(columns_[c].column.name);
      thrift.i32(4, code_of(options_.codec));
      thrift.i64(5, group.rows);
      thrift.i64(6, written.plain_bytes);
      thrift.i64(7, written.bytes);
      thrift.i64(9, written.offset);
      thrift.end();
      thrift.end();
    }
    thrift.i64(2, bytes);
    thrift.i64(3, group.rows);
    thrift.end();
  }
  thrift.text(6, "millrace");
  thrift.end();
  return text;
}

std::int64_t Int96File::finish() {
  flush();
  std::string end = footer();
  append_raw(end, static_cast<std::uint32_t>(end.size()));
  append(end.append(kMagic));
  return all_rows_;
}

}  // namespace millrace::parquet
