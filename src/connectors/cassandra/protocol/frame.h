// Messages on their way through a connection: envelopes with a header each, and, from v5 on and
// after the greeting, segments with checksums around them (native_protocol_v5.spec, section 2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::cassandra {

enum class Opcode : std::uint8_t {
  error = 0x00,
  startup = 0x01,
  ready = 0x02,
  authenticate = 0x03,
  options = 0x05,
  supported = 0x06,
  query = 0x07,
  result = 0x08,
  prepare = 0x09,
  execute = 0x0A,
  event = 0x0C,
  batch = 0x0D,
  auth_challenge = 0x0E,
  auth_response = 0x0F,
  auth_success = 0x10,
};

constexpr int kNewestVersion = 5;
constexpr int kOldestVersion = 4;
/// The server's own limit of an envelope, by default 16 MiB to it and 256 MiB from it.
constexpr std::size_t kEnvelopeBytesMax = std::size_t{256} << 20;
/// Payload of a segment.
constexpr std::size_t kSegmentBytesMax = (1U << 17) - 1;

/// An answer.
struct Envelope {
  int version = 0;
  std::int16_t stream = 0;
  Opcode opcode = Opcode::error;
  std::string body;  ///< without what flags put before it: warnings, tracing, payload
};

/// How both sides have agreed to write.
struct Framing {
  int version = kNewestVersion;
  bool segments = false;  ///< v5, after the greeting
  bool lz4 = false;       ///< after the greeting
};

/// Makes requests' bytes.
class FrameWriter {
 public:
  void set(const Framing& framing) noexcept { framing_ = framing; }
  /// Appends a request.
  void add(std::int16_t stream, Opcode opcode, std::string_view body);
  /// The bytes of all that was added, and forgets them.
  [[nodiscard]] std::string take();
  [[nodiscard]] std::size_t pending() const noexcept { return envelopes_.size(); }

 private:
  void add_segment(std::string_view payload, bool is_whole, std::string& to);

  Framing framing_;
  std::string envelopes_;
  std::string scratch_;
};

/// Takes answers' bytes apart. Throws BadFrame for what is none, or too large.
class FrameReader {
 public:
  void set(const Framing& framing) noexcept { framing_ = framing; }
  void add(std::string_view bytes) { incoming_ += bytes; }
  /// The next answer; nullopt: its bytes are not all there yet.
  [[nodiscard]] std::optional<Envelope> next();

 private:
  bool open_segment();
  std::optional<Envelope> cut_envelope(std::string& from, std::size_t& begin);

  Framing framing_;
  std::string incoming_;
  std::size_t begin_ = 0;  // of what was not read yet, in incoming_
  std::string envelopes_;  // what was in segments
  std::size_t envelopes_begin_ = 0;
};

}  // namespace millrace::cassandra
