#include "connectors/mysql/gtid_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/strings.h"

namespace millrace::mysql {

namespace {

std::optional<std::uint64_t> natural(std::string_view text) {
  std::uint64_t number = 0;
  const auto end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  return read.ec == std::errc() && read.ptr == end && number > 0 && number < INT64_MAX
             ? std::optional(number)
             : std::nullopt;
}

/// "3e11fa47-71ca-11e1-9e33-c80aa9429562"
std::optional<GtidSet::Server> server_of(std::string_view text) {
  std::string digits(text);
  std::erase(digits, '-');
  GtidSet::Server server{};
  if (text.size() != 36 || digits.size() != 2 * server.size()) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < server.size(); ++i) {
    const auto* begin = digits.data() + 2 * i;
    const auto read = std::from_chars(begin, begin + 2, server[i], 16);
    if (read.ec != std::errc() || read.ptr != begin + 2) {
      return std::nullopt;
    }
  }
  return server;
}

std::string uuid_text(const GtidSet::Server& server) {
  std::string text;
  for (std::size_t i = 0; i < server.size(); ++i) {
    text += i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
    text += fmt::format("{:02x}", server[i]);
  }
  return text;
}

void append(std::uint64_t number, std::string& to) {
  for (unsigned i = 0; i < 8; ++i) {
    to += static_cast<char>(number >> (8 * i) & 0xFFU);
  }
}

}  // namespace

std::optional<GtidSet> GtidSet::parse(std::string_view text) {
  GtidSet set;
  std::string plain(text);
  std::erase_if(plain, [](char c) { return c == ' ' || c == '\n' || c == '\r'; });
  for (const auto one : split(plain, ',')) {
    if (one.empty()) {
      continue;
    }
    const auto parts = split(one, ':');
    const auto server = server_of(parts.front());
    if (!server || parts.size() < 2) {
      return std::nullopt;
    }
    for (std::size_t i = 1; i < parts.size(); ++i) {
      const auto dash = parts[i].find('-');
      const auto first = natural(parts[i].substr(0, dash));
      const auto last = dash == std::string_view::npos ? first : natural(parts[i].substr(dash + 1));
      if (!first || !last || *last < *first) {
        return std::nullopt;
      }
      add(set.servers_[*server], *first, *last + 1);
    }
  }
  return set;
}

void GtidSet::add(Ranges& ranges, std::uint64_t first, std::uint64_t end) {
  auto at = ranges.upper_bound(first);
  if (at != ranges.begin() && std::prev(at)->second >= first) {
    at = std::prev(at);
    first = at->first;
  }
  while (at != ranges.end() && at->first <= end) {
    end = std::max(end, at->second);
    at = ranges.erase(at);
  }
  ranges.emplace(first, end);
}

void GtidSet::add(const Server& server, std::uint64_t number) {
  add(servers_[server], number, number + 1);
}

bool GtidSet::contains(const GtidSet& other) const {
  return std::ranges::all_of(other.servers_, [&](const auto& wanted) {
    const auto found = servers_.find(wanted.first);
    return std::ranges::all_of(wanted.second, [&](const auto& range) {
      if (found == servers_.end()) {
        return false;
      }
      const auto after = found->second.upper_bound(range.first);
      return after != found->second.begin() && std::prev(after)->second >= range.second;
    });
  });
}

std::string GtidSet::text() const {
  std::string text;
  for (const auto& [server, ranges] : servers_) {
    text += text.empty() ? "" : ",";
    text += uuid_text(server);
    for (const auto& [first, end] : ranges) {
      text += end == first + 1 ? fmt::format(":{}", first) : fmt::format(":{}-{}", first, end - 1);
    }
  }
  return text;
}

std::string GtidSet::encoded() const {
  std::string bytes;
  append(servers_.size(), bytes);
  for (const auto& [server, ranges] : servers_) {
    bytes.append(server.begin(), server.end());
    append(ranges.size(), bytes);
    for (const auto& [first, end] : ranges) {
      append(first, bytes);
      append(end, bytes);
    }
  }
  return bytes;
}

}  // namespace millrace::mysql
