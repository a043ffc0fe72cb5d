// Rows of one batch, counted where they pass, and the identity that must hold between the counts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/checked_rows.h"
#include "engine/phases.h"
#include "sql/plan.h"

namespace millrace {

/// Rows of one dataset in one batch.
///
/// For each dataset: in + emitted + expanded = out + absorbed + filtered + cut + duplicates + late
/// + removed by checks.
/// What goes into state is absorbed, and what comes out of it emitted; only tables have `cut`. Rows
/// of files that can't be decoded never become rows: they are `malformed`. A sink of late rows gets
/// all of them.
struct DatasetCounts {
  std::string name;
  bool stream = true;        ///< false: a table
  bool stream_input = true;  ///< false: computed from tables alone
  std::int64_t given = 0;    ///< rows that its producers handed over; -1: it scans files itself
  std::int64_t in = 0;       ///< rows that its scans read
  std::int64_t filtered = 0;
  std::int64_t expanded = 0;
  std::int64_t absorbed = 0;
  std::int64_t emitted = 0;
  std::int64_t cut = 0;
  std::int64_t out = 0;
  std::int64_t duplicates = 0;
  sql::LateRows late;
  std::int64_t late_whole = 0;   ///< of these, rows of the stream itself: due to sinks of late rows
  std::int64_t late_given = -1;  ///< late rows that these sinks were given; -1: there are none
  std::int64_t malformed = 0;    ///< records that did not become rows
  std::int64_t corrupt = 0;      ///< records that became rows of NULLs, which are in `in`
  bool permissive = false;       ///< those of the files that it scans do
  std::int64_t state_rows = 0;
  std::int64_t state_changed = 0;
  std::int64_t state_bytes = 0;
  std::int64_t windows = 0;               ///< open ones
  std::string oldest;                     ///< the first of them, as sql::StateStats has it
  std::optional<std::int64_t> oldest_us;  ///< the same, since 1970
  std::int64_t state_evicted = 0;         ///< forgotten in this batch, as sql::StateStats has it
  /// Of the newest snapshot and of the log behind it, after this batch; -1: not known.
  std::int64_t state_disk_bytes = -1;
  bool of_source = false;    ///< made by the graph, to read the source of this name
  bool for_checks = false;   ///< made by the graph, to check the rows of another one: of `checked`
  std::string checked;       ///< the name that users know
  std::int64_t removed = 0;  ///< rows that checks took out
  std::int64_t put_aside = 0;  ///< of these, rows that are kept for people
  std::vector<CheckCounts> checks;
  /// The time of its own operators while it took rows chunk by chunk, within the runs of datasets
  /// that gave them. Several datasets, and sinks, then work on one chunk after the other, on
  /// several threads; of the time that passed each has the part that its own work took of all
  /// threads'.
  Span fed;
  /// The time of its own runs, without what others did with its rows meanwhile (theirs: `fed`) and
  /// without SourceProgress::read. Reading files that its plan scans is part of it.
  Span run;
  double row_bytes = -1;  ///< of a row that it gave out, on average of samples; -1: there was none

  void add(const sql::RunCounts& run);
};

/// Rows of one sink in one batch.
struct SinkCounts {
  std::string name;
  std::int64_t given = 0;    ///< rows that its dataset gave out to it
  std::int64_t written = 0;  ///< rows that the sink says it wrote
  std::int64_t refused = 0;  ///< rows that it can't write, which are kept elsewhere
  std::int64_t kept = 0;     ///< rows of a table's parts that nothing changed in
  std::int64_t bytes = 0;
  std::int64_t files = 0;
  std::int64_t retries = 0;  ///< what it has tried again by itself
  Span write;                ///< taking rows while the batch runs; as DatasetCounts::fed
  Span stage;                ///< closing and syncing what nobody sees yet
  Span publish;              ///< making it visible
  bool quarantine = false;   ///< its rows are those that were put aside, and no result
};

/// Checked before a batch is committed: a mismatch throws Error{Blame::internal} naming the dataset
/// and the counts, so that the pipeline stops instead of losing rows quietly.
void check_accounts(std::int64_t batch, const std::vector<DatasetCounts>& datasets,
                    const std::vector<SinkCounts>& sinks);

}  // namespace millrace
