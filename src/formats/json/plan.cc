#include "formats/json/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/strings.h"

namespace millrace::json {
namespace {

using Id = Type::Id;

constexpr std::uint64_t kMultiplier = 0x9E37'79B9'7F4A'7C15ULL;  // 2^64 by the golden ratio

std::uint64_t mix(std::uint64_t hash, std::uint64_t with) {
  hash = (hash ^ with) * kMultiplier;
  return hash ^ (hash >> 32U);
}

std::string why_unreadable(const Type& type, std::size_t depth) {
  if (depth > kMaxTypeDepth) {
    return fmt::format("is nested deeper than {} levels", kMaxTypeDepth);
  }
  if (type.id == Id::other) {
    return "is or has a type that can't be read from JSON; declare it VARCHAR to get its JSON text";
  }
  if (type.id == Id::map && type.parts[0].type.id != Id::varchar) {
    return "is or has a MAP whose keys are not VARCHAR, as JSON's are";
  }
  for (const Type::Part& part : type.parts) {
    if (auto reason = why_unreadable(part.type, depth + 1); !reason.empty()) {
      return reason;
    }
  }
  return "";
}

std::string_view word_of(Id id) {
  switch (id) {
    case Id::boolean:
      return "BOOLEAN";
    case Id::i8:
      return "TINYINT";
    case Id::i16:
      return "SMALLINT";
    case Id::i32:
      return "INTEGER";
    case Id::i64:
      return "BIGINT";
    case Id::i128:
      return "HUGEINT";
    case Id::u8:
      return "UTINYINT";
    case Id::u16:
      return "USMALLINT";
    case Id::u32:
      return "UINTEGER";
    case Id::u64:
      return "UBIGINT";
    case Id::f32:
      return "FLOAT";
    case Id::f64:
      return "DOUBLE";
    case Id::varchar:
      return "VARCHAR";
    case Id::blob:
      return "BLOB in base64";
    case Id::date:
      return "DATE";
    case Id::time:
      return "TIME";
    case Id::uuid:
      return "UUID";
    case Id::interval:
      return "INTERVAL";
    case Id::structure:
      return "STRUCT";
    case Id::list:
      return "LIST";
    case Id::map:
      return "MAP";
    case Id::timestamp_tz:
      return "TIMESTAMPTZ";
    default:
      return "TIMESTAMP";
  }
}

/// Makes the parts of a node findable by their names.
void index_names(PlanNode& node) {
  std::vector<std::string> names;
  std::vector<std::string> lowered;
  for (std::size_t i = 0; i < node.parts.size(); ++i) {
    PlanNode& part = node.parts[i];
    names.push_back(part.name);
    lowered.push_back(to_lower(part.name));
    part.raw_name = part.name.find('\\') == std::string::npos ? part.name : "\"";
    part.next = i + 1;
    node.lengths |= std::uint64_t{1} << std::min<std::size_t>(part.name.size(), 63);
  }
  node.exact = NameTable(std::move(names));
  node.lowered = NameTable(std::move(lowered));
  node.seen.assign((node.parts.size() + 63) / 64, 0);
}

PlanNode make_node(std::string name, const Type& type) {
  PlanNode node;
  node.id = type.id;
  node.precision = type.precision;
  node.scale = type.scale;
  node.name = std::move(name);
  node.type = type.id == Id::decimal ? fmt::format("DECIMAL({},{})", type.precision, type.scale)
                                     : std::string(word_of(type.id));
  for (const Type::Part& part : type.parts) {
    node.parts.push_back(make_node(part.name, part.type));
  }
  if (type.id == Id::structure) {
    index_names(node);
  }
  return node;
}

void bind_parts(PlanNode& node) {
  for (std::size_t i = 0; i < node.parts.size(); ++i) {
    node.parts[i].writer = node.writer == nullptr ? nullptr : node.writer->parts()[i];
    bind_parts(node.parts[i]);
  }
}

}  // namespace

std::uint64_t hash_of(std::string_view text, std::uint64_t seed) noexcept {
  std::uint64_t hash = mix(seed, text.size());
  std::uint64_t word = 0;
  for (; text.size() > sizeof(word); text.remove_prefix(sizeof(word))) {
    std::memcpy(&word, text.data(), sizeof(word));
    hash = mix(hash, word);
  }
  word = 0;
  std::memcpy(&word, text.data(), text.size());
  return mix(hash, word);
}

NameTable::NameTable(std::vector<std::string> names)
    : names_(std::move(names)), slots_(std::bit_ceil(2 * names_.size() + 1), 0) {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (find(names_[i]) != kNone) {
      continue;
    }
    std::size_t slot = hash_of(names_[i], 0) & (slots_.size() - 1);
    while (slots_[slot] != 0) {
      slot = (slot + 1) & (slots_.size() - 1);
    }
    slots_[slot] = static_cast<std::uint32_t>(i + 1);
  }
}

std::size_t NameTable::find(std::string_view name) const noexcept {
  std::size_t slot = hash_of(name, 0) & (slots_.size() - 1);
  while (slots_[slot] != 0) {
    if (names_[slots_[slot] - 1] == name) {
      return slots_[slot] - 1;
    }
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return kNone;
}

PlanNode make_plan(const Schema& schema) {
  PlanNode plan;
  plan.id = Id::structure;
  for (const Column& column : schema.columns) {
    const Type type = parse_type(column.type);
    if (const auto reason = why_unreadable(type, 1); !reason.empty()) {
      throw Error(Blame::user, fmt::format("column {} ({}) {}", column.name, column.type, reason));
    }
    plan.parts.push_back(make_node(column.name, type));
  }
  index_names(plan);
  return plan;
}

void bind(PlanNode& plan, std::span<ColumnWriter* const> columns) {
  for (std::size_t i = 0; i < plan.parts.size(); ++i) {
    plan.parts[i].writer = columns[i];
    bind_parts(plan.parts[i]);
  }
}

}  // namespace millrace::json
