#include "base/line_output.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>

namespace millrace {

using std::chrono::steady_clock;

bool LineOutput::write(std::string_view line) {
  const auto until = steady_clock::now() + (full_ ? std::chrono::milliseconds(0) : patience_);
  std::string with_end;
  if (torn_) {
    with_end = "\n";
    with_end += line;
    line = with_end;
  }
  auto rest = line;
  while (!rest.empty()) {
    const auto piece = write_piece(rest, until);
    if (piece != Piece::written) {
      full_ = piece == Piece::full;
      torn_ = torn_ || rest.size() < line.size();
      return false;
    }
  }
  full_ = false;
  torn_ = false;
  return true;
}

/// As much as is sure not to block once there is room at all: a pipe that has some has it for
/// PIPE_BUF bytes (pipe(7)), and a socket can be told.
LineOutput::Piece LineOutput::write_piece(std::string_view& rest, steady_clock::time_point until) {
  const auto now = steady_clock::now();
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::max(until, now) - now);
  pollfd room{.fd = fd_, .events = POLLOUT, .revents = 0};
  const int ready = ::poll(&room, 1, static_cast<int>(wait.count()));
  if (ready == 0) {
    return Piece::full;
  }
  if (ready > 0) {
    const auto size = std::min<std::size_t>(rest.size(), PIPE_BUF);
    ssize_t written = -1;
    if (is_socket_) {
      written = ::send(fd_, rest.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL);
      is_socket_ = written >= 0 || errno != ENOTSOCK;
    }
    if (!is_socket_) {
      written = ::write(fd_, rest.data(), size);
    }
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
      return Piece::written;
    }
  }
  if (errno == EAGAIN && steady_clock::now() >= until) {
    return Piece::full;
  }
  return errno == EAGAIN || errno == EINTR ? Piece::written : Piece::broken;  // written: none of it
}

}  // namespace millrace
