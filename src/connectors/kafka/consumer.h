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
#include <string_view>
#include <thread>
#include <vector>

#include "connectors/kafka/client.h"
#include "connectors/kafka/offsets.h"
#include "connectors/kafka/options.h"

namespace millrace::kafka {

/// What is said of offsets that can't be read any more, under `on_data_loss: fail`.
[[nodiscard]] Error gone_error(const Partition& partition, std::int64_t offset,
                               std::string_view reason);

/// One consumer for all partitions, with a thread that keeps the buffer full. Offsets are given by
/// the caller, never by the group.
///
/// Partitions have messages up to `end`, the offset after the last one that was seen: what lies
/// before it is in the buffer, or was taken. Offsets that are gone end in an Error, or
/// (`on_data_loss: continue`) are passed over and counted. Functions are thread-safe unless they
/// say otherwise, and throw Error for what does not heal by itself.
class Consumer {
 public:
  struct Settings {
    std::string group;
    bool read_uncommitted = false;
    std::int64_t buffer_bytes = 64LL << 20;
    OnDataLoss on_data_loss = OnDataLoss::fail;
    std::stop_token stop;  ///< ends with Stopped what waits for the cluster
  };
  /// `troubles` must outlive it.
  Consumer(const ConnectionOptions& connection, Settings settings, Troubles& troubles);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  /// What a question to the cluster may take.
  static constexpr std::chrono::milliseconds kRequest{30'000};
  /// Partitions of topics, or of those whose names a pattern matches. Asks the cluster.
  [[nodiscard]] std::vector<Partition> partitions(
      const std::vector<std::string>& topics, const std::string& pattern,
      std::chrono::milliseconds timeout = kRequest) const;
  /// The first offset of each partition that has a message not older than a time in milliseconds
  /// since 1970, or the end of the partition; kEarliest and kLatest are such times. Asks.
  static constexpr std::int64_t kEarliest = RD_KAFKA_OFFSET_BEGINNING;
  static constexpr std::int64_t kLatest = RD_KAFKA_OFFSET_END;
  [[nodiscard]] Offsets offsets_at(const Offsets& times_ms,
                                   std::chrono::milliseconds timeout = kRequest) const;

  /// Begins to fetch partitions, from an offset each; more may be added later.
  void add(const Offsets& from);
  /// Of each partition that has messages in the buffer: from the first one to the end.
  [[nodiscard]] Ranges buffered() const;
  /// Messages of a partition, from an offset that all before were taken of, up to `range.to`, at
  /// most `most`; appended to `into`. Waits for them. False: there are no more before `range.to`,
  /// or they are gone.
  bool take(const Partition& partition, const Range& range, std::size_t most,
            std::vector<MessageHandle>& into);
  /// How long messages are, the mean of those that came last, 1 at least; nothing: none has come.
  [[nodiscard]] std::optional<std::int64_t> mean_bytes() const;
  /// Whether nothing more comes before something is taken.
  [[nodiscard]] bool is_full() const;
  /// The ends of the partitions in the cluster, as it was last said with messages.
  [[nodiscard]] Offsets known_ends() const;
  /// Of each partition the next offset that nobody took.
  [[nodiscard]] Offsets places() const;
  /// Waits until the buffer has so many messages or is full, `until` has come, or the stop was
  /// requested.
  void wait(const std::stop_token& stop, std::chrono::steady_clock::time_point until,
            std::int64_t messages) const;
  /// Tells the group how far we are, for people who watch its lag. Does not wait. Of one thread.
  void commit(const Offsets& offsets);
  /// How many of the offsets that were taken were gone, since the last call.
  [[nodiscard]] std::int64_t take_lost();
  /// Partitions whose topic was made anew, with fewer messages than were read, since the last call:
  /// they are now read from these offsets. Each comes when what was fetched of the old topic has
  /// been taken.
  [[nodiscard]] Offsets take_remade();

 private:
  struct Buffer {
    std::deque<MessageHandle> messages;
    std::int64_t from = 0;  // the next offset that nobody took
    std::int64_t end = 0;   // nothing before this is to come
    std::int64_t bytes = 0;
    bool paused = false;
    std::vector<Range> gaps;             // gone; counted when they are passed
    bool is_gone = false;                // there has been no such partition for long
    std::optional<std::int64_t> remade;  // where to begin with the topic that was made anew
  };
  /// Offsets that are gone, until the cluster says what there is in their place.
  struct Loss {
    std::string reason;
    std::chrono::steady_clock::time_point since;
  };

  void run(const std::stop_token& stop);
  void wait_for_commits();
  void take_commit_answers(int ms);
  void dispatch(MessageHandle message);
  void handle_error(const rd_kafka_message_t& message);
  void note_loss(const Partition& partition, std::string_view reason);
  void settle_losses();
  [[nodiscard]] bool settle(const Partition& partition, const Loss& loss);
  void assign(const Offsets& from) const;
  void unassign(const Partition& partition) const;
  void pass(Buffer& buffer, std::int64_t to);
  /// The partition that a reader waits for gets room: those with plenty wait.
  void make_room(const Partition& wanted);
  void resume_all();
  void set_paused(const std::vector<Partition>& which, bool paused);
  /// Asks the cluster again and again, until it answers.
  template <class Request>
  void ask(std::string_view what, std::chrono::milliseconds timeout, const Request& request) const;
  void rethrow() const;

  Settings settings_;
  Troubles& troubles_;
  ClientHandle client_;
  QueueHandle queue_;
  QueueHandle commits_;  // answers of the group
  int commits_under_way_ = 0;
  std::map<Partition, Loss> losses_;  // of the thread
  std::chrono::steady_clock::time_point next_settling_;
  mutable std::mutex lock_;  // guards what follows
  mutable std::condition_variable_any changed_;
  std::map<Partition, Buffer> buffers_;
  std::int64_t bytes_ = 0;
  double mean_bytes_ = 0;  // 0: nothing has come
  std::int64_t lost_ = 0;
  bool reader_waits_ = false;
  std::optional<Error> failed_;
  std::jthread thread_;
};

}  // namespace millrace::kafka
