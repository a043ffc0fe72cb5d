// How a decoder goes about a schema: made once, walked for each record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/chunk.h"
#include "core/schema.h"
#include "core/type.h"
#include "formats/json/key_set.h"

namespace millrace::json {

/// How deep types may lie in one another.
inline constexpr std::size_t kMaxTypeDepth = 64;

/// A fast hash of a text; what has the same seed has the same hash.
[[nodiscard]] std::uint64_t hash_of(std::string_view text, std::uint64_t seed) noexcept;

/// The places of names that are known beforehand.
class NameTable {
 public:
  static constexpr std::size_t kNone = ~std::size_t{0};

  /// The first of equal names counts.
  explicit NameTable(std::vector<std::string> names = {});
  /// kNone if it isn't there.
  [[nodiscard]] std::size_t find(std::string_view name) const noexcept;

 private:
  std::vector<std::string> names_;
  std::vector<std::uint32_t> slots_;  // by hash: a place + 1; 0: empty
};

/// A column or a part of one.
struct PlanNode {
  Type::Id id = Type::Id::other;
  int precision = 0;
  int scale = 0;
  std::string name;  ///< of a column or field
  std::string type;  ///< for messages: "DECIMAL(12,2)"
  std::vector<PlanNode> parts;
  ColumnWriter* writer = nullptr;  ///< nullptr: nobody reads it

  // Of a STRUCT, and of the record:

  NameTable exact;
  NameTable lowered;                ///< the same names in lower case
  std::uint64_t lengths = 0;        ///< bit n: one of the names has n bytes; bit 63: 63 or more
  std::size_t first = 0;            ///< the part whose key came first last time
  std::vector<std::uint64_t> seen;  ///< bit i: the record being read has part i
  bool rescues = false;             ///< other keys are kept; see Decoder

  // Of a MAP:

  KeySet keys;  ///< of the one being read

  // Of a column, and of a field of a STRUCT:

  std::string
      raw_name;  ///< as its key is written; a lone quote, which no key is, if it has escapes
  std::size_t next = 0;    ///< the part whose key followed last time
  std::string_view taken;  ///< the key in other case that it was read from in this record
};

/// The record, as a STRUCT whose parts are the columns. Throws Error (user) if a column's type
/// can't be read from JSON.
[[nodiscard]] PlanNode make_plan(const Schema& schema);

/// Where the columns are, for the next chunk; nullptr: nobody reads it.
void bind(PlanNode& plan, std::span<ColumnWriter* const> columns);

}  // namespace millrace::json
