// The graphs that a pipeline has had, and which of its batches ran them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "control/segments.h"
#include "core/source.h"

namespace millrace::control {

/// Remembers the last graphs (graph_json()), over restarts. One thread adds, the host's; any may
/// read.
class PastGraphs {
 public:
  static constexpr std::int64_t kMost = 32;

  /// Reads back what is there. Until then they are in memory alone. Throws Error.
  void open(const std::string& folder);
  /// There is another checkpoint.
  void forget();

  /// What is run from this batch on. Plans aside, one that is as the last one is the same. Throws
  /// Error if it can't be written; it is remembered anyway.
  void add(std::int64_t since, const Json& graph);

  struct Kept {
    std::int64_t since = 0;             ///< the first batch
    std::optional<std::int64_t> until;  ///< the last one; nullopt: it is run now
    std::shared_ptr<const std::string> text;
  };
  /// What a batch ran; nullopt: that is not known.
  [[nodiscard]] std::optional<Kept> at(std::int64_t batch) const;
  /// The first batch of what is run now; 0: nothing is.
  [[nodiscard]] std::int64_t since() const;
  /// Another one for another graph; empty: there is none.
  [[nodiscard]] std::string version() const;

 private:
  struct Entry {
    std::int64_t since = 0;
    std::shared_ptr<const std::string> text;  ///< shared with readers; nullptr: it is on disk
    Segments::Place place;
  };
  void keep(Entry entry);
  [[nodiscard]] std::shared_ptr<const std::string> text_of(const Entry& entry) const;

  mutable std::mutex lock_;  // guards what follows
  std::deque<Entry> entries_;
  std::string version_;
  std::unique_ptr<Segments> store_;
};

}  // namespace millrace::control
