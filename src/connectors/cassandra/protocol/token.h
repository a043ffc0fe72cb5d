// Which node has which partition: tokens of partition keys, and the ring of nodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::cassandra {

/// The token of a partition key under Murmur3Partitioner: the first half of MurmurHash3_x64_128
/// with Cassandra's difference, that the bytes of an unfinished block are taken as signed.
[[nodiscard]] std::int64_t token_of(std::string_view partition_key) noexcept;

/// The bytes of a partition key of one column are its value; of several, each with its length
/// before it and a zero behind. Appends a column to one of several.
void add_key_part(std::string_view value, std::string& key);

/// Tokens and the nodes that own the ranges up to them.
class TokenRing {
 public:
  TokenRing() = default;
  explicit TokenRing(std::vector<std::pair<std::int64_t, std::size_t>> tokens);

  [[nodiscard]] bool empty() const noexcept { return tokens_.empty(); }
  /// The node with the first replica. Of a ring that isn't empty.
  [[nodiscard]] std::size_t owner(std::int64_t token) const noexcept;

 private:
  std::vector<std::pair<std::int64_t, std::size_t>> tokens_;
};

/// Tokens after `from`, up to and with `to`.
struct TokenRange {
  std::int64_t from = 0;
  std::int64_t to = 0;

  bool operator==(const TokenRange&) const = default;
};

/// The whole ring in so many ranges of the same size.
[[nodiscard]] std::vector<TokenRange> split_ring(std::size_t count);

}  // namespace millrace::cassandra
