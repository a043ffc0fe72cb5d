// Rows of a table that are found by their keys, instead of reading the table whole.
#pragma once

#include <chrono>
#include <memory>

#include "core/chunk.h"
#include "core/malformed.h"
#include "core/source.h"

namespace millrace {

/// Finds rows of a source by the columns that Source::lookup() was called with. Thread-safe:
/// several threads look up at once, and each uses the readers that it was given.
class KeyLookup {
 public:
  virtual ~KeyLookup() = default;
  /// The rows that have one of the keys, in any order. `keys` has the key's columns in their order,
  /// 1 to kChunkRows rows, none with a NULL and none twice; it and `malformed`, which takes what
  /// can't be decoded, outlive the reader. Rows of other keys may be among what is given (a server
  /// may take 'Bob' for 'bob'): the caller leaves them out. This and the reader throw Error, with
  /// Retry::yes for what may pass.
  virtual std::unique_ptr<RowReader> look_up(const Chunk& keys, MalformedReceiver& malformed) = 0;
  /// Somebody waits for each answer: what a system that is away can't do is tried again for so long
  /// at most, whatever its options say. Called before the first look_up(), or not at all.
  virtual void hurry(std::chrono::milliseconds patience) { (void)patience; }
};

}  // namespace millrace
