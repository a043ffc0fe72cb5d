// Rows of a micro-batch, held in memory between a producer and its consumers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/chunk.h"
#include "core/schema.h"
#include "core/source.h"

namespace millrace::sql {

/// Chunks of rows with one schema. Filled by one thread, then read by any number.
///
/// A column that no consumer reads may be left out (see the constructor): it takes no memory and
/// must not be scanned.
class Batch {
 public:
  /// `kept`: for each column of the schema whether it is stored; empty: all.
  explicit Batch(const Schema& schema, std::vector<bool> kept = {});
  ~Batch();
  Batch(Batch&&) noexcept;
  Batch& operator=(Batch&&) noexcept;

  /// Copies the rows of a chunk (of the full schema) to the end.
  void append(const Chunk& chunk);
  /// Moves another batch's chunks (same schema and columns) to the end of this one.
  void append(Batch&& other);
  /// Reads a source's slice to its end, decoding straight into chunks.
  void read(RowReader& reader);

  /// Gives the rows back, chunk by chunk: what a chunk's columns show stays where it is as long as
  /// the batch is not changed. By one thread at a time.
  void for_each(const std::function<void(const Chunk&)>& call);

  [[nodiscard]] std::int64_t rows() const noexcept;
  [[nodiscard]] std::int64_t bytes() const noexcept;  ///< memory held, roughly
  void clear();

  struct Impl;
  [[nodiscard]] Impl& impl() const noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::sql
