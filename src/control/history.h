// What is kept of a pipeline's batches and events, over restarts, for those who look back.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "control/batch_json.h"
#include "control/segments.h"
#include "engine/progress.h"
#include "spec/control.h"

namespace millrace::control {

/// An entry of the log that operators read: `LogEvent` of the contract.
struct LogEvent {
  std::int64_t id = 0;  ///< grows with time, over restarts too
  std::int64_t at_ms = 0;
  std::string level;  ///< "info", "warn", "error"
  std::string pipeline;
  std::optional<std::int64_t> batch;
  std::string kind;  ///< "state", "command", "log", "alert", "quarantine", ...
  std::string text;
};
[[nodiscard]] Json event_json(const LogEvent& event);
/// Of event_json(); nullopt: it is none.
[[nodiscard]] std::optional<LogEvent> event_of(const Json& json);

/// One pipeline's history. add() never waits: a thread writes, behind a bounded queue; if it can't
/// follow, details are left out before lines, and both are counted. Readers wait for memory alone,
/// but for old details, which are read from the disk. Thread-safe.
class History {
 public:
  using Text = std::shared_ptr<const std::string>;  // shared by readers and what is written
  /// A batch that is now part of the history.
  struct Kept {
    std::shared_ptr<const BatchProgress> batch;
    Text line;
  };
  /// Called on the history's thread.
  using OnKept = std::function<void(const Kept&)>;

  explicit History(HistoryOptions options, OnKept on_kept = {});
  /// Writes what is queued.
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  /// Reads back what is there, and keeps it there from now on; until then it is in memory alone.
  /// Only for who has the checkpoint's lock. Gives the events that are there. Throws Error.
  std::vector<LogEvent> open(const std::string& folder);
  [[nodiscard]] bool is_open() const;
  /// There is another checkpoint: what was kept of this one is closed, and nothing is known until
  /// open().
  void forget();

  void add(std::shared_ptr<const BatchProgress> batch);
  void add(const LogEvent& event);

  /// Lines (`Progress` of the contract) of batches from..to, both with, the oldest first.
  [[nodiscard]] std::vector<Text> lines(std::int64_t from, std::int64_t to,
                                        std::size_t most = 10'000) const;
  /// The last ones.
  [[nodiscard]] std::vector<Text> last(std::size_t count) const;
  [[nodiscard]] Text line(std::int64_t batch) const;  ///< nullptr: there is none
  [[nodiscard]] std::optional<std::int64_t> oldest() const;
  [[nodiscard]] std::optional<std::int64_t> newest() const;

  enum class Missing : std::uint8_t {
    future,   ///< it was not committed yet
    expired,  ///< too many came after it
    dropped,  ///< it could not be written as fast as batches came, or before there was a history
  };
  /// All that is known of a batch (`Batch` of the contract).
  [[nodiscard]] std::expected<Text, Missing> detail(std::int64_t batch) const;

  /// What failed of a check, or what a dataset's state held, by the last 400 batches with details:
  /// (batch, number), up to a batch. Names: "check:dataset.name", "state:dataset".
  [[nodiscard]] std::vector<std::pair<std::int64_t, std::int64_t>> series(const std::string& name,
                                                                          std::int64_t up_to) const;

  [[nodiscard]] const HistoryOptions& options() const noexcept { return options_; }
  [[nodiscard]] std::int64_t details_dropped() const;
  [[nodiscard]] std::int64_t lines_dropped() const;
  /// Waits until all that was added is kept. For tests.
  void flush() const;

 private:
  struct Line {
    std::int64_t batch = 0;
    Text text;
  };
  struct Item {
    std::shared_ptr<const BatchProgress> batch;
    bool with_detail = true;
    std::optional<LogEvent> event;
  };
  struct Stores {
    Stores(const std::string& folder, const HistoryOptions& options, History& to,
           std::vector<LogEvent>& events);
    Segments lines;
    Segments details;
    Segments events;
  };
  /// A detail in memory, or on disk.
  struct Detail {
    Text text;
    Segments::Place place;
  };
  using Series = std::deque<std::pair<std::int64_t, std::int64_t>>;

  void write();
  void keep(const Item& item);
  void keep_line(std::int64_t batch, Text text);
  void keep_detail(std::int64_t batch, Detail detail);
  void keep_series(std::int64_t batch, const Json& detail);
  void note_trouble(const std::string& what);

  HistoryOptions options_;
  OnKept on_kept_;
  // Of the thread:
  UsualTimes usual_;
  std::int64_t failed_batch_ = -1;  ///< the last one, if it failed
  int attempts_ = 0;                ///< at it, one after the other

  mutable std::mutex lock_;  // guards what follows
  mutable std::condition_variable changed_;
  std::deque<Item> queue_;
  bool busy_ = false;
  bool ends_ = false;
  std::deque<Line> lines_;
  std::map<std::int64_t, Detail> details_;
  std::deque<std::int64_t> in_memory_;  ///< details whose text is there
  std::map<std::string, Series> series_;
  std::int64_t details_dropped_ = 0;
  std::int64_t lines_dropped_ = 0;
  std::int64_t events_dropped_ = 0;
  bool in_trouble_ = false;
  std::shared_ptr<Stores> stores_;  // shared with readers of old details
  std::thread thread_;
};

}  // namespace millrace::control
