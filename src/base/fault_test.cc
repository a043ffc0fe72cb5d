#include "base/fault.h"

#include <gtest/gtest.h>

#ifdef MILLRACE_FAULTS
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "base/error.h"
#include "base/files.h"
#include "base/test_folder.h"
#endif

namespace millrace {
namespace {

#ifdef MILLRACE_FAULTS

/// Passes a, b, b in a process with this environment; how it ended (waitpid's status).
int run(const char* fault, const char* log) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("MILLRACE_FAULT", fault, 1);
    ::setenv("MILLRACE_FAULT_LOG", log, 1);
    int code = 0;
    try {
      fault_point("a");
      fault_point("b");
      fault_point("b");
    } catch (const Error&) {
      code = 3;
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(Fault, KillsOrFailsAtTheHitThatWasAskedFor) {
  EXPECT_EQ(run("", ""), 0);
  EXPECT_EQ(run("c:1", ""), 0);
  EXPECT_EQ(run("b:3", ""), 0);
  EXPECT_TRUE(WIFSIGNALED(run("b:2", "")));
  EXPECT_EQ(WTERMSIG(run("b:2:kill", "")), SIGKILL);
  EXPECT_EQ(WEXITSTATUS(run("b:1:error", "")), 3);
  EXPECT_EQ(WEXITSTATUS(run("b", "")), 3);  // a mistake in the variable is an Error, too
  EXPECT_EQ(WEXITSTATUS(run("b:1:bang", "")), 3);
}

TEST(Fault, EveryPointThatIsPassedIsLogged) {
  const TempFolder folder;
  const auto path = folder.write("passed", "");
  EXPECT_EQ(run("", path.c_str()), 0);
  EXPECT_EQ(read_file(path), "a\nb\nb\n");
}

#else

TEST(Fault, IsNothingInThisBuild) { fault_point("anything"); }

#endif

}  // namespace
}  // namespace millrace
