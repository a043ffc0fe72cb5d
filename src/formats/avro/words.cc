#include <array>

#include "formats/avro/schema.h"

namespace millrace::avro {

std::string_view word(Kind kind) noexcept {
  constexpr std::array<std::string_view, 14> kWords{
      "null",   "boolean", "int",  "long",  "float", "double", "bytes",
      "string", "record",  "enum", "fixed", "array", "map",    "union"};
  return kWords[static_cast<std::size_t>(kind)];
}

std::string_view word(Logical logical) noexcept {
  constexpr std::array<std::string_view, 13> kWords{"",
                                                    "decimal",
                                                    "date",
                                                    "time-millis",
                                                    "time-micros",
                                                    "timestamp-millis",
                                                    "timestamp-micros",
                                                    "timestamp-nanos",
                                                    "local-timestamp-millis",
                                                    "local-timestamp-micros",
                                                    "local-timestamp-nanos",
                                                    "uuid",
                                                    "duration"};
  return kWords[static_cast<std::size_t>(logical)];
}

std::string describe(const Node& node) {
  std::string text(word(node.kind));
  if (!node.name.empty()) {
    text += " " + node.name;
  }
  if (node.kind == Kind::union_) {
    text += " of ";
    for (const Node* branch : node.parts) {
      text += branch == node.parts.front() ? "" : ", ";
      text += branch->name.empty() ? word(branch->kind) : std::string_view(branch->name);
    }
  }
  if (node.logical == Logical::decimal) {
    text += " (decimal " + std::to_string(node.precision) + "," + std::to_string(node.scale) + ")";
  } else if (node.logical != Logical::none) {
    text += " (" + std::string(word(node.logical)) + ")";
  }
  return text;
}

std::string_view short_name(std::string_view full_name) noexcept {
  const std::size_t dot = full_name.rfind('.');
  return dot == std::string_view::npos ? full_name : full_name.substr(dot + 1);
}

}  // namespace millrace::avro
