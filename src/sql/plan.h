// A dataset's SQL, planned once and run per micro-batch, with its state.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/chunk.h"
#include "core/schema.h"
#include "core/sink.h"
#include "core/source.h"
#include "sql/batch.h"
#include "sql/database.h"

namespace millrace::sql {

/// Where a plan's rows go. writer() is called once by every thread that produces rows, then
/// write() per chunk and finish() at the end (SinkWriter's contract).
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual std::unique_ptr<SinkWriter> writer() = 0;
};

struct RunCounts;

/// A plan that is open to be fed; see Plan::feed(). Every thread that has rows takes a writer of
/// its own. Destroyed without end(): the batch failed, and the state may be half advanced.
class Feed : public Receiver {
 public:
  /// No more rows; every writer has finished.
  virtual RunCounts end() = 0;
};

/// What a run does with the rows it reads and with the state.
enum class Run : std::uint8_t {
  rows,      ///< streams: rows in, rows out; state takes what concerns it. May be called several
             ///< times a batch, each time with a part of the input
  finish,    ///< streams with state: rows, and there are no more of them in this batch: gives out
             ///< the windows that are closed now
  absorb,    ///< tables: takes the input into the state, gives nothing out
  update,    ///< absorb, then give out the groups touched since begin_batch()
  complete,  ///< absorb, then give out all groups
  held,      ///< streams of windows: gives out what would come if all open windows were closed now.
             ///< For a look at the state; it must not be gone on with
};

/// Rows that came when what they belong to was closed already, or without an event time.
struct LateRows {
  /// Upper limits of the histogram's first parts; the last part has all above.
  static constexpr std::array<std::int64_t, 6> kEdgesUs = {
      1'000'000, 10'000'000, 60'000'000, 600'000'000, 3'600'000'000, 86'400'000'000};

  std::int64_t rows = 0;
  std::int64_t without_time = 0;  ///< of these, in no part of the histogram
  std::array<std::int64_t, kEdgesUs.size() + 1> histogram{};

  void count(std::int64_t lateness_us) {
    const auto part = std::ranges::upper_bound(kEdgesUs, lateness_us) - kEdgesUs.begin();
    ++rows;
    ++histogram[static_cast<std::size_t>(part)];
  }
  void count_without_time() {
    ++rows;
    ++without_time;
  }
  void add(const LateRows& other) {
    rows += other.rows;
    without_time += other.without_time;
    for (std::size_t i = 0; i < histogram.size(); ++i) {
      histogram[i] += other.histogram[i];
    }
  }
};

/// Rows of one run, counted at the places named. The engine adds them up and checks them.
struct RunCounts {
  std::int64_t scanned = 0;     ///< rows that the scans of streams gave
  std::int64_t looked_up = 0;   ///< rows that the scans of tables gave
  std::int64_t filtered = 0;    ///< rows that WHERE or an inner/semi/anti join took out
  std::int64_t expanded = 0;    ///< rows that unnest or a join added
  std::int64_t absorbed = 0;    ///< rows that went into state
  std::int64_t emitted = 0;     ///< rows that came out of state (before HAVING, ORDER BY, LIMIT)
  std::int64_t cut = 0;         ///< rows of tables left out above the state or the tables: HAVING,
                                ///< LIMIT, joins and aggregation of tables; may be negative
  std::int64_t out = 0;         ///< rows handed to the receiver
  std::int64_t duplicates = 0;  ///< rows that SELECT DISTINCT took out
  std::int64_t malformed = 0;   ///< rows of files that could not be decoded (not in `scanned`)
  LateRows late;                ///< rows that came too late for the state
  std::int64_t late_whole = 0;  ///< of these, those that were due to whoever takes late rows
};

/// Size of a plan's state.
struct StateStats {
  std::int64_t rows = 0;     ///< groups
  std::int64_t bytes = 0;    ///< memory
  std::int64_t windows = 0;  ///< open ones, of states that have windows
  std::int64_t changed = 0;  ///< groups touched since begin_batch()
  std::int64_t evicted = 0;  ///< groups, or rows of sessions, forgotten since begin_batch()
  std::string oldest;        ///< the first open window, or session, as SQL writes its start; or, of
                             ///< keys that are remembered, the time of the first to be forgotten
  std::optional<std::int64_t> oldest_us;  ///< the same, since 1970
};

/// Takes the bytes of state in pieces (each at most some megabytes); gives them back in order.
using PutBytes = std::function<void(std::string_view)>;
/// Gives the next piece; false at the end.
using GetBytes = std::function<bool(std::string& piece)>;

/// Up to where a plan's windows, and its sessions, were closed: by the number of the state.
struct ClosedWindows {
  std::map<std::uint32_t, std::int64_t> states;
  std::map<std::uint32_t, std::int64_t> sessions;
};
/// Finds this in written state, whatever query wrote it. The latest counts.
void read_closed(const GetBytes& get, ClosedWindows& into);

/// One dataset. Bound, optimized and rewritten once (prototype: 86 us a batch instead of 901).
///
/// All calls from one thread at a time (the caller holds a lock if several may run it). A plan must
/// not outlive its Database.
class Plan {
 public:
  ~Plan();
  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] const Schema& schema() const noexcept;
  [[nodiscard]] Shape shape() const noexcept;
  [[nodiscard]] bool has_state() const noexcept;
  /// Of an aggregation: the output columns that are the group keys, if all of them are in the
  /// output unchanged; empty if all rows are one group.
  [[nodiscard]] const std::optional<std::vector<std::string>>& key() const noexcept;
  /// Why the result can't be given out in a mode; nullopt if it can.
  [[nodiscard]] std::optional<std::string> refuses(OutputMode mode) const;

  /// Whether run(Run::held) has something to give: rows or groups of windows that are open. (Keys
  /// that DISTINCT remembers are no rows.)
  [[nodiscard]] bool holds_windows() const noexcept;

  /// Of a plan that gives late rows out: the columns of its stream, whose rows come as they were.
  [[nodiscard]] const Schema& late_schema() const noexcept;
  /// Why it can't give late rows out, though it was asked to.
  [[nodiscard]] const std::optional<std::string>& refuses_late() const noexcept;
  /// Where late rows go in the runs to come; nullptr: nowhere.
  void take_late(Receiver* to) noexcept;

  /// A declared name that the SQL reads.
  struct Input {
    std::string name;
    Shape shape = Shape::stream;
    std::vector<bool> columns;  ///< which columns of its schema the plan reads
    int scans = 0;              ///< how often a run reads its rows; each time counts as scanned
  };
  [[nodiscard]] const std::vector<Input>& inputs() const noexcept;
  /// The tables that it looks up; they are none of its inputs.
  [[nodiscard]] const std::vector<std::string>& lookups() const noexcept;
  /// What is known of the event time of the output's columns: how far behind the newest row rows
  /// may come. Columns without are missing.
  [[nodiscard]] const EventTimes& event_times() const noexcept;
  /// What a person should know, but what does not stop the plan: state that grows without end.
  [[nodiscard]] const std::vector<std::string>& warnings() const noexcept;
  /// True if run(Run::rows or Run::absorb) may be given the input in parts: it reads one stream and
  /// no table.
  [[nodiscard]] bool splittable() const noexcept;
  /// True if the rows of its stream can be fed to it: splittable, and nothing but row-wise
  /// operators between the stream and the state or the result.
  [[nodiscard]] bool feedable() const noexcept;
  /// Opens the plan to be fed, in place of Run::rows or Run::absorb: chunks of the stream's full
  /// schema go through it at once, on the threads that have them and beside each other. No run and
  /// no other feed meanwhile.
  [[nodiscard]] std::unique_ptr<Feed> feed(Receiver& to);
  /// The optimized and rewritten plan as text.
  [[nodiscard]] std::string explain() const;
  /// What the state holds, in words: "grouped aggregation by product_category: 11 aggregates".
  [[nodiscard]] std::string state_text() const;
  /// Whether every group is forgotten some day, by a watermark or a time to live.
  [[nodiscard]] bool forgets() const;
  /// What the state is kept by: "customer, day"; empty: all rows together, or there is no state.
  [[nodiscard]] std::string state_keys() const;
  /// A text that changes when state written by another version of the query can't be read.
  [[nodiscard]] std::string state_schema() const;

  /// A new batch: forgets which groups were touched. `time_us` is what now() gives.
  void begin_batch(std::int64_t batch, std::int64_t time_us);
  /// What the next run reads under a declared name. Inputs not given are empty.
  void give(std::string_view input, std::shared_ptr<const Batch> rows);
  /// The rows of readers, one after the other, decoded on all threads. Returns how many. Throws
  /// what a reader throws.
  std::int64_t give(std::string_view input, std::span<const std::unique_ptr<RowReader>> readers);
  /// Rows of the files that can't be decoded go to `quarantine`, if their source says so; without
  /// it they are only counted.
  void give(std::string_view input, FileScan files, MalformedReceiver* quarantine = nullptr);
  void give(std::string_view input, std::string store_query);
  /// What is known of an input's values to come, once all its rows of the batch were given; before
  /// the run that gives results out.
  void give_bounds(std::string_view input, const TimeBounds& bounds);
  /// The same of the output, after give_bounds().
  [[nodiscard]] TimeBounds bounds();
  /// Forgets the windows that give_bounds() closed and the run gave out. At the end of the batch,
  /// before its state is written.
  void close_windows();
  /// Whether windows of processing time (of now()) would be closed by a batch at this time.
  [[nodiscard]] bool is_due(std::int64_t time_us);
  /// Runs over what was given, then forgets the input. Throws Error (bad files, failed casts); the
  /// state may then be half advanced and must be restored.
  RunCounts run(Run what, Receiver& to);

  /// The groups touched since begin_batch(), for the state log.
  void write_changes(const PutBytes& put) const;
  /// All groups, for a snapshot.
  void write_snapshot(const PutBytes& put) const;
  /// Applies a snapshot, or changes on top of it, to the state.
  void apply(const GetBytes& get);
  void clear_state();
  /// Every group counts as touched in this batch; after begin_batch().
  void touch_all();

  // For state that is made anew from rows that were read before:

  /// A text that changes when what was closed by another version of the query means other windows.
  [[nodiscard]] std::string windows_text() const;
  /// Whether windows close with now(): which rows are in them can't be told later.
  [[nodiscard]] bool follows_clock() const;
  /// Whether rows of windows that are closed already may be left out from the beginning, if nobody
  /// wants to see these windows. Not so for sessions, whose rows are in the next one, nor for keys
  /// of deduplication, nor where more state lies above.
  [[nodiscard]] bool may_skip_closed() const;
  /// The next run that gives results out closes what was closed then, at least.
  void close_as(const ClosedWindows& closed);
  [[nodiscard]] StateStats state_stats() const;

  struct Impl;
  explicit Plan(std::unique_ptr<Impl> impl);
  [[nodiscard]] Impl& impl() noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::sql
