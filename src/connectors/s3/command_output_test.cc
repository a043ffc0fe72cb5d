#include "connectors/s3/command_output.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"

namespace millrace::s3 {
namespace {

TEST(CommandOutput, WhatACommandSays) {
  EXPECT_EQ(command_output("echo a; echo 'b c'", {}), "a\nb c\n");
  EXPECT_EQ(command_output("cat", {}), "");  // nothing to read
  EXPECT_EQ(command_output("head -c 60000 /dev/zero | tr '\\0' x", {})->size(), 60'000);
}

TEST(CommandOutput, WhyThereIsNone) {
  EXPECT_EQ(command_output("echo a; exit 7", {}).error(), "exit code 7");
  EXPECT_EQ(command_output("kill -9 $$", {}).error(), "signal 9");
  EXPECT_EQ(command_output("no-such-command-here 2>/dev/null", {}).error(), "exit code 127");
  EXPECT_EQ(command_output("head -c 70000 /dev/zero; sleep 100", {}).error(),
            "it says more than 64 KiB");
}

TEST(CommandOutput, EndsWithWhoWaits) {
  std::stop_source stop;
  const std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_THROW((void)command_output("sleep 100 & sleep 100", stop.get_token()), Stopped);
}

}  // namespace
}  // namespace millrace::s3
