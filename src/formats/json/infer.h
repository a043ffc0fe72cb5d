// A schema guessed from samples, for `millrace infer`: a beginning for a person to correct.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/format.h"
#include "core/schema.h"
#include "formats/json/cursor.h"

namespace millrace::json {

/// Looks at records, and gives the narrowest schema that takes all of them:
///   true, false                            BOOLEAN
///   whole numbers                          BIGINT, or HUGEINT where one is too large
///   other numbers, and larger ones         DOUBLE; VARCHAR where one is too large for it
///   "2024-02-29"                           DATE
///   ISO 8601 times, with and without days  TIMESTAMP; TIMESTAMP WITH TIME ZONE if all have an
///   offset other strings, and mixtures            VARCHAR: of what is no string it gets the JSON
///   text objects, arrays                        STRUCT, LIST, of the same
/// What was always null or empty is VARCHAR. Keys that differ in case alone are one column. Beyond
/// 1,000 keys an object is VARCHAR, and a record's further keys are left out. Used by one thread.
class Inference {
 public:
  Inference();
  ~Inference();
  Inference(const Inference&) = delete;
  Inference& operator=(const Inference&) = delete;

  /// Looks at a record; a malformed one changes nothing.
  [[nodiscard]] std::optional<Malformation> add(std::string_view record);
  /// The columns in the order in which their keys first came.
  [[nodiscard]] Schema schema() const;

 private:
  struct Shape;

  void look(Shape& shape, std::size_t depth);
  void look_at_object(Shape& shape, std::size_t depth);
  static std::string type_of(const Shape& shape);
  static std::string struct_of(const Shape& shape);

  Cursor cursor_;
  std::unique_ptr<Shape> record_;
};

}  // namespace millrace::json
