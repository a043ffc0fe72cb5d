#include "engine/accounting.h"

#include <fmt/format.h>

#include "base/error.h"

namespace millrace {

void DatasetCounts::add(const sql::RunCounts& run) {
  // A plan that reads a stream is accounted for by the stream's rows; one over tables alone by
  // theirs.
  in += stream_input ? run.scanned : run.looked_up;
  filtered += run.filtered;
  expanded += run.expanded;
  absorbed += run.absorbed;
  emitted += run.emitted;
  cut += run.cut;
  out += run.out;
  duplicates += run.duplicates;
  late.add(run.late);
  late_whole += run.late_whole;
  (permissive ? corrupt : malformed) += run.malformed;
}

void check_accounts(std::int64_t batch, const std::vector<DatasetCounts>& datasets,
                    const std::vector<SinkCounts>& sinks) {
  const auto fail = [&](const std::string& what) {
    throw Error(
        Blame::internal,
        fmt::format("batch {}: {}. Rows would be lost or doubled: nothing of this batch was "
                    "committed. This is a bug in millrace; please report it",
                    batch, what));
  };
  for (const auto& d : datasets) {
    if (d.given >= 0 && d.given != d.in) {
      fail(fmt::format("dataset {} was given {} rows and read {}", d.name, d.given, d.in));
    }
    const auto left = d.in + d.emitted + d.expanded;
    const auto right =
        d.out + d.absorbed + d.filtered + d.cut + d.duplicates + d.late.rows + d.removed;
    if (left != right) {
      fail(
          fmt::format("the rows of dataset {} don't add up: {} in + {} emitted from state + {} "
                      "expanded, but {} out + {} absorbed into state + {} filtered + {} cut + {} "
                      "duplicates + {} late + {} removed by checks",
                      d.name, d.in, d.emitted, d.expanded, d.out, d.absorbed, d.filtered, d.cut,
                      d.duplicates, d.late.rows, d.removed));
    }
    if (d.late_given >= 0 && d.late_given != d.late_whole) {
      fail(
          fmt::format("dataset {} found {} rows late and gave {} of them to its sinks of late rows",
                      d.name, d.late_whole, d.late_given));
    }
  }
  for (const auto& s : sinks) {
    if (s.given != s.written + s.refused + s.kept) {
      fail(fmt::format("sink {} was given {} rows, wrote {}, refused {} and left {} as they were",
                       s.name, s.given, s.written, s.refused, s.kept));
    }
  }
}

}  // namespace millrace
