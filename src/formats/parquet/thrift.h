// Thrift's compact protocol, as far as Parquet's footers and page headers need it written:
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::parquet {

/// Appends structs to a text. Fields come in the order of their numbers.
class ThriftWriter {
 public:
  enum class Type : std::uint8_t { i32 = 5, i64 = 6, binary = 8, list = 9, structure = 12 };

  explicit ThriftWriter(std::string& to) : to_(to) {}

  void i32(int field, std::int32_t value) { number(field, Type::i32, value); }
  void i64(int field, std::int64_t value) { number(field, Type::i64, value); }
  void text(int field, std::string_view value) {
    begin_field(field, Type::binary);
    element(value);
  }
  /// The elements follow, by element(), or between begin_element() and end().
  void list(int field, Type of, std::size_t size) {
    begin_field(field, Type::list);
    if (size < kLongList) {
      byte(static_cast<std::uint8_t>(size << 4U) | static_cast<std::uint8_t>(of));
    } else {
      byte(static_cast<std::uint8_t>(kLongList << 4U) | static_cast<std::uint8_t>(of));
      varint(size);
    }
  }
  void element(std::string_view value) {
    varint(value.size());
    to_ += value;
  }
  void element(std::int32_t value) { zigzag(value); }

  /// A struct as a field; its own fields follow, until end().
  void begin(int field) {
    begin_field(field, Type::structure);
    begin_element();
  }
  /// The outermost struct, or one in a list.
  void begin_element() { last_.push_back(0); }
  void end() {
    byte(0);
    last_.pop_back();
  }

 private:
  static constexpr std::size_t kLongList = 15;
  static constexpr int kLongStep = 15;

  void byte(std::uint8_t value) { to_ += static_cast<char>(value); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) {
      byte(static_cast<std::uint8_t>(value) | 0x80U);
    }
    byte(static_cast<std::uint8_t>(value));
  }
  void zigzag(std::int64_t value) {
    varint((static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63));
  }
  void number(int field, Type type, std::int64_t value) {
    begin_field(field, type);
    zigzag(value);
  }
  void begin_field(int field, Type type) {
    const int step = field - last_.back();
    last_.back() = field;
    if (step > 0 && step <= kLongStep) {
      byte(static_cast<std::uint8_t>(step << 4) | static_cast<std::uint8_t>(type));
      return;
    }
    byte(static_cast<std::uint8_t>(type));
    zigzag(field);
  }

  std::string& to_;
  std::vector<int> last_;  // the last field of each struct that is open
};

}  // namespace millrace::parquet
