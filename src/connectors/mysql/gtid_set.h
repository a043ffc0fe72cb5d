// MySQL's sets of transactions: "uuid:1-5:8,uuid:1-3", by the servers on which they began.
// https://dev.mysql.com/doc/refman/8.4/en/replication-gtids-concepts.html
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::mysql {

class GtidSet {
 public:
  using Server = std::array<unsigned char, 16>;

  /// nullopt: it is none that we can read; such are those with tags.
  [[nodiscard]] static std::optional<GtidSet> parse(std::string_view text);

  void add(const Server& server, std::uint64_t number);
  [[nodiscard]] bool contains(const GtidSet& other) const;
  [[nodiscard]] std::string text() const;
  /// As COM_BINLOG_DUMP_GTID has it.
  [[nodiscard]] std::string encoded() const;

 private:
  /// The first number of a range -> the one behind its last; ranges neither meet nor overlap.
  using Ranges = std::map<std::uint64_t, std::uint64_t>;
  static void add(Ranges& ranges, std::uint64_t first, std::uint64_t end);

  std::map<Server, Ranges> servers_;
};

}  // namespace millrace::mysql
