// Lines to a descriptor whose reader may stop reading.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace millrace {

/// Writes whole lines, and waits no longer for a reader than its patience: what then has no room is
/// lost. After that lines wait for nothing, until there is room again. From one thread at a time.
class LineOutput {
 public:
  /// The descriptor stays the caller's, and may be a file, a pipe, a socket or a terminal.
  LineOutput(int fd, std::chrono::milliseconds patience) : fd_(fd), patience_(patience) {}

  /// A line with its line end. False: it was lost, or its end was.
  bool write(std::string_view line);

 private:
  enum class Piece : std::uint8_t { written, full, broken };
  Piece write_piece(std::string_view& rest, std::chrono::steady_clock::time_point until);

  int fd_;
  std::chrono::milliseconds patience_;
  bool is_socket_ = true;  ///< until it turns out to be none
  bool full_ = false;      ///< the last line was lost
  bool torn_ = false;      ///< the beginning of a line stands alone
};

}  // namespace millrace
