#include "connectors/nexmark/words.h"

#include "base/strings.h"

namespace millrace::nexmark {
namespace {

constexpr std::uint64_t kShortest = 3;  // as published: the shortest made-up word
constexpr std::uint64_t kSpecial = 13;  // as published: one in so many letters is something else

constexpr std::array<std::string_view, Words::kHotChannels> kHotNames{"Google", "Facebook", "Baidu",
                                                                      "Apple"};

char letter(Random& random) { return static_cast<char>('a' + random.below(26)); }

char letter_or(Random& random, char special) {
  return random.below(kSpecial) == 0 ? special : letter(random);
}

/// "https://www.nexmark.com/abc/d_fg/hij/item.htm?query=1"
std::string page(Random& random) {
  std::string url = "https://www.nexmark.com/";
  for (int folder = 0; folder < 3; folder++) {
    const auto length = kShortest + random.below(5 - kShortest);
    for (std::uint64_t i = 0; i < length; i++) {
      url += letter_or(random, '_');
    }
    url += '/';
  }
  return url + "item.htm?query=1";
}

/// The published number of a channel: the bits of its index from the other end, made positive.
std::uint32_t channel_id(std::uint32_t index) {
  std::uint32_t reversed = 0;
  for (int bit = 0; bit < 32; bit++, index >>= 1U) {
    reversed = (reversed << 1U) | (index & 1U);
  }
  return reversed > INT32_MAX ? -reversed : reversed;
}

}  // namespace

const Words& Words::get() {
  static const Words kWords;
  return kWords;
}

Words::Words() {
  Random random(0, 0);
  for (std::size_t i = 0; i < kTextBytes; i++) {
    letters_ += letter(random);
    phrases_ += letter_or(random, ' ');
  }
  channels_.reserve(kHotChannels + kOtherChannels);
  for (const auto name : kHotNames) {
    channels_.push_back({std::string(name), page(random)});
  }
  for (std::uint32_t i = 0; i < kOtherChannels; i++) {
    auto url = page(random);
    if (random.below(10) > 0) {  // as published: one in ten has none
      url += "&channel_id=" + std::to_string(channel_id(i));
    }
    channels_.push_back({"channel-" + std::to_string(i), std::move(url)});
  }
}

std::string_view Words::phrase(Random& random, std::size_t bound) const {
  const auto length = kShortest + random.below(bound - kShortest);
  return trim(std::string_view(phrases_).substr(random.below(kTextBytes - length), length));
}

}  // namespace millrace::nexmark
