// The changes of one table, as the server's binlog tells them, fetched ahead by a thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "connectors/mysql/binlog_feed.h"
#include "connectors/mysql/binlog_position.h"
#include "connectors/mysql/binlog_table.h"
#include "connectors/mysql/connection.h"

namespace millrace::mysql {

/// `restored`: no change, but a row as it was at an earlier moment.
enum class ChangeKind : std::uint8_t { insert, update, remove, restored };

/// Rows that one statement changed in the same way, as the binlog has them.
struct RowsEvent {
  std::shared_ptr<const BinlogTable> table;
  ChangeKind kind = ChangeKind::insert;
  std::vector<unsigned char> images;   ///< a row each; of an update, before and after
  std::vector<unsigned char> present;  ///< the columns that images have: a bit each
  std::vector<unsigned char> present_after;
  std::int64_t first = 0;  ///< the first change's sequence
  std::int64_t changes = 0;
  std::int64_t time_us = 0;  ///< of the statement, since 1970
};

/// What a stream reads, and how much it holds.
struct StreamSettings {
  std::string database;
  std::string table;
  std::uint32_t server_id = 0;  ///< ours, as a replica
  std::size_t buffer_bytes = 0;
  /// The table as the catalog has it, for servers whose binlog has types only.
  std::function<BinlogTable()> catalog;
};

/// Reads the binlog from a position on. Calls are from one thread; errors of the thread that reads
/// come out of them.
class BinlogStream {
 public:
  BinlogStream(const ConnectionOptions& connection, StreamSettings settings, BinlogPosition from,
               const std::stop_token& stop);
  ~BinlogStream();
  BinlogStream(const BinlogStream&) = delete;
  BinlogStream& operator=(const BinlogStream&) = delete;

  /// Where what was taken so far ends.
  [[nodiscard]] const BinlogPosition& position() const noexcept { return taken_; }
  /// The end of what is there, within so many changes; between two transactions, unless there is
  /// only a part of one that is too large for the buffer. nullopt: nothing is there.
  [[nodiscard]] std::optional<BinlogPosition> find_end(std::int64_t max_changes);
  /// Takes what comes before a position, which find_end() has given, here or before a restart;
  /// waits for it. Throws Stopped.
  [[nodiscard]] std::vector<std::shared_ptr<const RowsEvent>> take(const BinlogPosition& to);
  /// Waits until find_end() may give something else.
  void wait(std::stop_token stop, std::chrono::steady_clock::time_point until);

 private:
  struct Item {
    std::shared_ptr<const RowsEvent> rows;  ///< nullptr: transactions ended that changed nothing
    BinlogPosition after;
    bool is_whole = false;  ///< `after` is between two transactions
  };

  void read(const std::stop_token& stop);
  void add(Item item, std::size_t bytes, const std::stop_token& stop);
  void check() const;

  class Reader;
  class Interruptible;

  ConnectionOptions connection_options_;
  StreamSettings settings_;
  std::stop_token stop_;
  BinlogPosition taken_;

  mutable std::mutex lock_;
  std::condition_variable_any changed_;
  std::deque<Item> items_;
  std::size_t bytes_ = 0;
  bool has_news_ = false;  ///< find_end() may give something else than last time
  std::exception_ptr error_;
  int socket_ = -1;  ///< of the reading thread's connection
  std::jthread thread_;
};

}  // namespace millrace::mysql
