// Messages with the number of their schema in a registry: Confluent's wire format. A byte 0, the
// number in 4 bytes, the highest first, then the record.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::avro {

inline constexpr std::size_t kFrameBytes = 5;

struct Frame {
  std::uint32_t schema_id = 0;
  std::string_view body;
};

/// nullopt: the message is not framed.
[[nodiscard]] inline std::optional<Frame> parse_frame(std::string_view message) noexcept {
  if (message.size() < kFrameBytes || message[0] != 0) {
    return std::nullopt;
  }
  Frame frame{.body = message.substr(kFrameBytes)};
  for (std::size_t i = 1; i < kFrameBytes; i++) {
    frame.schema_id = (frame.schema_id << 8U) | static_cast<unsigned char>(message[i]);
  }
  return frame;
}

/// Why parse_frame() gave nothing.
[[nodiscard]] inline std::string_view no_frame(std::string_view message) noexcept {
  return message.empty() ? "a message without bytes"
                         : "a message without the number of a schema: it does not begin with a "
                           "byte 0 and 4 more";
}

/// Appends what comes before a record.
inline void write_frame(std::uint32_t schema_id, std::string& to) {
  to += '\0';
  for (unsigned shift = 32; shift > 0;) {
    shift -= 8;
    to += static_cast<char>(schema_id >> shift);
  }
}

}  // namespace millrace::avro
