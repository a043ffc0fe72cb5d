// SQL that people ask a running pipeline, over its live tables.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "control/api.h"
#include "control/jobs.h"
#include "control/readable_tables.h"
#include "serve/timer.h"
#include "spec/alert_template.h"
#include "sql/read_query.h"

namespace millrace::control {

/// Answers as of one committed batch, beside the running pipeline, and changes nothing. Within
/// limits: of each answer's rows, bytes and time, and of queries at once. Thread-safe.
class Queries {
 public:
  struct Limits {
    std::int64_t rows = 1'000;       ///< of an answer, by default
    std::int64_t rows_max = 10'000;  ///< that may be asked for
    std::int64_t bytes_max = 16LL << 20;
    std::chrono::milliseconds time_max{10'000};
  };
  explicit Queries(Limits limits) : limits_(limits), jobs_(kAtOnce, kWaiting) {}
  /// Asks those that run to stop, and waits for them.
  ~Queries() { ends_.request_stop(); }
  Queries(const Queries&) = delete;
  Queries& operator=(const Queries&) = delete;

  /// The threads for them.
  [[nodiscard]] Jobs& jobs() noexcept { return jobs_; }
  /// `body`: {"sql", "at", "limit"}. Takes as long as the query does. `tables`: nullptr: none.
  [[nodiscard]] Answer answer(const std::shared_ptr<const ReadableTables>& tables,
                              const Json& body);

 private:
  struct Question;
  [[nodiscard]] Answer run_in_time(const ReadableTables& tables, const Question& question);
  [[nodiscard]] Answer run(const ReadableTables& tables, const Question& question,
                           const std::stop_token& stop);

  [[nodiscard]] static OrderedJson count_of(const ReadableTables& tables, const Question& question,
                                            const sql::ReadMoment& moment, sql::QueryRunner& runner,
                                            const std::stop_token& stop);

  static constexpr std::size_t kAtOnce = 2;
  static constexpr std::size_t kWaiting = 16;

  Limits limits_;
  std::stop_source ends_;
  serve::Timer timer_;
  Jobs jobs_;  // last: its threads use the others
};

/// `LiveTable[]` of the contract.
[[nodiscard]] Json live_tables_json(const std::shared_ptr<const ReadableTables>& tables);

}  // namespace millrace::control
