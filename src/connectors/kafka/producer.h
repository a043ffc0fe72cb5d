// Writes messages, in one transaction a batch or as they come.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "connectors/kafka/client.h"
#include "connectors/kafka/options.h"

namespace millrace::kafka {

struct OutgoingHeader {
  std::string_view name;
  std::optional<std::string_view> value;
};

/// A message to be written. What it points at is copied.
struct Outgoing {
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::int32_t partition = RD_KAFKA_PARTITION_UA;  ///< else by the key
  std::optional<std::int64_t> timestamp_ms;
  std::span<const OutgoingHeader> headers;
};

/// A producer for one topic. Thread-safe but for the transactions, of which there is one at a time.
/// Throws Error for what does not heal by itself.
class Producer {
 public:
  struct Settings {
    std::string topic;
    std::string transactional_id;  ///< empty: no transactions, at least once
    Compression compression = Compression::none;
    std::stop_token stop;  ///< ends with Stopped what waits for the cluster
  };
  /// `troubles` must outlive it.
  Producer(const ConnectionOptions& connection, Settings settings, Troubles& troubles);
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  /// Fences off an earlier process with the same id, and ends what it left open. Gives what the
  /// last committed transaction noted. If the cluster does not answer in half a minute: Error with
  /// Retry::yes, after which only another Producer can try again.
  [[nodiscard]] std::optional<std::string> init();
  void begin();
  void send(const Outgoing& message);
  /// Waits until everything has been delivered.
  void flush();
  /// Commits the transaction, and with it a note for init() to find.
  void commit(const std::string& note);
  /// Within half a minute, or a moment when a stop was requested: then the next init() does it.
  void abort() noexcept;

 private:
  static void on_delivery(rd_kafka_t* client, const rd_kafka_message_t* message, void* troubles);
  void poll();
  [[nodiscard]] PartitionListHandle note_list() const;
  /// Has operation(ms) tried again until it succeeds or can't; Error with Retry::yes if it takes
  /// too long.
  template <class Operation>
  void transact(std::string_view doing, const Operation& operation,
                std::optional<std::chrono::milliseconds> timeout = std::nullopt);
  [[nodiscard]] std::optional<std::string> read_note();
  ErrorHandle send_note(const std::string& note, int ms);
  /// Whether the cluster does, within a second.
  [[nodiscard]] bool answers() const;

  struct Delivery {
    std::mutex lock;
    rd_kafka_resp_err_t failed = RD_KAFKA_RESP_ERR_NO_ERROR;
  };

  const ConnectionOptions& connection_;
  Settings settings_;
  Troubles& troubles_;
  Delivery delivery_;
  ClientHandle client_;
  bool left_behind_ = false;  ///< a thread may use the client for ever
  std::string group_;
};

}  // namespace millrace::kafka
