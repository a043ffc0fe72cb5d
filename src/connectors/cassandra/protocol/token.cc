#include "connectors/cassandra/protocol/token.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "connectors/cassandra/protocol/wire.h"
#include "core/int128.h"

namespace millrace::cassandra {

namespace {

constexpr std::uint64_t kFirst = 0x87c37b91114253d5;
constexpr std::uint64_t kSecond = 0x4cf5ad432745937f;
constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();

std::uint64_t mix_end(std::uint64_t k) noexcept {
  k ^= k >> 33;
  k *= 0xff51afd7ed558ccd;
  k ^= k >> 33;
  k *= 0xc4ceb9fe1a85ec53;
  return k ^ (k >> 33);
}

std::uint64_t mix_first(std::uint64_t k) noexcept { return std::rotl(k * kFirst, 31) * kSecond; }
std::uint64_t mix_second(std::uint64_t k) noexcept { return std::rotl(k * kSecond, 33) * kFirst; }

std::uint64_t word_at(const char* from) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof(word));
  return std::endian::native == std::endian::little ? word : std::byteswap(word);
}

/// Up to eight bytes, each as a signed number.
std::uint64_t signed_bytes(std::string_view bytes) noexcept {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    word ^=
        static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<signed char>(bytes[i])))
        << (8 * i);
  }
  return word;
}

}  // namespace

std::int64_t token_of(std::string_view partition_key) noexcept {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  std::string_view rest = partition_key;
  for (; rest.size() >= 16; rest.remove_prefix(16)) {
    first ^= mix_first(word_at(rest.data()));
    first = (std::rotl(first, 27) + second) * 5 + 0x52dce729;
    second ^= mix_second(word_at(rest.data() + 8));
    second = (std::rotl(second, 31) + first) * 5 + 0x38495ab5;
  }
  if (rest.size() > 8) {
    second ^= mix_second(signed_bytes(rest.substr(8)));
  }
  if (!rest.empty()) {
    first ^= mix_first(signed_bytes(rest.substr(0, 8)));
  }
  first ^= partition_key.size();
  second ^= partition_key.size();
  first += second;
  second += first;
  first = mix_end(first);
  second = mix_end(second);
  const auto token = static_cast<std::int64_t>(first + second);
  return token == kLowest ? std::numeric_limits<std::int64_t>::max() : token;
}

void add_key_part(std::string_view value, std::string& key) {
  put_short_bytes(value, key);
  key += '\0';
}

TokenRing::TokenRing(std::vector<std::pair<std::int64_t, std::size_t>> tokens)
    : tokens_(std::move(tokens)) {
  std::ranges::sort(tokens_);
}

std::size_t TokenRing::owner(std::int64_t token) const noexcept {
  const auto found =
      std::ranges::lower_bound(tokens_, token, {}, &std::pair<std::int64_t, std::size_t>::first);
  return found == tokens_.end() ? tokens_.front().second : found->second;
}

std::vector<TokenRange> split_ring(std::size_t count) {
  std::vector<TokenRange> ranges;
  ranges.reserve(count);
  const auto place = [&](std::size_t i) {
    const Int128 whole = (Int128{1} << 64) - 1;
    return static_cast<std::int64_t>(kLowest +
                                     whole * static_cast<Int128>(i) / static_cast<Int128>(count));
  };
  for (std::size_t i = 0; i < count; ++i) {
    ranges.push_back({.from = place(i), .to = place(i + 1)});
  }
  return ranges;
}

}  // namespace millrace::cassandra
