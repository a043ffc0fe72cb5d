// Messages of a cluster's partitions, fetched ahead into a bounded buffer.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "connectors/kafka/client.h"
#include "connectors/kafka/offsets.h"
#include "connectors/kafka/options.h"

namespace millrace::kafka {

/// One consumer for all partitions, with a thread that keeps the buffer full. Offsets are given by
/// the caller, never by the group.
///
/// Partitions have messages up to `end`, the offset after the last one that was seen: what lies
/// before it is in the buffer, or was taken. Functions are thread-safe unless they say otherwise,
/// and throw Error for what does not heal by itself.
class Consumer {
 public:
  struct Settings {
    std::string group;
    bool read_uncommitted = false;
    std::int64_t buffer_bytes = 64LL << 20;
    OnDataLoss on_data_loss = OnDataLoss::fail;
  };
  /// `troubles` must outlive it.
  Consumer(const ConnectionOptions& connection, Settings settings, Troubles& troubles);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  /// Partitions of topics, or of those whose names a pattern matches. Asks the cluster.
  [[nodiscard]] std::vector<Partition> partitions(const std::vector<std::string>& topics,
                                                  const std::string& pattern) const;
  /// The first offset of each partition that has a message not older than a time in milliseconds
  /// since 1970, or the end of the partition; kEarliest and kLatest are such times. Asks.
  static constexpr std::int64_t kEarliest = RD_KAFKA_OFFSET_BEGINNING;
  static constexpr std::int64_t kLatest = RD_KAFKA_OFFSET_END;
  [[nodiscard]] Offsets offsets_at(const Offsets& times_ms) const;

  /// Begins to fetch partitions, from an offset each; more may be added later.
  void add(const Offsets& from);
  /// Of each partition that has messages in the buffer: from the first one to the end.
  [[nodiscard]] Ranges buffered() const;
  /// Whether all that lies before these offsets was seen.
  [[nodiscard]] bool has_reached(const Offsets& ends) const;
  /// How many messages behind the end of the partitions in the cluster we are, as it was last said.
  [[nodiscard]] Offsets lag() const;
  /// Messages of a partition, from an offset that all before were taken of, up to `range.to`, at
  /// most `most`; appended to `into`. Waits for them. False: there are no more before `range.to`.
  bool take(const Partition& partition, const Range& range, std::size_t most,
            std::vector<MessageHandle>& into, const std::stop_token& stop = {});
  /// Of each partition the next offset that nobody took.
  [[nodiscard]] Offsets places() const;
  /// Waits until the buffer has so many messages, `until` has come, or the stop was requested.
  void wait(const std::stop_token& stop, std::chrono::steady_clock::time_point until,
            std::int64_t messages) const;
  /// Tells the group how far we are, for people who watch its lag. Does not wait.
  void commit(const Offsets& offsets) const;
  /// Offsets that were gone before they could be read (`on_data_loss: continue`), since the last
  /// call.
  [[nodiscard]] std::int64_t take_lost();

 private:
  struct Buffer {
    std::deque<MessageHandle> messages;
    std::int64_t from = 0;  // the next offset that nobody took
    std::int64_t end = 0;   // nothing before this is to come
    std::int64_t bytes = 0;
    bool paused = false;
  };

  void run(const std::stop_token& stop);
  void dispatch(MessageHandle message);
  void handle_error(const rd_kafka_message_t& message);
  void handle_loss(const Partition& partition, std::string_view reason);
  void assign(const Offsets& from);
  /// The partition that a reader waits for gets room: those with plenty wait.
  void make_room(const Partition& wanted);
  void resume_all();
  void set_paused(const std::vector<Partition>& which, bool paused);
  void rethrow() const;

  Settings settings_;
  Troubles& troubles_;
  ClientHandle client_;
  QueueHandle queue_;
  mutable std::mutex lock_;  // guards what follows
  mutable std::condition_variable_any changed_;
  std::map<Partition, Buffer> buffers_;
  std::int64_t bytes_ = 0;
  std::int64_t lost_ = 0;
  bool reader_waits_ = false;
  std::optional<Error> failed_;
  std::jthread thread_;
};

}  // namespace millrace::kafka
