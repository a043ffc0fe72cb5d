// Change events: messages that tell what happened to a row of a database's table, as Debezium
// writes them (https://debezium.io/documentation/reference/stable/connectors/, "Data change
// events").
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/chunk.h"
#include "core/format.h"

namespace millrace::debezium {

/// A message as it came. nullopt: it has no key, or no value (a tombstone).
struct Message {
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
};

/// What an event tells beside the row.
struct Change {
  char op = '\0';  ///< c: created, u: updated, d: deleted, r: read by a snapshot
  std::optional<std::int64_t> time_ms;  ///< when the database made it, since 1970
  std::string_view source;  ///< where it comes from, a JSON text; empty: nobody knows. Valid until
                            ///< the next event, and as long as the message is
};

/// What becomes of an operation. `op`: as Debezium has it.
enum class Effect : std::uint8_t {
  row,      ///< of `after`
  removal,  ///< the row is that of `before`, and of the key
  none,     ///< a message that was written into the log of the database, not into a table
  truncation,
  unknown,
};
[[nodiscard]] constexpr Effect effect_of(std::string_view op) noexcept {
  if (op == "c" || op == "u" || op == "r") {
    return Effect::row;
  }
  return op == "d"   ? Effect::removal
         : op == "m" ? Effect::none
         : op == "t" ? Effect::truncation
                     : Effect::unknown;
}
/// No row can say that all rows are gone, and to leave it out would leave them there.
[[nodiscard]] inline Malformation truncation() {
  return {.column = "op",
          .reason =
              "the table was truncated (op t), which no row can tell: what is kept of it "
              "has to be made anew"};
}

/// Turns change events into rows: the columns are those of `after`, or for a deleted row of
/// `before`; what `before` does not have comes from the message's key. Used by one thread.
class ChangeDecoder {
 public:
  virtual ~ChangeDecoder() = default;
  /// As RecordDecoder::begin().
  virtual void begin(std::span<ColumnWriter* const> columns) = 0;
  /// Fills row `row` of all columns and `change`. Without a malformation and a change the message
  /// is no row: a tombstone, or op m. Else as RecordDecoder::decode(). Malformed are also truncated
  /// tables and what is no change event.
  [[nodiscard]] virtual std::optional<Malformation> decode(const Message& message, std::size_t row,
                                                           std::optional<Change>& change) = 0;
};

}  // namespace millrace::debezium
