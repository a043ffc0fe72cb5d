#include "sql/lookup_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "sql/internal/chunk_writer.h"
#include "sql/internal/column_views.h"
#include "sql/internal/lookup_table.h"
#include "sql/internal/row_bytes.h"
#include "sql/internal/types.h"

namespace millrace::sql {

namespace {

using duckdb::DataChunk;
using duckdb::idx_t;

/// About what an entry takes beside its bytes.
constexpr std::int64_t kEntryBytes = 200;
/// A key that has more rows than this, and than are to be remembered, is no key.
constexpr std::int64_t kMostRowsOfKey = 10'000;

/// The key of a row as bytes.
std::string key_of(DataChunk& keys, idx_t row) {
  std::string key;
  for (auto& column : keys.data) {
    append_value(column, row, key);
  }
  return key;
}

bool has_null(DataChunk& keys, idx_t row) {
  return std::ranges::any_of(
      keys.data, [row](auto& column) { return duckdb::FlatVector::IsNull(column, row); });
}

std::string key_text_of(const Schema& schema, const std::vector<std::size_t>& key) {
  std::vector<std::string> names;
  names.reserve(key.size());
  for (const std::size_t column : key) {
    names.push_back(schema.columns[column].name);
  }
  return join(names, ", ");
}

std::int64_t rows_of(const FoundRows& found) { return std::max<std::int64_t>(found.rows, 1); }

}  // namespace

Found LookupCache::find(const std::string& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->found;
}

void LookupCache::put(const std::string& key, Found found) {
  if (const auto before = by_key_.find(key); before != by_key_.end()) {
    remove(before->second);
  }
  rows_ += rows_of(*found);
  bytes_ += static_cast<std::int64_t>(key.size() + found->bytes.size()) + kEntryBytes;
  entries_.push_front({key, std::move(found)});
  by_key_.emplace(entries_.front().key, entries_.begin());
  while (rows_ > max_rows_ || bytes_ > max_bytes_) {
    remove(std::prev(entries_.end()));
  }
}

void LookupCache::remove(Entries::iterator entry) {
  rows_ -= rows_of(*entry->found);
  bytes_ -= static_cast<std::int64_t>(entry->key.size() + entry->found->bytes.size()) + kEntryBytes;
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

void LookupCache::clear() {
  by_key_.clear();
  entries_.clear();
  rows_ = 0;
  bytes_ = 0;
}

LookupTable::Impl::Impl(std::string table, const Schema& columns, LookupOptions with,
                        std::unique_ptr<KeyLookup> from, Now clock)
    : name(std::move(table)),
      schema(columns),
      options(std::move(with)),
      source(std::move(from)),
      now(std::move(clock)),
      types(types_of(columns)),
      needed(columns.size(), false),
      cache(options.max_rows, options.max_bytes) {
  for (const std::size_t column : options.key) {
    needed[column] = true;
    key_types.push_back(types[column]);
    if (!has_plain_equality(types[column])) {
      throw Error(
          Blame::user,
          fmt::format("{} can't be looked up by {}, which is {}: a key is of whole numbers, "
                      "decimals, texts, bytes, dates, times or UUIDs",
                      name, schema.columns[column].name, schema.columns[column].type));
    }
  }
}

void LookupTable::Impl::need(const std::vector<bool>& columns) {
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (columns[c] && !needed[c]) {
      needed[c] = true;
      cache.clear();  // what it has is without this column
    }
  }
}

bool LookupTable::Impl::is_fresh(const FoundRows& found) const {
  // What this batch has read is good to its end.
  return found.read_at >= batch_begin || batch_begin - found.read_at < options.ttl;
}

void LookupTable::Impl::find(DataChunk& keys, std::vector<Found>& found) {
  keys.Flatten();
  Wanted wanted;
  std::unordered_map<std::string, std::size_t> places;
  std::vector<std::size_t> place_of(keys.size(), SIZE_MAX);
  for (idx_t row = 0; row < keys.size(); ++row) {
    if (has_null(keys, row)) {
      continue;
    }
    const auto [place, is_new] = places.emplace(key_of(keys, row), wanted.keys.size());
    place_of[row] = place->second;
    if (is_new) {
      wanted.keys.push_back(place->first);
      wanted.rows.push_back(row);
    }
  }
  wanted.found.resize(wanted.keys.size());
  Indices open(wanted.keys.size());
  std::iota(open.begin(), open.end(), std::size_t{0});
  {
    const std::lock_guard guard(lock);
    stats.keys += static_cast<std::int64_t>(open.size());
  }
  while (!open.empty()) {
    Indices others;
    const Indices mine = claim(wanted, open, others);
    if (!mine.empty()) {
      read_keys(keys, wanted, mine);
    }
    std::unique_lock guard(lock);
    read.wait(guard, [&] {
      return std::ranges::none_of(
          others, [&](std::size_t i) { return under_way.contains(wanted.keys[i]); });
    });
    open = std::move(others);  // they are remembered now, or forgotten again, or could not be read
  }
  found.assign(keys.size(), nullptr);
  for (idx_t row = 0; row < keys.size(); ++row) {
    if (place_of[row] != SIZE_MAX) {
      found[row] = wanted.found[place_of[row]];
    }
  }
}

LookupTable::Impl::Indices LookupTable::Impl::claim(Wanted& wanted, const Indices& open,
                                                    Indices& others) {
  Indices mine;
  const std::lock_guard guard(lock);
  for (const std::size_t i : open) {
    const auto& key = wanted.keys[i];
    if (auto found = cache.find(key); found != nullptr && is_fresh(*found)) {
      wanted.found[i] = std::move(found);
    } else if (under_way.insert(key).second) {
      mine.push_back(i);
    } else {
      others.push_back(i);
    }
  }
  return mine;
}

void LookupTable::Impl::read_keys(DataChunk& keys, Wanted& wanted, const Indices& mine) {
  try {
    read_rows(keys, wanted, mine);
  } catch (...) {
    release(wanted, mine);
    throw;
  }
  {
    const std::lock_guard guard(lock);
    stats.keys_read += static_cast<std::int64_t>(mine.size());
    for (const std::size_t i : mine) {
      stats.rows_read += wanted.found[i]->rows;
      cache.put(wanted.keys[i], wanted.found[i]);
    }
  }
  release(wanted, mine);
}

void LookupTable::Impl::release(const Wanted& wanted, const Indices& mine) {
  {
    const std::lock_guard guard(lock);
    for (const std::size_t i : mine) {
      under_way.erase(wanted.keys[i]);
    }
  }
  read.notify_all();
}

void LookupTable::Impl::read_rows(DataChunk& keys, Wanted& wanted, const Indices& mine) {
  auto& allocator = duckdb::Allocator::DefaultAllocator();
  duckdb::SelectionVector chosen(mine.size());
  std::unordered_map<std::string_view, FoundRows*> by_key;
  const auto read_at = now();  // before it is asked: what changes meanwhile is read again in time
  for (std::size_t i = 0; i < mine.size(); ++i) {
    chosen.set_index(i, wanted.rows[mine[i]]);
    auto rows = std::make_shared<FoundRows>();
    rows->read_at = read_at;
    by_key.emplace(wanted.keys[mine[i]], rows.get());
    wanted.found[mine[i]] = std::move(rows);
  }
  DataChunk asked;
  asked.Initialize(allocator, key_types, std::max<idx_t>(mine.size(), 1));
  keys.Copy(asked, chosen, mine.size());
  ColumnViews views;
  const auto reader = source->look_up(views.of(asked), *malformed);
  DataChunk rows;
  rows.Initialize(allocator, types);
  DecodingWriter writer(types, needed);
  std::string key;
  while (true) {
    rows.Reset();
    writer.attach(rows);
    const std::size_t count = reader->read(writer);
    if (count == 0) {
      return;
    }
    writer.finish();
    for (idx_t row = 0; row < count; ++row) {
      key.clear();
      for (const std::size_t column : options.key) {
        append_value(rows.data[column], row, key);
      }
      const auto of = by_key.find(key);
      if (of == by_key.end()) {
        continue;  // equal for the source, but not in SQL
      }
      if (++of->second->rows > std::max(options.max_rows, kMostRowsOfKey)) {
        throw Error(Blame::user,
                    fmt::format("lookup {}: more than {} rows have the same {}; look it up by "
                                "columns that fewer rows share, or read it whole: `as: table`",
                                name, of->second->rows - 1, key_text_of(schema, options.key)));
      }
      for (std::size_t c = 0; c < types.size(); ++c) {
        if (needed[c]) {
          append_value(rows.data[c], row, of->second->bytes);
        }
      }
    }
  }
}

const char* LookupTable::Impl::read_row(const char* at, const std::vector<duckdb::Vector*>& to,
                                        idx_t row) const {
  for (std::size_t c = 0; c < types.size(); ++c) {
    if (needed[c]) {
      at = to[c] == nullptr ? skip_value(at, types[c]) : read_value(at, *to[c], row);
    }
  }
  return at;
}

LookupTable::LookupTable(std::string name, const Schema& schema, LookupOptions options,
                         std::unique_ptr<KeyLookup> source, Now now)
    : impl_(std::make_unique<Impl>(std::move(name), schema, std::move(options), std::move(source),
                                   std::move(now))) {}
LookupTable::~LookupTable() = default;

const std::string& LookupTable::name() const noexcept { return impl_->name; }
const Schema& LookupTable::schema() const noexcept { return impl_->schema; }
std::string LookupTable::key_text() const { return key_text_of(impl_->schema, impl_->options.key); }

void LookupTable::begin_batch(MalformedReceiver& malformed) {
  const std::lock_guard guard(impl_->lock);
  impl_->malformed = &malformed;
  impl_->batch_begin = impl_->now();
  impl_->stats = {};
}

LookupStats LookupTable::stats() const {
  const std::lock_guard guard(impl_->lock);
  LookupStats stats = impl_->stats;
  stats.rows = impl_->cache.rows();
  stats.bytes = impl_->cache.bytes();
  return stats;
}

}  // namespace millrace::sql
