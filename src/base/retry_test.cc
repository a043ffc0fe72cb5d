#include "base/retry.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace {
namespace {

using std::chrono::milliseconds;

class RetrierTest : public ::testing::Test {
 protected:
  RetrierTest() {
    set_log_writer([this](std::string_view line) { lines_.emplace_back(line); });
  }
  ~RetrierTest() override { set_log_writer({}); }

  Retrier retrier(std::optional<milliseconds> patience = std::nullopt) {
    return {
        stop_.get_token(),
        Log(),
        {.first_pause = milliseconds(1), .longest_pause = milliseconds(2), .patience = patience}};
  }
  /// Fails so many times, then gives how often it was called.
  int call(int failures, Retry retry) {
    if (++calls_ <= failures) {
      throw Error(Blame::external, "no broker", retry);
    }
    return calls_;
  }

  std::stop_source stop_;
  std::vector<std::string> lines_;
  int calls_ = 0;
};

TEST_F(RetrierTest, tries_until_it_works_and_says_so_once) {
  EXPECT_EQ(retrier()([&] { return call(3, Retry::yes); }), 4);
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_NE(lines_[0].find("no broker; trying again"), std::string::npos) << lines_[0];
}

TEST_F(RetrierTest, does_not_try_again_what_needs_somebody_to_act) {
  EXPECT_THROW(retrier()([&] { return call(1, Retry::no); }), Error);
  EXPECT_EQ(calls_, 1);
  EXPECT_TRUE(lines_.empty());
}

TEST_F(RetrierTest, gives_up_with_the_error_when_its_patience_ends) {
  try {
    retrier(milliseconds(0))([&] { return call(1, Retry::yes); });
    FAIL() << "it went on";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "no broker");
  }
  EXPECT_EQ(calls_, 1);
}

TEST_F(RetrierTest, hears_a_stop) {
  const auto wait = [&] {
    retrier()([&] {
      stop_.request_stop();
      return call(1, Retry::yes);
    });
  };
  EXPECT_THROW(wait(), Stopped);
  EXPECT_EQ(calls_, 1);
}

}  // namespace
}  // namespace millrace
