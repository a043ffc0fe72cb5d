#include "base/line_output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string>

#include "base/files.h"

namespace millrace {
namespace {

using std::chrono::milliseconds;

struct Ends {
  UniqueFd reader;
  UniqueFd writer;
};

Ends make_pipe() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Ends make_socket() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

/// What waits to be read now.
std::string drain(int fd) {
  (void)::fcntl(fd, F_SETFL, O_NONBLOCK);
  std::string all;
  std::array<char, 4096> part{};
  for (ssize_t n = 0; (n = ::read(fd, part.data(), part.size())) > 0;) {
    all.append(part.data(), static_cast<std::size_t>(n));
  }
  return all;
}

class LineOutputTest : public ::testing::TestWithParam<bool> {
 protected:
  Ends ends_ = GetParam() ? make_socket() : make_pipe();
};

TEST_P(LineOutputTest, WritesWholeLines) {
  LineOutput output(ends_.writer.get(), milliseconds(100));
  const std::string long_line = std::string(10'000, 'x') + "\n";
  EXPECT_TRUE(output.write("one\n"));
  EXPECT_TRUE(output.write(long_line));
  EXPECT_EQ(drain(ends_.reader.get()), "one\n" + long_line);
}

// A log that nobody reads must not stop the pipeline that writes it.
TEST_P(LineOutputTest, LosesLinesThatNobodyReadsAndGoesOnWithWholeOnes) {
  LineOutput output(ends_.writer.get(), milliseconds(1));
  const std::string line = std::string(6'000, 'x') + "\n";
  int written = 0;
  while (output.write(line)) {
    written++;
  }
  EXPECT_GT(written, 3);
  EXPECT_FALSE(output.write("lost\n"));
  const auto read = drain(ends_.reader.get());
  EXPECT_GE(read.size(), static_cast<std::size_t>(written) * line.size());
  EXPECT_EQ(read.find("lost"), std::string::npos);
  EXPECT_TRUE(output.write("again\n"));
  const auto after = drain(ends_.reader.get());
  EXPECT_EQ(after, read.ends_with('\n') ? "again\n" : "\nagain\n");
}

TEST_P(LineOutputTest, AReaderWhoIsGoneIsNoError) {
  ends_.reader.reset();
  if (!GetParam()) {
    (void)::signal(SIGPIPE, SIG_IGN);
  }
  LineOutput output(ends_.writer.get(), milliseconds(1));
  EXPECT_FALSE(output.write("one\n"));
}

INSTANTIATE_TEST_SUITE_P(PipesAndSockets, LineOutputTest, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "socket" : "pipe"; });

}  // namespace
}  // namespace millrace
