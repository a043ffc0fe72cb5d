// A server's binlog, event by event, as a replica asks for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "connectors/mysql/binlog_position.h"
#include "connectors/mysql/binlog_table.h"
#include "connectors/mysql/connection.h"

namespace millrace::mysql {

/// The server has removed the binlog's files that were still to be read.
class PurgedBinlog final : public Error {
 public:
  PurgedBinlog(const BinlogPosition& from, std::string_view text);
};

/// An event, valid until the next one is asked for.
struct BinlogEvent {
  unsigned type = 0;
  std::uint32_t server_id = 0;  ///< of the server on which it happened
  std::uint64_t next = 0;       ///< the offset behind it, in its file
  std::int64_t time_s = 0;      ///< since 1970
  ByteReader body;              ///< without header and checksum
};

/// Used by one thread. Calls throw ServerError, PurgedBinlog or Stopped.
class BinlogFeed {
 public:
  struct Settings {
    std::uint32_t server_id = 0;  ///< ours, as a replica
    bool waits = true;            ///< at the binlog's end, for more
  };
  /// Connects, and asks for what comes after a position.
  BinlogFeed(const ConnectionOptions& options, const BinlogPosition& from, const Settings& settings,
             const std::stop_token& stop);
  BinlogFeed(const BinlogFeed&) = delete;
  BinlogFeed& operator=(const BinlogFeed&) = delete;

  /// nullopt: the end, if it does not wait.
  [[nodiscard]] std::optional<BinlogEvent> next();
  [[nodiscard]] Connection& connection() noexcept { return connection_; }

 private:
  void prepare_mariadb();
  void check_replica();
  void begin();
  void ask(int command, const std::string& request);
  /// The size of what came; nullopt: the end.
  std::optional<std::size_t> read_packet();

  BinlogPosition from_;
  Settings settings_;
  Connection connection_;
  bool has_checksums_ = false;
};

}  // namespace millrace::mysql
