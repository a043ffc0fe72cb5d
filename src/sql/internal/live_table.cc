// One live table: what is written to it, and how that becomes part of it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <unordered_map>

#include "base/error.h"
#include "sql/internal/batch.h"
#include "sql/internal/live_tables.h"
#include "sql/internal/row_bytes.h"
#include "sql/internal/types.h"

namespace millrace::sql {

using duckdb::DataChunk;
using duckdb::SelectionVector;

namespace {

/// A commit moves this many rows, beside twice those that it changes. Then it keeps up: by what it
/// changes rows become to be moved.
constexpr std::size_t kMergedRows = 4 * kChunkRows;

std::uint64_t hash_of_bytes(std::string_view bytes) { return std::hash<std::string_view>()(bytes); }

/// Numbers first: texts lie elsewhere, and most rows that are written differ in some number.
bool same_row(DataChunk& a, std::size_t row_a, DataChunk& b, std::size_t row_b) {
  for (const bool constant_size : {true, false}) {
    for (std::size_t c = 0; c < a.ColumnCount(); ++c) {
      const auto type = a.data[c].GetType().InternalType();
      if (duckdb::TypeIsConstantSize(type) == constant_size &&
          !same_value(a.data[c], row_a, b.data[c], row_b)) {
        return false;
      }
    }
  }
  return true;
}

/// Rows of pages that were found to be there still, or replaced.
class Marks {
 public:
  void set(LiveRow row) {
    auto& of_page = rows_[row.page];
    of_page.resize(row.page->size());
    of_page[row.row] = true;
  }
  /// Rows that have not ended and are not marked, page by page.
  [[nodiscard]] std::vector<LiveRow> others(const LivePages& pages) const {
    std::vector<LiveRow> out;
    for (const auto& page : pages) {
      const auto marked = rows_.find(page.get());
      for (std::uint32_t row = 0; row < page->size(); ++row) {
        if (page->end(row) == kNotEnded && (marked == rows_.end() || !marked->second[row])) {
          out.push_back({page.get(), row});
        }
      }
    }
    return out;
  }

 private:
  std::unordered_map<const LivePage*, std::vector<bool>> rows_;
};

}  // namespace

/// The rows of a batch that is written, and what is known of each.
class LiveTable::Impl::Incoming {
 public:
  struct Row {
    std::uint64_t hash = 0;
    std::uint32_t chunk = 0;
    std::uint32_t row = 0;
    LiveRow before;     ///< with the same key
    bool same = false;  ///< as it is there
  };

  Incoming(const Impl& table, Batch& batch) : table_(table) {
    for (const auto& chunk : batch.impl().chunks) {
      chunk->Flatten();
      chunks_.push_back(chunk.get());
    }
    rows_.reserve(static_cast<std::size_t>(batch.rows()));
  }

  /// Of a table with a key. What is looked for may lie anywhere in memory: so some rows are asked
  /// for before the first of them is waited for.
  void find_by_key() {
    constexpr std::uint32_t kAtOnce = 128;
    HashSlots<Known> known;
    std::array<std::string, kAtOnce> keys;
    std::array<std::uint64_t, kAtOnce> hashes{};
    for (std::uint32_t c = 0; c < chunks_.size(); ++c) {
      DataChunk& chunk = *chunks_[c];
      for (std::uint32_t begin = 0; begin < chunk.size(); begin += kAtOnce) {
        const auto count = std::min(kAtOnce, static_cast<std::uint32_t>(chunk.size()) - begin);
        for (std::uint32_t i = 0; i < count; ++i) {
          keys[i].clear();
          table_.append_key(chunk, begin + i, keys[i]);
          hashes[i] = hash_of_bytes(keys[i]);
          table_.index.prefetch(hashes[i]);
        }
        for (std::uint32_t i = 0; i < count; ++i) {
          if (const LiveRow likely = table_.index.first(hashes[i]); likely.page != nullptr) {
            likely.page->prefetch(likely.row);
          }
        }
        for (std::uint32_t i = 0; i < count; ++i) {
          find_row(known, {hashes[i], c, begin + i, {}}, keys[i]);
        }
      }
    }
  }

  /// Of a table without: rows that are equal as a whole stand for each other, one by one.
  void find_by_content(const LivePages& pages) {
    std::vector<LiveRow> there;
    std::vector<std::uint32_t> next;   // of there: an equal one
    std::vector<std::uint32_t> first;  // of those that are equal, that is not taken yet
    HashSlots<Known> known;            // place of `first`, of each content
    std::vector<LiveRow> shown;        // one of each content
    std::string content;
    const auto find = [&](std::uint64_t hash) {
      return known.find(low(hash), [&](const Known& each) {
        const LiveRow row = shown[each.place - 1];
        return table_.has_key(row.page->rows(), row.row, content);
      });
    };
    for (const LiveRow row : Marks().others(pages)) {
      content.clear();
      table_.append_key(row.page->rows(), row.row, content);
      const std::uint64_t hash = hash_of_bytes(content);
      there.push_back(row);
      if (const auto* equal = find(hash)) {
        next.push_back(first[equal->place - 1]);
        first[equal->place - 1] = static_cast<std::uint32_t>(there.size());
      } else {
        next.push_back(0);
        first.push_back(static_cast<std::uint32_t>(there.size()));
        shown.push_back(row);
        known.insert({static_cast<std::uint32_t>(first.size()), low(hash)});
      }
    }
    for (std::uint32_t c = 0; c < chunks_.size(); ++c) {
      for (std::uint32_t r = 0; r < chunks_[c]->size(); ++r) {
        content.clear();
        table_.append_key(*chunks_[c], r, content);
        const auto* equal = find(hash_of_bytes(content));
        Row& row = rows_.emplace_back(Row{0, c, r, {}});
        if (equal != nullptr && first[equal->place - 1] != 0) {
          std::uint32_t& taken = first[equal->place - 1];
          row.before = there[taken - 1];
          row.same = true;
          taken = next[taken - 1];
        }
      }
    }
  }

  /// Rows that are there and not among these.
  [[nodiscard]] std::vector<LiveRow> missing(const LivePages& pages) const {
    Marks marks;
    for (const Row& row : rows_) {
      if (row.before.page != nullptr) {
        marks.set(row.before);
      }
    }
    return marks.others(pages);
  }

  /// Those that differ from what is there, in the order of their chunks.
  [[nodiscard]] std::vector<Row> take_changed() {
    std::erase_if(rows_, [](const Row& row) { return row.same; });
    std::ranges::sort(rows_, {}, [](const Row& row) { return std::pair(row.chunk, row.row); });
    return std::move(rows_);
  }
  [[nodiscard]] DataChunk& chunk(std::uint32_t number) const { return *chunks_[number]; }

 private:
  struct Known {
    std::uint32_t place = 0;  ///< from 1 on
    std::uint32_t hash = 0;
    [[nodiscard]] bool is_free() const noexcept { return place == 0; }
  };
  [[nodiscard]] static std::uint32_t low(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash);
  }
  /// Finds what a row replaces. Of rows with one key the last one counts.
  void find_row(HashSlots<Known>& known, Row row, const std::string& key) {
    const auto* earlier = known.find(low(row.hash), [&](const Known& each) {
      const Row& other = rows_[each.place - 1];
      return table_.has_key(*chunks_[other.chunk], other.row, key);
    });
    if (earlier != nullptr) {
      row.before = rows_[earlier->place - 1].before;
    } else {
      row.before = table_.index.find(row.hash, [&](LiveRow there) {
        return table_.has_key(there.page->rows(), there.row, key);
      });
    }
    row.same = row.before.page != nullptr &&
               same_row(*chunks_[row.chunk], row.row, row.before.page->rows(), row.before.row);
    if (earlier != nullptr) {
      rows_[earlier->place - 1] = row;
    } else {
      rows_.push_back(row);
      known.insert({static_cast<std::uint32_t>(rows_.size()), low(row.hash)});
    }
  }

  const Impl& table_;
  std::vector<DataChunk*> chunks_;
  std::vector<Row> rows_;
};

LiveTable::Impl::Impl(std::string table, Schema columns, std::vector<std::size_t> key_columns)
    : name(std::move(table)),
      schema(std::move(columns)),
      key(std::move(key_columns)),
      types(types_of(schema)) {}

void LiveTable::Impl::write(Batch& batch, std::int64_t id, bool all) {
  if (!all && key.empty()) {
    throw Error(Blame::internal, fmt::format("live table {} has no key to update by", name));
  }
  waiting_ = Waiting();  // of an attempt that did not come to its commit
  Incoming in(*this, batch);
  if (key.empty()) {
    in.find_by_content(pages_);
  } else {
    in.find_by_key();
  }
  Waiting waiting{.batch = id, .pages = {}, .rows = {}, .gone = {}};
  if (all) {
    waiting.gone = in.missing(pages_);
  }
  waiting_ = std::move(waiting);
  place(in);
}

/// Copies the changed rows into pages.
void LiveTable::Impl::place(Incoming& in) {
  const auto rows = in.take_changed();
  LivePageBuilder builder(types, rows.size());
  std::vector<LiveRow> placed;
  placed.reserve(rows.size());
  SelectionVector chosen(kChunkRows);
  for (std::size_t i = 0; i < rows.size();) {
    std::size_t count = 0;
    const std::uint32_t chunk = rows[i].chunk;
    for (; i < rows.size() && rows[i].chunk == chunk; ++i) {
      chosen.set_index(count++, rows[i].row);
    }
    builder.add(in.chunk(chunk), chosen, count, &placed, std::int64_t{0});
  }
  waiting_.pages = builder.take();
  if (!key.empty()) {
    waiting_.rows.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      waiting_.rows.push_back({rows[i].hash, placed[i], rows[i].before});
    }
  }
}

std::uint64_t LiveTable::Impl::hash_of(LiveRow row) const {
  std::string bytes;
  append_key(row.page->rows(), row.row, bytes);
  return hash_of_bytes(bytes);
}

bool LiveTable::Impl::ends(std::int64_t batch, LiveEnded& to) const {
  if (waiting_.batch != batch || key.empty()) {
    return false;
  }
  const auto add = [&](std::uint64_t hash, LiveRow row) {
    to.rows.push_back({hash, row.page->shared_from_this(), row.row});
  };
  for (const NewRow& row : waiting_.rows) {
    if (row.before.page != nullptr) {
      add(row.hash, row.before);
    }
  }
  for (const LiveRow row : waiting_.gone) {
    add(hash_of(row), row);
  }
  std::ranges::sort(to.rows, {}, &LiveEnded::Row::hash);
  return !to.rows.empty();
}

void LiveTable::Impl::commit(std::int64_t batch, std::int64_t commit, std::int64_t history_bytes,
                             LiveMoment& now) {
  const bool written = waiting_.batch == batch;
  const bool changes = written && (!waiting_.pages.empty() || !waiting_.gone.empty());
  if (written && now.stamp == 0) {
    gone_from_ = commit;
  }
  if (changes) {
    apply(commit);
    keep_gone(commit, history_bytes);
    merge(kMergedRows + (2 * (waiting_.rows.size() + waiting_.gone.size())));
    count();
  }
  waiting_ = Waiting();
  if (changes || (written && now.stamp == 0)) {
    now.pages = std::make_shared<const LivePages>(pages_);
    now.gone = std::make_shared<const LivePages>(gone_);
    now.gone_from = gone_from_;
    now.changed_at = batch;
    now.stamp = commit;
    now.rows = rows;
  }
}

void LiveTable::Impl::apply(std::int64_t commit) {
  for (const auto& page : waiting_.pages) {
    page->begin_at(commit);
    pages_.push_back(page);
  }
  for (const NewRow& row : waiting_.rows) {
    index.prefetch(row.hash);
  }
  for (const NewRow& row : waiting_.rows) {
    if (row.before.page != nullptr) {
      row.before.page->end_row(row.before.row, commit);
      index.move(row.hash, row.before, row.at);
    } else {
      index.insert(row.hash, row.at);
    }
  }
  for (const LiveRow row : waiting_.gone) {
    row.page->end_row(row.row, commit);
    if (!key.empty()) {
      index.erase(hash_of(row), row);
    }
  }
}

/// Keeps what was removed for those who follow changes, up to so many bytes.
void LiveTable::Impl::keep_gone(std::int64_t commit, std::int64_t history_bytes) {
  const auto& gone = waiting_.gone;
  LivePageBuilder builder(types, gone.size());
  SelectionVector chosen(kChunkRows);
  for (std::size_t i = 0; i < gone.size();) {
    std::size_t count = 0;
    const LivePage* page = gone[i].page;
    for (; i < gone.size() && gone[i].page == page; ++i) {
      chosen.set_index(count++, gone[i].row);
    }
    builder.add(*page, chosen, count, nullptr);
  }
  for (auto& page : builder.take()) {
    for (std::size_t row = 0; row < page->size(); ++row) {
      page->end_row(row, commit);
    }
    gone_.push_back(std::move(page));
  }
  // Few full pages in place of many small ones; each row is moved a few times at most.
  while (gone_.size() > 1 && gone_.back()->size() * 2 > gone_[gone_.size() - 2]->size() &&
         gone_.back()->size() + gone_[gone_.size() - 2]->size() <= kChunkRows) {
    const std::array<std::shared_ptr<LivePage>, 2> parts{gone_[gone_.size() - 2], gone_.back()};
    auto page = std::make_shared<LivePage>(types, parts[0]->size() + parts[1]->size());
    for (const auto& part : parts) {
      const std::size_t at = page->size();
      page->append(*part, *duckdb::FlatVector::IncrementalSelectionVector(), part->size());
      for (std::size_t row = 0; row < part->size(); ++row) {
        page->end_row(at + row, part->end(row));
      }
    }
    page->seal();
    gone_.resize(gone_.size() - 2);
    gone_.push_back(std::move(page));
  }
  std::int64_t total = 0;
  for (const auto& page : gone_) {
    total += page->bytes();
  }
  std::size_t drop = 0;
  for (; drop < gone_.size() && total > history_bytes; ++drop) {
    total -= gone_[drop]->bytes();
    gone_from_ = gone_[drop]->end(gone_[drop]->size() - 1);
  }
  gone_.erase(gone_.begin(), gone_.begin() + static_cast<std::ptrdiff_t>(drop));
}

void LiveTable::Impl::move_in_index(const std::vector<LiveRow>& from,
                                    const std::vector<LiveRow>& to) {
  std::vector<std::uint64_t> hashes;
  hashes.reserve(key.empty() ? 0 : to.size());
  for (std::size_t i = 0; i < to.size() && !key.empty(); ++i) {
    hashes.push_back(hash_of(to[i]));
    index.prefetch(hashes.back());
  }
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    index.move(hashes[i], from[i], to[i]);
  }
}

/// Puts pages of few rows together, and those that have lost half of their rows: four of about the
/// same size at least, so that a row is moved a few times at most. What is left over is bounded: as
/// much as there are rows, and some small pages. `most_rows`: moved by this call, or somewhat more,
/// so that no commit takes long; what is left over is merged by the next ones.
void LiveTable::Impl::merge(std::size_t most_rows) {
  constexpr std::size_t kAtLeast = 4;
  constexpr std::size_t kSmall = kChunkRows / 2;
  std::erase_if(pages_, [](const auto& page) { return page->live == 0; });
  std::array<std::vector<std::size_t>, std::bit_width(kSmall) + 1> by_size;
  for (std::size_t i = 0; i < pages_.size(); ++i) {
    if (pages_[i]->live <= kSmall) {
      by_size[std::bit_width(pages_[i]->live)].push_back(i);
    }
  }
  std::size_t moved = 0;
  std::vector<bool> is_merged(pages_.size(), false);
  for (const auto& pages : by_size) {
    for (std::size_t k = 0; pages.size() >= kAtLeast && k < pages.size() && moved < most_rows;
         ++k) {
      moved += pages_[pages[k]]->live;
      is_merged[pages[k]] = true;
    }
  }
  if (moved == 0) {
    return;
  }
  LivePageBuilder builder(types, moved);
  LivePages kept;
  SelectionVector chosen(kChunkRows);
  std::vector<LiveRow> placed;
  std::vector<LiveRow> from;
  for (std::size_t i = 0; i < pages_.size(); ++i) {
    if (!is_merged[i]) {
      kept.push_back(pages_[i]);
      continue;
    }
    const std::size_t count = pages_[i]->select(kNotEnded - 1, -1, chosen);
    builder.add(*pages_[i], chosen, count, &placed);
    for (std::size_t k = 0; k < count; ++k) {
      from.push_back({pages_[i].get(), static_cast<std::uint32_t>(chosen.get_index(k))});
    }
  }
  auto merged = builder.take();
  move_in_index(from, placed);
  kept.insert(kept.end(), merged.begin(), merged.end());
  pages_ = std::move(kept);
}

void LiveTable::Impl::count() {
  std::int64_t now = 0;
  std::int64_t memory = key.empty() ? 0 : index.bytes();
  for (const auto& page : pages_) {
    now += static_cast<std::int64_t>(page->live);
    memory += page->bytes();
  }
  for (const auto& page : gone_) {
    memory += page->bytes();
  }
  rows = now;
  bytes = memory;
}

}  // namespace millrace::sql
