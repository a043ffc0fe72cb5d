#include "connectors/generator/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace millrace {

namespace {

// Whether a row is flawed is drawn apart from what is in it.
constexpr std::uint64_t kTableFlawSeed = 0xF1A3'7AB1EULL;

/// Each table has random numbers of its own: FNV-1a of its name, begun with the seed.
std::uint64_t seed_of(const TableKind& table, std::uint64_t seed) {
  std::uint64_t hash = 0xCBF29CE484222325ULL ^ seed;
  for (const char letter : table.name) {
    hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001B3ULL;
  }
  return hash;
}

}  // namespace

const TableKind& DatabaseKind::counted_table() const {
  return *std::ranges::find(tables, counted, &TableKind::name);
}

const DatabaseKind* find_database_kind(std::string_view name) {
  const auto kinds = database_kinds();
  const auto found = std::ranges::find(kinds, name, &DatabaseKind::name);
  return found == kinds.end() ? nullptr : &*found;
}

bool add_row(const TableKind& table, const TableOptions& options, std::int64_t number,
             FlatRows& to) {
  const auto index = static_cast<std::uint64_t>(number);
  if (table.columns.columns.front().physical == Physical::i32 && number >= INT32_MAX) {
    throw Error(Blame::user, fmt::format("{} has no key for more than {} rows: its type is INT",
                                         table.name, INT32_MAX));
  }
  const auto seed = seed_of(table, options.seed);
  RowRandom random(seed, index);
  const auto since = static_cast<double>(number - options.first) * 1000 / options.per_second;
  const bool is_flawed =
      table.has_flaws && RowRandom(seed ^ kTableFlawSeed, index).share() <= options.invalid;
  to.add();
  table.fill({.random = random,
              .seed = options.seed,
              .number = number,
              .time_ms = options.start_ms + std::llround(since),
              .is_flawed = is_flawed},
             to);
  return is_flawed;
}

}  // namespace millrace
