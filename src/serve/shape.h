// Answers in the shape that the file says, written without a tree in between.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/json/encoder.h"
#include "spec/serve.h"

namespace millrace::serve {

/// How rows are written as JSON, in answers and events.
inline constexpr json::EncoderOptions kRowEncoding{.timestamps_are_utc = true,
                                                   .null_for_unwritable = true};

/// What differs from answer to answer.
struct ShapeValues {
  std::string_view data = "null";  ///< JSON
  std::string_view message;
  std::string_view code;
  std::string_view hint;
  int status = 200;
  std::optional<std::int64_t> batch;
  std::optional<std::int64_t> watermark_us;
};

/// A shape, cut into pieces that stay and places to be filled. Thread-safe.
class Shape {
 public:
  explicit Shape(const AnswerShape& shape);
  /// JSON.
  [[nodiscard]] std::string write(const ShapeValues& values) const;
  /// Whether an answer says of which batch it is, so that each batch makes it another one.
  [[nodiscard]] bool tells_batch() const noexcept { return tells_batch_; }

 private:
  struct Piece {
    std::string text;       ///< before the place
    std::string_view word;  ///< one of kShapeWords; empty: the end
  };
  void cut(const AnswerShape& shape);

  std::vector<Piece> pieces_;
  bool tells_batch_ = false;
};

/// Appends a text as a JSON string.
void write_text(std::string_view text, std::string& to);
/// "2024-02-29T12:00:00.000001Z"
[[nodiscard]] std::string moment_text(std::int64_t us);

}  // namespace millrace::serve
