#include "formats/testing/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/int128.h"

namespace millrace::testing {
namespace {

using Id = Type::Id;

constexpr std::size_t kTextBlock = 1 << 20;

std::size_t width_of(const Type& type) {
  switch (type.id) {
    case Id::boolean:
    case Id::i8:
    case Id::u8:
      return 1;
    case Id::i16:
    case Id::u16:
      return 2;
    case Id::i32:
    case Id::u32:
    case Id::f32:
    case Id::date:
      return 4;
    case Id::i128:
    case Id::uuid:
    case Id::varchar:
    case Id::blob:
    case Id::list:
    case Id::map:
    case Id::interval:
      return 16;
    case Id::decimal:
      return type.precision <= 4 ? 2 : type.precision <= 9 ? 4 : type.precision <= 18 ? 8 : 16;
    default:
      return 8;
  }
}

std::string digits_of(Int128 value) {
  const bool negative = value < 0;
  auto rest = negative ? UInt128{0} - static_cast<UInt128>(value) : static_cast<UInt128>(value);
  std::string digits;
  do {
    digits += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  digits += negative ? "-" : "";
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string hex_of(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return hex;
}

std::string uuid_of(Int128 value) {
  const auto bits = static_cast<UInt128>(value) ^ (UInt128{1} << 127U);
  std::string text;
  for (unsigned i = 0; i < 16; ++i) {
    text += i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
    text += fmt::format("{:02x}", static_cast<unsigned>(bits >> (120 - 8 * i)) & 0xFFU);
  }
  return text;
}

}  // namespace

MemoryColumn::MemoryColumn(const Type& type, std::size_t rows)
    : type_(type), width_(width_of(type)) {
  is_list_ = type.id == Id::list || type.id == Id::map;
  capacity_ = is_list_ ? 4 : 0;  // small, so that tests see lists grow
  for (const Type::Part& part : type.parts) {
    owned_.push_back(std::make_unique<MemoryColumn>(part.type, is_list_ ? capacity_ : rows));
    parts_.push_back(owned_.back().get());
  }
  resize(rows);
}

void MemoryColumn::resize(std::size_t rows) {
  memory_.resize((rows * width_ + sizeof(Block) - 1) / sizeof(Block));
  valid_.resize((rows + 63) / 64, ~std::uint64_t{0});
  data_ = memory_.data();
  validity_ = valid_.data();
  if (!is_list_) {
    for (const auto& part : owned_) {
      part->resize(rows);
    }
  }
}

void MemoryColumn::grow(std::size_t elements) {
  for (const auto& part : owned_) {
    part->resize(elements);
  }
  capacity_ = elements;
}

char* MemoryColumn::allocate(std::size_t bytes) {
  if (bytes > text_size_ - text_used_) {
    if (bytes <= kTextBlock && text_size_ == kTextBlock && text_block_ + 1 < texts_.size()) {
      ++text_block_;
    } else {
      text_size_ = std::max(bytes, kTextBlock);
      texts_.push_back(std::make_unique<char[]>(text_size_));
      text_block_ = texts_.size() - 1;
    }
    text_used_ = 0;
  }
  char* const at = texts_[text_block_].get() + text_used_;
  text_used_ += bytes;
  return at;
}

void MemoryColumn::clear() {
  std::fill(valid_.begin(), valid_.end(), ~std::uint64_t{0});
  has_nulls_ = false;
  elements_ = marked_ = 0;
  // Blocks of another size go, the others are used again.
  if (text_size_ != kTextBlock) {
    texts_.clear();
    text_size_ = 0;
  }
  text_block_ = text_used_ = 0;
  for (const auto& part : owned_) {
    part->clear();
  }
}

bool MemoryColumn::is_null(std::size_t row) const {
  return ((valid_[row / 64] >> (row % 64)) & 1U) == 0;
}

ColumnView MemoryColumn::view() {
  views_.clear();
  for (const auto& part : owned_) {
    views_.push_back(part->view());
  }
  return {.physical = physical_of(type_),
          .data = memory_.data(),
          .validity = has_nulls_ ? valid_.data() : nullptr,
          .first_part = views_.data(),
          .part_count = views_.size()};
}

nlohmann::json MemoryColumn::value(std::size_t row) const {
  if (is_null(row)) {
    return nullptr;
  }
  if (type_.id == Id::structure) {
    auto fields = nlohmann::json::object();
    for (std::size_t i = 0; i < owned_.size(); ++i) {
      fields[type_.parts[i].name] = owned_[i]->value(row);
    }
    return fields;
  }
  if (!is_list_) {
    return scalar(row);
  }
  const auto [offset, length] = at<ListEntry>(row);
  auto elements = type_.id == Id::map ? nlohmann::json::object() : nlohmann::json::array();
  for (std::size_t i = offset; i < offset + length; ++i) {
    if (type_.id == Id::map) {
      const nlohmann::json key = owned_[0]->value(i);
      elements[key.is_string() ? key.get<std::string>() : key.dump()] = owned_[1]->value(i);
    } else {
      elements.push_back(owned_[0]->value(i));
    }
  }
  return elements;
}

nlohmann::json MemoryColumn::scalar(std::size_t row) const {
  switch (type_.id) {
    case Id::boolean:
      return at<bool>(row);
    case Id::i8:
      return at<std::int8_t>(row);
    case Id::i16:
      return at<std::int16_t>(row);
    case Id::i32:
    case Id::date:
      return at<std::int32_t>(row);
    case Id::i128:
      return digits_of(at<Int128>(row));
    case Id::u8:
      return at<std::uint8_t>(row);
    case Id::u16:
      return at<std::uint16_t>(row);
    case Id::u32:
      return at<std::uint32_t>(row);
    case Id::u64:
      return at<std::uint64_t>(row);
    case Id::f32:
      return at<float>(row);
    case Id::f64:
      return at<double>(row);
    case Id::varchar:
      return std::string(at<StringRef>(row).view());
    case Id::blob:
      return hex_of(at<StringRef>(row).view());
    case Id::uuid:
      return uuid_of(at<Int128>(row));
    case Id::decimal:
      return decimal(row);
    case Id::interval: {
      const auto& interval = at<Interval>(row);
      return {interval.months, interval.days, interval.micros};
    }
    default:
      return at<std::int64_t>(row);
  }
}

nlohmann::json MemoryColumn::decimal(std::size_t row) const {
  const Int128 value = width_ == 2   ? at<std::int16_t>(row)
                       : width_ == 4 ? at<std::int32_t>(row)
                       : width_ == 8 ? at<std::int64_t>(row)
                                     : at<Int128>(row);
  std::string digits = digits_of(value < 0 ? -value : value);
  if (type_.scale > 0) {
    const auto scale = static_cast<std::size_t>(type_.scale);
    digits.insert(0, digits.size() <= scale ? scale + 1 - digits.size() : 0, '0');
    digits.insert(digits.size() - scale, 1, '.');
  }
  return (value < 0 ? "-" : "") + digits;
}

MemoryColumns::MemoryColumns(const Schema& schema, std::size_t rows) : schema_(schema) {
  for (const Column& column : schema.columns) {
    columns_.push_back(std::make_unique<MemoryColumn>(parse_type(column.type), rows));
    writers_.push_back(columns_.back().get());
  }
}

nlohmann::json MemoryColumns::row(std::size_t row) const {
  auto values = nlohmann::json::object();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    values[schema_.columns[i].name] = columns_[i]->value(row);
  }
  return values;
}

std::span<const ColumnView> MemoryColumns::views() {
  views_.clear();
  for (const auto& column : columns_) {
    views_.push_back(column->view());
  }
  return views_;
}

void MemoryColumns::mark() {
  for (const auto& column : columns_) {
    column->mark();
  }
}

void MemoryColumns::forget(std::size_t row) {
  for (const auto& column : columns_) {
    column->forget(row);
  }
}

void MemoryColumns::clear() {
  for (const auto& column : columns_) {
    column->clear();
  }
}

}  // namespace millrace::testing
