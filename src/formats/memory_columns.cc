#include "formats/memory_columns.h"

#include <algorithm>

namespace millrace::formats {
namespace {

using Id = Type::Id;

constexpr std::size_t kTextBlock = 1 << 16;

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

}  // namespace

MemoryColumn::MemoryColumn(const Type& type, std::size_t rows)
    : physical_(physical_of(type)), width_(width_of(type)) {
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

ColumnView MemoryColumn::view() {
  views_.clear();
  for (const auto& part : owned_) {
    views_.push_back(part->view());
  }
  return {.physical = physical_,
          .data = memory_.data(),
          .validity = has_nulls_ ? valid_.data() : nullptr,
          .first_part = views_.data(),
          .part_count = views_.size()};
}

MemoryColumns::MemoryColumns(const Schema& schema, std::size_t rows) {
  for (const Column& column : schema.columns) {
    columns_.push_back(std::make_unique<MemoryColumn>(parse_type(column.type), rows));
    writers_.push_back(columns_.back().get());
  }
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

}  // namespace millrace::formats
