// Makes the state of datasets anew, by a query that changed, from the input that was read before.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/batch_run.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/graph.h"

namespace millrace {

/// The datasets with state that depend on a dataset, itself included.
[[nodiscard]] std::set<std::size_t> states_from(const Graph& graph, std::size_t dataset);
/// Those of them without another one in between: rebuilding these rebuilds all.
[[nodiscard]] std::set<std::size_t> nearest_states(const Graph& graph, std::size_t dataset);
/// Why the state of datasets can't be made anew; nullopt if it can.
[[nodiscard]] std::optional<std::string> why_no_rebuild(const Graph& graph,
                                                        const std::set<std::size_t>& datasets);

/// One rebuild, between recovery and the first batch.
///
/// All that the sources gave up to the last committed batch is read once more, and goes through the
/// datasets that the wanted ones depend on, all beginning without state. Watermarks stand still
/// meanwhile, so nothing is closed too early, however the input is cut. At the end they are what
/// the checkpoint says: windows behind them are closed, and given to datasets above, but no sink
/// gets anything.
class Rebuild {
 public:
  /// `names`: datasets, or "all". Throws Error{Blame::user}: there is none of this name, or there
  /// is nothing to rebuild, or it can't be done.
  Rebuild(Graph& graph, const std::vector<std::string>& names);

  /// Whose state is made anew: the wanted ones, and those with state that depend on them.
  [[nodiscard]] const std::set<std::size_t>& datasets() const noexcept { return datasets_; }
  [[nodiscard]] std::vector<std::string> names() const;
  /// "totals, and weekly, which depends on it"
  [[nodiscard]] std::string text() const;
  /// Whether a dataset is needed for it, so that it must have no state before run().
  [[nodiscard]] bool takes_part(std::size_t dataset) const { return needed_.contains(dataset); }
  /// Takes the state of a dataset that takes part, as the checkpoint has it: what was closed stays
  /// closed if its windows are the same. `fingerprints`: those of the checkpoint.
  void note_state(std::size_t dataset, const NextPiece& next, const Json& fingerprints);

  /// The last committed batch.
  struct Until {
    std::int64_t batch = 0;
    std::int64_t time_us = 0;
    Json event_time;
  };
  /// A batch that was not committed runs again after the rebuild, and gives other rows. Throws
  /// Error{Blame::user} if a sink has published it and would take it for done.
  void check_sinks(const std::optional<LoggedBatch>& unfinished) const;
  /// Sources must stand where the batch left them. False: a stop was requested.
  bool run(const Until& until, const std::stop_token& stop,
           const std::function<void(const std::string&)>& say);
  /// After run(): reads the states back, as the checkpoint has them, of those that took part and
  /// are not rebuilt.
  void restore_others();

 private:
  void add(const std::string& name);
  [[nodiscard]] bool has_reader(std::size_t dataset) const;
  [[nodiscard]] std::map<std::string, Json> open_tables(std::int64_t time_us);
  [[nodiscard]] std::map<std::string, Slices> open_histories();
  [[nodiscard]] std::int64_t rows_read(const std::vector<DatasetCounts>& counts) const;
  bool fill(BatchPlan plan, const std::stop_token& stop,
            const std::function<void(const std::string&)>& say);

  Graph& graph_;
  std::set<std::size_t> wanted_;
  std::set<std::size_t> datasets_;
  std::set<std::size_t> needed_;   ///< datasets_ and all that they read
  std::set<std::size_t> sources_;  ///< that needed_ reads
  std::map<std::size_t, sql::ClosedWindows> closed_;
};

}  // namespace millrace
