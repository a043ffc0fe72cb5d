// The flags that say how much is remembered of a pipeline; they win over `history:` of a file.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>

#include "spec/control.h"

namespace millrace::cli {

struct HistoryFlags {
  std::optional<std::int64_t> batches;
  std::optional<std::int64_t> details;

  /// What they say, and else what a file says.
  [[nodiscard]] HistoryOptions over(HistoryOptions of_file) const {
    of_file.batches = batches.value_or(of_file.batches);
    of_file.details = details.value_or(of_file.details);
    return of_file;
  }
};

inline void add_history_options(CLI::App& command, HistoryFlags& flags) {
  command
      .add_option("--history-batches", flags.batches,
                  "Of how many batches a line is kept, beside the checkpoint; default: as "
                  "`history` of the file says, or 10000")
      ->check(CLI::Range(std::int64_t{100}, std::int64_t{1'000'000}));
  command
      .add_option("--history-details", flags.details,
                  "Of how many of them all that is known is kept; default: as `history` says, or "
                  "400")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{100'000}));
}

}  // namespace millrace::cli
