#include "base/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>

#include "base/test_folder.h"

namespace millrace {
namespace {

class Files : public ::testing::Test {
 protected:
  [[nodiscard]] std::string in(const std::string& name) const { return folder_ + "/" + name; }

  TempFolder temporary_;
  std::string folder_ = temporary_.path();
};

/// The text of the Error that a call throws.
std::string error_of(const std::function<void()>& call, Blame blame = Blame::external) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.blame(), blame);
    return error.what();
  }
  return "no error";
}

TEST_F(Files, AreReplacedAsAWhole) {
  write_file_atomically(in("a"), "old");
  write_file_atomically(in("a"), "new");
  EXPECT_EQ(read_file(in("a")), "new");
  EXPECT_EQ(list_folder(folder_), std::vector<std::string>{"a"});
  std::string into;
  EXPECT_EQ(read_file_or_errno(in("none"), into), ENOENT);
}

TEST_F(Files, FoldersAreMadeAndRemoved) {
  make_folders(in("x/y/z"));
  make_folders(in("x/y/z/"));
  EXPECT_TRUE(is_folder(in("x/y/z")));
  write_file_atomically(in("x/y/f"), "1", false);
  EXPECT_FALSE(is_folder(in("x/y/f")));
  EXPECT_TRUE(exists(in("x/y/f")));
  EXPECT_TRUE(remove_file(in("x/y/f")));
  EXPECT_FALSE(remove_file(in("x/y/f")));
  remove_tree(in("x"));
  remove_tree(in("x"));
  EXPECT_FALSE(exists(in("x")));
  EXPECT_TRUE(list_folder(in("x")).empty());
}

TEST_F(Files, ErrorsNameOperationPathAndReason) {
  EXPECT_EQ(error_of([&] { (void)read_file(in("none")); }),
            "cannot read `" + in("none") + "`: No such file or directory");
  write_file_atomically(in("f"), "", false);
  EXPECT_EQ(error_of([&] { make_folders(in("f/g")); }),
            "cannot create the folder `" + in("f") + "`: File exists");
  EXPECT_EQ(error_of([&] { rename_file(in("none"), in("to")); }),
            "cannot rename `" + in("none") + "` to `" + in("to") + "`: No such file or directory");
  EXPECT_EQ(error_of([] { throw_file_error("write", "/x", ENOSPC); }),
            "cannot write `/x`: No space left on device; free some space on that file system");
  EXPECT_EQ(error_of([] { throw_file_error("create", "/x", EROFS); }),
            "cannot create `/x`: Read-only file system; choose a path on a file system that can be "
            "written");
  EXPECT_EQ(error_of([] { throw_file_error("create", "/x", EACCES); }),
            "cannot create `/x`: Permission denied; give the user that runs millrace the "
            "permission, or choose another path");
}

TEST_F(Files, PathsAreRelativeToAFolder) {
  EXPECT_EQ(resolve_path("/base", "a/b"), "/base/a/b");
  EXPECT_EQ(resolve_path("/base/", "a"), "/base/a");
  EXPECT_EQ(resolve_path("/base", "/a"), "/a");
  EXPECT_EQ(resolve_path("/base", "s3://lake/a"), "s3://lake/a");
  EXPECT_EQ(resolve_path(".", "a"), "a");
  EXPECT_EQ(folder_of("a/b/c"), "a/b");
  EXPECT_EQ(folder_of("c"), ".");
  EXPECT_EQ(folder_of("/c"), "/");
  EXPECT_EQ(name_of_file("a/b/c"), "c");
  EXPECT_EQ(absolute_path("/a/./b/../c/"), "/a/c");
}

TEST_F(Files, LogsGrowAtTheirEnd) {
  {
    AppendFile log(in("log"));
    log.write("one");
    log.sync();
  }
  AppendFile log(in("log"));
  EXPECT_EQ(log.size(), 3);
  log.write("two");
  log.truncate(4);
  log.write("!");
  EXPECT_EQ(log.size(), 5);
  EXPECT_EQ(read_file(in("log")), "onet!");
}

// A limit on the size of files stands in for a full disk: both cut a write short.
TEST_F(Files, AWriteThatDoesNotFitIsTakenBack) {
  AppendFile log(in("log"));
  log.write("whole");
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{8, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = error_of([&] { log.write("too much for it"); });
  const std::string atomic = error_of([&] { write_file_atomically(in("f"), "too much for it"); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(message, "cannot write `" + in("log") + "`: File too large");
  EXPECT_EQ(read_file(in("log")), "whole");
  EXPECT_EQ(log.size(), 5);
  EXPECT_EQ(atomic, "cannot write `" + in(".f.tmp") + "`: File too large");
  EXPECT_EQ(list_folder(folder_), std::vector<std::string>{"log"});
}

TEST_F(Files, ALockNamesItsHolder) {
  {
    const FileLock lock(in("lock"), "pipeline orders");
    EXPECT_EQ(error_of([&] { FileLock(in("lock"), "pipeline orders"); }, Blame::user),
              "pipeline orders is already running in process " + std::to_string(::getpid()) +
                  "; stop that process first (lock file `" + in("lock") + "`)");
  }
  const FileLock again(in("lock"), "pipeline orders");
}

// A process that was killed leaves the file, but not the lock.
TEST_F(Files, ALockDiesWithItsProcess) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const FileLock lock(in("lock"), "pipeline orders");
    (void)!::write(ready[1], "x", 1);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_NE(error_of([&] { FileLock(in("lock"), "p"); }, Blame::user)
                .find("process " + std::to_string(child)),
            std::string::npos);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const FileLock lock(in("lock"), "pipeline orders");
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(Files, DescriptorsAreClosedOnce) {
  UniqueFd a(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int raw = a.get();
  UniqueFd b(std::move(a));
  EXPECT_FALSE(a.is_open());  // NOLINT(bugprone-use-after-move): what a move leaves is the point
  EXPECT_EQ(b.get(), raw);
  b = UniqueFd();
  EXPECT_EQ(::fcntl(raw, F_GETFD), -1);
}

}  // namespace
}  // namespace millrace
