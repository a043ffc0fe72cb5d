// The record of an event as a JSON object that json::Decoder reads without more knowledge.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/format.h"
#include "core/schema.h"
#include "core/type.h"
#include "formats/debezium/meanings.h"
#include "formats/json/cursor.h"

namespace millrace::debezium {

/// Used by one thread.
class RowText {
 public:
  /// `ignore_case`: as json::DecoderOptions has it.
  RowText(const Schema& columns, bool ignore_case);

  /// Rewrites an object: its values by what they mean and by the columns that they are for.
  /// Malformed: what is no object, or has a value that its meaning does not fit.
  [[nodiscard]] std::optional<Malformation> rewrite(std::string_view object,
                                                    const Meanings& meanings);
  /// Of the last object. Valid until the next one.
  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  /// Which columns it has; the others are to come from elsewhere.
  [[nodiscard]] const std::vector<bool>& has() const noexcept { return has_; }

 private:
  struct Place {
    std::size_t column = 0;
    Type::Id type = Type::Id::other;
  };
  [[nodiscard]] const Place* find(std::string_view key);
  std::optional<Malformation> rewrite_member(const Meanings& meanings);

  std::map<std::string, Place, std::less<>> exact_;
  std::map<std::string, Place, std::less<>> lowered_;  // empty: case counts
  json::Cursor cursor_;
  std::string text_;
  std::string meant_;
  std::vector<bool> has_;
};

}  // namespace millrace::debezium
