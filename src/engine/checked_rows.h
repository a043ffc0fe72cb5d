// Quality checks while a batch runs: rows are counted, shown and put aside where they pass.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "core/chunk.h"
#include "core/malformed.h"
#include "core/source.h"
#include "spec/pipeline.h"

namespace millrace {

/// What is looked at in the rows of a dataset that the graph made for checks. Each row comes with a
/// verdict: bit i is set if it does not pass rows[i]. A row with a verdict has its text, too.
struct CheckStep {
  std::string of;                      ///< the source or dataset that is checked
  std::vector<const CheckSpec*> rows;  ///< at most kMaxRowChecks
  std::vector<const CheckSpec*> sequences;
  std::size_t first_sequence = 0;  ///< the columns with their numbers, as BIGINT
  std::size_t verdict = 0;         ///< the column, a BIGINT
  std::size_t text = 0;            ///< the column, a JSON object of the row
  std::int64_t removing = 0;       ///< the bits of the checks whose violators do not go on
};
inline constexpr std::size_t kMaxRowChecks = 62;

/// A check in one batch.
struct CheckCounts {
  std::string name;
  Otherwise otherwise = Otherwise::warn;
  std::int64_t rows = 0;  ///< that were looked at
  std::int64_t violations = 0;
};

/// What is kept of a check from batch to batch.
struct CheckTotals {
  std::int64_t rows = 0;
  std::int64_t violations = 0;
  std::optional<std::int64_t> last;  ///< of a sequence: the highest number so far
};
/// By the name of the check.
using TotalsByCheck = std::map<std::string, CheckTotals>;
/// Those of a pipeline, by source or dataset, for its checkpoint; and from there.
[[nodiscard]] Json totals_json(const std::map<std::string, TotalsByCheck>& totals);
[[nodiscard]] std::map<std::string, TotalsByCheck> totals_of(const Json& saved);

/// The whole numbers of a column, as ranges: few of them, if they have few gaps. One thread.
class NumberRanges {
 public:
  struct Range {
    std::int64_t first = 0;
    std::int64_t last = 0;
  };
  void add(std::int64_t number);
  void add(const NumberRanges& other);
  /// Sorted, with a gap between any two.
  [[nodiscard]] const std::vector<Range>& joined();

 private:
  void join();

  std::vector<Range> ranges_;
  std::size_t join_at_ = 1024;
};

/// What the rows of one step come to in one batch.
class CheckedRows {
 public:
  /// `quarantine`: takes the rows that a check puts aside.
  CheckedRows(const CheckStep& step, MalformedReceiver& quarantine);

  /// One thread's view of the rows.
  class Observer {
   public:
    void observe(const Chunk& chunk);

   private:
    friend class CheckedRows;
    explicit Observer(CheckedRows& to) : to_(to), sequences_(to.step_.sequences.size()) {}
    CheckedRows& to_;
    std::int64_t rows_ = 0;
    std::int64_t removed_ = 0;
    std::int64_t put_aside_ = 0;
    std::array<std::int64_t, kMaxRowChecks> violations_{};
    std::vector<NumberRanges> sequences_;
  };
  [[nodiscard]] Observer observer() { return Observer(*this); }
  /// Takes what a thread has met. Thread-safe.
  void take(const Observer& observer);

  /// Of the batch, when all its rows were taken: counts it, and says what somebody should know in
  /// `alerts`. Throws Error (external) if the batch fails by a check.
  std::vector<CheckCounts> end(TotalsByCheck& totals, std::vector<std::string>& alerts);
  /// Rows that do not go on.
  [[nodiscard]] std::int64_t removed() const noexcept { return removed_; }
  /// Of these, rows that are kept in the quarantine.
  [[nodiscard]] std::int64_t put_aside() const noexcept { return put_aside_; }

 private:
  struct Samples {
    std::atomic<std::int64_t> given = 0;
    std::vector<std::string> texts;  // of a check that fails the batch
  };

  bool note(std::int64_t verdict, std::string_view text);
  void judge(const CheckSpec& check, const CheckCounts& counts, const Samples& samples,
             std::vector<std::string>& alerts) const;
  CheckCounts end_sequence(std::size_t at, CheckTotals& totals, std::vector<std::string>& alerts);

  const CheckStep& step_;
  MalformedReceiver& quarantine_;
  Log log_;                       // of the pipeline's thread: rows come on others
  std::vector<Samples> samples_;  // of each check of rows
  std::mutex lock_;               // guards what is taken, and the texts of samples
  std::int64_t rows_ = 0;
  std::int64_t removed_ = 0;
  std::int64_t put_aside_ = 0;
  std::array<std::int64_t, kMaxRowChecks> violations_{};
  std::vector<NumberRanges> sequences_;
};

/// What a check asks for, in words: "amount > 0".
[[nodiscard]] std::string text_of(const CheckSpec& check);

}  // namespace millrace
