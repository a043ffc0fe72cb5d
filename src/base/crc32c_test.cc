#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>

namespace millrace {
namespace {

// RFC 3720, appendix B.4.
TEST(Crc32c, KnownValues) {
  std::string ascending(32, '\0');
  std::iota(ascending.begin(), ascending.end(), '\0');
  for (auto* function : {&crc32c, &crc32c_portable}) {
    EXPECT_EQ(function("", 0), 0U);
    EXPECT_EQ(function("123456789", 0), 0xE3069283U);
    EXPECT_EQ(function(std::string(32, '\0'), 0), 0x8A9136AAU);
    EXPECT_EQ(function(std::string(32, '\xFF'), 0), 0x62A8AB43U);
    EXPECT_EQ(function(ascending, 0), 0x46DD794EU);
  }
}

TEST(Crc32c, PiecesGiveTheSameAsTheWhole) {
  std::string bytes(1000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(i * 131 % 251);
  }
  const std::uint32_t whole = crc32c(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); cut += 7) {
    EXPECT_EQ(crc32c(bytes.substr(cut), crc32c(bytes.substr(0, cut))), whole);
    EXPECT_EQ(crc32c_portable(bytes.substr(cut), crc32c_portable(bytes.substr(0, cut))), whole);
  }
}

}  // namespace
}  // namespace millrace
