#include "serve/shape.h"

#include <algorithm>

#include "core/times.h"
#include "formats/json/strings.h"

namespace millrace::serve {

Shape::Shape(const AnswerShape& shape) {
  pieces_.emplace_back();
  cut(shape);
}

void Shape::cut(const AnswerShape& shape) {
  if (shape.is_object() || shape.is_array()) {
    pieces_.back().text += shape.is_object() ? '{' : '[';
    bool first = true;
    for (const auto& entry : shape.items()) {
      pieces_.back().text += first ? "" : ",";
      first = false;
      if (shape.is_object()) {
        write_text(entry.key(), pieces_.back().text);
        pieces_.back().text += ':';
      }
      cut(entry.value());
    }
    pieces_.back().text += shape.is_object() ? '}' : ']';
    return;
  }
  const auto* const word = shape.is_string()
                               ? std::ranges::find(kShapeWords, shape.get_ref<const std::string&>())
                               : std::end(kShapeWords);
  if (word == std::end(kShapeWords)) {
    pieces_.back().text += shape.dump();
    return;
  }
  tells_batch_ |= *word == "$batch" || *word == "$watermark";
  pieces_.back().word = *word;
  pieces_.emplace_back();
}

std::string Shape::write(const ShapeValues& values) const {
  std::string to;
  to.reserve(values.data.size() + 256);
  for (const auto& [text, word] : pieces_) {
    to += text;
    if (word == "$data") {
      to += values.data;
    } else if (word == "$message") {
      write_text(values.message, to);
    } else if (word == "$code") {
      write_text(values.code, to);
    } else if (word == "$hint") {
      write_text(values.hint, to);
    } else if (word == "$status") {
      to += std::to_string(values.status);
    } else if (word == "$batch") {
      to += values.batch ? std::to_string(*values.batch) : "null";
    } else if (word == "$watermark" && values.watermark_us) {
      write_text(moment_text(*values.watermark_us), to);
    } else if (word == "$watermark") {
      to += "null";
    }
  }
  return to;
}

void write_text(std::string_view text, std::string& to) { json::write_string(text, to); }

std::string moment_text(std::int64_t us) {
  std::string text;
  return write_moment(us, 6, text) ? text + "Z" : "";
}

}  // namespace millrace::serve
