// A table of which only the rows that streams ask for are read, by their key, and remembered.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/lookup.h"
#include "core/malformed.h"
#include "core/schema.h"

namespace millrace::sql {

struct LookupOptions {
  std::vector<std::size_t> key;  ///< the places of its columns in the schema
  /// What was found may be as old when a batch begins. 0: every batch reads anew.
  std::chrono::milliseconds ttl{600'000};
  // Bounds of what is remembered; what was not used for longest goes first:
  std::int64_t max_rows = 100'000;  ///< rows, and keys without one
  std::int64_t max_bytes = 64LL << 20;
};

/// What became of the keys of one batch. A key counts once for each chunk of rows that has it.
struct LookupStats {
  std::int64_t keys = 0;       ///< that were asked for
  std::int64_t keys_read = 0;  ///< of these, those that the source was asked for
  std::int64_t rows_read = 0;  ///< that it gave
  std::int64_t rows = 0;       ///< remembered now, and keys without one
  std::int64_t bytes = 0;      ///< their memory
};

/// The rows of a source by their keys: those that were found before, as long as they are young
/// enough, and else what the source says now. One for all plans that look into a source; find() of
/// its inside is called by all threads of a run, all else between runs.
class LookupTable {
 public:
  using Now = std::function<std::chrono::steady_clock::time_point()>;
  /// Throws Error (user) if a column of the key has a type whose values can't be told apart
  /// exactly.
  LookupTable(std::string name, const Schema& schema, LookupOptions options,
              std::unique_ptr<KeyLookup> source, Now now = std::chrono::steady_clock::now);
  ~LookupTable();
  LookupTable(const LookupTable&) = delete;
  LookupTable& operator=(const LookupTable&) = delete;

  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] const Schema& schema() const noexcept;
  /// "customer_id, region"
  [[nodiscard]] std::string key_text() const;

  /// What is older than the time to live now is read anew by this batch. `malformed` is told of
  /// rows that can't be decoded until the next call.
  void begin_batch(MalformedReceiver& malformed);
  /// Since begin_batch().
  [[nodiscard]] LookupStats stats() const;

  struct Impl;
  /// For sql/ alone.
  [[nodiscard]] Impl& impl() noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::sql
