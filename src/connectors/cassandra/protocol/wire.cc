#include "connectors/cassandra/protocol/wire.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

namespace millrace::cassandra {

namespace {

/// Of ours: who makes requests has checked what comes from outside.
void check_length(std::size_t length, std::size_t most) {
  if (length > most) {
    throw Error(Blame::internal, fmt::format("{} bytes where the protocol takes {}", length, most));
  }
}

}  // namespace

void put_string(std::string_view text, std::string& to) {
  check_length(text.size(), std::numeric_limits<std::uint16_t>::max());
  put(static_cast<std::uint16_t>(text.size()), to);
  to += text;
}

void put_long_string(std::string_view text, std::string& to) { put_bytes(text, to); }

void put_short_bytes(std::string_view bytes, std::string& to) { put_string(bytes, to); }

void put_bytes(std::string_view bytes, std::string& to) {
  check_length(bytes.size(), std::numeric_limits<std::int32_t>::max());
  put(static_cast<std::int32_t>(bytes.size()), to);
  to += bytes;
}

void put_null(std::string& to) { put(std::int32_t{-1}, to); }

void put_unset(std::string& to) { put(std::int32_t{-2}, to); }

std::string_view WireReader::take(std::size_t count) {
  if (count > rest_.size()) {
    throw BadFrame(fmt::format("{} more bytes were expected, and {} came", count, rest_.size()));
  }
  const auto taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}

std::optional<std::string_view> WireReader::bytes() {
  const auto length = integer();
  return length < 0 ? std::nullopt : std::optional(take(static_cast<std::size_t>(length)));
}

std::size_t WireReader::count(std::size_t bytes_each) {
  const auto count = integer();
  if (count < 0 || std::cmp_greater(count, rest_.size() / bytes_each)) {
    throw BadFrame(fmt::format("a count of {} in {} bytes", count, rest_.size()));
  }
  return static_cast<std::size_t>(count);
}

}  // namespace millrace::cassandra
