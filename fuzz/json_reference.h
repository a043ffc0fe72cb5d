// What nlohmann::json says of a text, to compare our own reader with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "formats/json/cursor.h"

namespace millrace::fuzz {

/// Looks at a text without making values of it.
class JsonReference final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit JsonReference(std::string_view text) {
    // It takes a byte 0 for the end.
    is_valid_ = nlohmann::json::sax_parse(text, this) && !text.contains('\0');
    has_mark_ = text.starts_with("\xef\xbb\xbf");
  }

  /// It can't tell: a number that no double holds, or values deeper than we go.
  [[nodiscard]] bool is_undecided() const {
    return has_large_number_ || deepest_ > json::kMaxSkippedDepth;
  }
  /// A byte order mark is no part of JSON.
  [[nodiscard]] bool is_valid() const { return is_valid_ && !has_mark_; }
  [[nodiscard]] bool is_object() const { return is_valid() && is_object_; }
  /// How often the root has a key.
  [[nodiscard]] std::size_t count(const std::string& key) const {
    const auto found = keys_.find(key);
    return found == keys_.end() ? 0 : found->second;
  }

  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(std::int64_t /*value*/) override { return true; }
  bool number_unsigned(std::uint64_t /*value*/) override { return true; }
  bool number_float(double /*value*/, const std::string& /*text*/) override { return true; }
  bool string(std::string& /*value*/) override { return true; }
  bool binary(nlohmann::json::binary_t& /*value*/) override { return true; }
  bool start_object(std::size_t /*size*/) override {
    is_object_ = is_object_ || depth_ == 0;
    return down();
  }
  bool key(std::string& key) override {
    if (depth_ == 1) {
      keys_[key]++;
    }
    return true;
  }
  bool end_object() override { return up(); }
  bool start_array(std::size_t /*size*/) override { return down(); }
  bool end_array() override { return up(); }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    has_large_number_ = error.id == 406;
    return false;
  }

 private:
  bool down() {
    deepest_ = std::max(deepest_, ++depth_);
    return true;
  }
  bool up() {
    depth_--;
    return true;
  }

  bool is_valid_ = false;
  bool has_mark_ = false;
  bool is_object_ = false;
  bool has_large_number_ = false;
  std::size_t depth_ = 0;
  std::size_t deepest_ = 0;
  std::map<std::string, std::size_t> keys_;
};

}  // namespace millrace::fuzz
