#include "connectors/s3/command_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

#include "base/error.h"
#include "base/files.h"

namespace millrace::s3 {

namespace {

constexpr auto kPatience = std::chrono::seconds(60);
constexpr std::size_t kMost = std::size_t{64} << 10U;
constexpr int kLookMs = 100;

/// A process and what it started, which end with this at the latest.
class Shell {
 public:
  Shell(const std::string& command, int output) {
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    std::array<std::string, 3> words{"sh", "-c", command};
    std::array<char*, 4> argv{words[0].data(), words[1].data(), words[2].data(), nullptr};
    const int error =
        ::posix_spawn(&process_, "/bin/sh", &actions, &attributes, argv.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
      throw Error(Blame::external,
                  fmt::format("can't run a credential_process: {}", errno_text(error)), Retry::yes);
    }
  }
  ~Shell() {
    if (process_ > 0) {
      ::kill(-process_, SIGKILL);
      (void)wait();
    }
  }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  /// Its exit status, as waitpid() has it.
  int wait() {
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = 0;
    return status;
  }

 private:
  pid_t process_ = 0;
};

}  // namespace

std::expected<std::string, std::string> command_output(const std::string& command,
                                                       const std::stop_token& stop) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw Error(Blame::external, fmt::format("can't make a pipe: {}", errno_text(errno)),
                Retry::yes);
  }
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  Shell shell(command, theirs.get());
  theirs.reset();
  std::string output;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  std::array<char, 4096> piece{};
  for (;;) {
    if (stop.stop_requested()) {
      throw Stopped();
    }
    if (std::chrono::steady_clock::now() > until) {
      return std::unexpected("it takes longer than a minute");
    }
    pollfd waiting{.fd = ours.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, kLookMs) <= 0) {
      continue;
    }
    const auto got = ::read(ours.get(), piece.data(), piece.size());
    if (got <= 0) {
      break;
    }
    output.append(piece.data(), static_cast<std::size_t>(got));
    if (output.size() > kMost) {
      return std::unexpected("it says more than 64 KiB");
    }
  }
  const int status = shell.wait();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return std::unexpected(WIFEXITED(status) ? fmt::format("exit code {}", WEXITSTATUS(status))
                                             : fmt::format("signal {}", WTERMSIG(status)));
  }
  return output;
}

}  // namespace millrace::s3
