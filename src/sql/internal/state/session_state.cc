#include "sql/internal/state/session_state.h"

#include <algorithm>

#include "sql/internal/state/group_writer.h"

namespace millrace::sql {

using duckdb::DataChunk;
using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::SelectionVector;
using duckdb::Vector;

void SessionState::begin_epoch() {
  forgotten_ = 0;
  added_.clear();
  late_ = {};
}

idx_t SessionState::add(DataChunk& rows, SelectionVector& late) {
  std::array<Window, STANDARD_VECTOR_SIZE> times;
  read_windows(rows.data[layout_.keys], rows.size(), times);
  SelectionVector timely(STANDARD_VECTOR_SIZE);
  const std::lock_guard guard(lock_);
  idx_t n = 0;
  for (idx_t i = 0; i < rows.size(); ++i) {
    late.set_index(i - n, i);  // the next one that is not timely
    if (times[i] == kBeforeAll) {
      late_.count_without_time();
    } else if (watermark_ != kNoBound && times[i] + layout_.gap_us <= watermark_) {
      late_.count(watermark_ - times[i] - layout_.gap_us);
    } else {
      timely.set_index(n++, i);
    }
  }
  add_rows(rows, timely, n, times.data());
  return n;
}

void SessionState::add_rows(DataChunk& rows, const SelectionVector& selected, idx_t count,
                            const Window* times) {
  DataChunk keys;
  duckdb::vector<LogicalType> key_types(
      layout_.types.begin(), layout_.types.begin() + static_cast<std::ptrdiff_t>(layout_.keys));
  Vector key_bytes(LogicalType::BLOB);
  if (layout_.keys > 0) {
    keys.InitializeEmpty(key_types);
    for (idx_t k = 0; k < layout_.keys; ++k) {
      keys.data[k].Reference(rows.data[k]);
    }
    keys.SetCardinality(rows.size());
    const duckdb::vector<duckdb::OrderModifiers> orders(
        layout_.keys,
        duckdb::OrderModifiers(duckdb::OrderType::ASCENDING, duckdb::OrderByNullType::NULLS_LAST));
    duckdb::CreateSortKeyHelpers::CreateSortKey(keys, orders, key_bytes);
    key_bytes.Flatten(rows.size());
  }
  const auto* bytes = FlatVector::GetData<duckdb::string_t>(key_bytes);
  for (idx_t i = 0; i < count; ++i) {
    const idx_t row = selected.get_index(i);
    const std::string key = layout_.keys > 0 ? bytes[row].GetString() : std::string();
    insert(*keys_.try_emplace(key).first, times[row], append(rows, row));
  }
}

SessionState::Place SessionState::append(DataChunk& rows, idx_t row) {
  if (blocks_.empty() || blocks_.rbegin()->second.rows->size() == STANDARD_VECTOR_SIZE) {
    Block& block = blocks_[next_block_++];
    block.rows = std::make_unique<DataChunk>();
    block.rows->Initialize(duckdb::Allocator::DefaultAllocator(), layout_.types);
    block.rows->SetCardinality(STANDARD_VECTOR_SIZE);  // what it has room for
    block.bytes = static_cast<std::int64_t>(block.rows->GetAllocationSize());
    block.rows->SetCardinality(0);
    bytes_ += block.bytes;
  }
  auto& [number, block] = *blocks_.rbegin();
  const idx_t at = block.rows->size();
  for (idx_t c = 0; c < layout_.types.size(); ++c) {
    duckdb::VectorOperations::Copy(rows.data[c], block.rows->data[c], row + 1, row, at);
  }
  block.rows->SetCardinality(at + 1);
  block.kept.push_back(true);
  ++block.alive;
  ++rows_;
  const Place place{number, static_cast<std::uint32_t>(at)};
  added_.push_back(place);
  return place;
}

void SessionState::insert(Key& key, std::int64_t time, Place place) {
  Sessions& sessions = key.second;
  const std::int64_t gap = layout_.gap_us;
  if (!sessions.empty()) {
    by_first_end_.erase({sessions.front().last, &key});
  }
  // The sessions from `first` to `end` are less than the gap away.
  const auto first = std::ranges::lower_bound(
      sessions, time, [&](std::int64_t last, std::int64_t t) { return last + gap <= t; },
      &Session::last);
  auto end = first;
  while (end != sessions.end() && end->first < time + gap) {
    ++end;
  }
  if (first == end) {
    sessions.insert(first, {time, time, {place}});
    ++sessions_;
  } else {
    first->first = std::min(first->first, time);
    first->last = std::max(first->last, time);
    first->rows.push_back(place);
    for (auto other = first + 1; other != end; ++other) {
      first->last = std::max(first->last, other->last);
      first->rows.insert(first->rows.end(), other->rows.begin(), other->rows.end());
      --sessions_;
    }
    sessions.erase(first + 1, end);
  }
  by_first_end_.emplace(sessions.front().last, &key);
}

std::vector<SessionState::SessionRow> SessionState::close(std::int64_t watermark) {
  std::vector<SessionRow> closed;
  const auto is_over = [&](std::int64_t last) {
    return watermark != kNoBound && last + layout_.gap_us <= watermark;
  };
  while (!by_first_end_.empty() && is_over(by_first_end_.begin()->first)) {
    Key* key = by_first_end_.begin()->second;
    by_first_end_.erase(by_first_end_.begin());
    Sessions& sessions = key->second;
    const auto open = std::ranges::find_if_not(sessions, is_over, &Session::last);
    for (auto session = sessions.begin(); session != open; ++session) {
      for (const Place place : session->rows) {
        closed.push_back({place, session->first, session->last});
      }
      --sessions_;
    }
    sessions.erase(sessions.begin(), open);
    if (sessions.empty()) {
      keys_.erase(key->first);
    } else {
      by_first_end_.emplace(sessions.front().last, key);
    }
  }
  std::ranges::sort(closed, {}, &SessionRow::place);
  return closed;
}

std::vector<SessionState::SessionRow> SessionState::open_rows() const {
  std::vector<SessionRow> rows;
  for (const auto& [key, sessions] : keys_) {
    for (const Session& session : sessions) {
      for (const Place place : session.rows) {
        rows.push_back({place, session.first, session.last});
      }
    }
  }
  std::ranges::sort(rows, {}, &SessionRow::place);
  return rows;
}

std::string SessionState::oldest_text() const {
  if (by_first_end_.empty()) {
    return {};
  }
  const Session& first = by_first_end_.begin()->second->second.front();
  return time_value(first.first, layout_.types[layout_.keys]).ToString();
}

std::optional<std::int64_t> SessionState::oldest_us() const {
  return by_first_end_.empty() ? std::nullopt
                               : std::optional(by_first_end_.begin()->second->second.front().first);
}

void SessionState::forget(const std::vector<SessionRow>& rows) {
  forgotten_ += static_cast<std::int64_t>(rows.size());
  for (const SessionRow& row : rows) {
    Block& block = blocks_.at(row.place.block);
    block.kept[row.place.row] = false;
    --block.alive;
    --rows_;
    if (block.alive == 0 && row.place.block + 1 != next_block_) {
      bytes_ -= block.bytes;
      blocks_.erase(row.place.block);
    }
  }
}

LateRows SessionState::take_late() {
  const std::lock_guard guard(lock_);
  return std::exchange(late_, {});
}

void SessionState::visit(bool all, const std::function<void(DataChunk&)>& visitor) const {
  SelectionVector selected(STANDARD_VECTOR_SIZE);
  const auto give = [&](const Block& block, idx_t count) {
    if (count > 0) {
      DataChunk some;
      some.InitializeEmpty(layout_.types);
      some.Slice(*block.rows, selected, count);
      some.Flatten();
      visitor(some);
    }
  };
  if (all) {
    for (const auto& [number, block] : blocks_) {
      idx_t n = 0;
      for (idx_t i = 0; i < block.kept.size(); ++i) {
        selected.set_index(n, i);
        n += block.kept[i] ? 1 : 0;
      }
      give(block, n);
    }
    return;
  }
  for (std::size_t i = 0; i < added_.size();) {
    const std::uint64_t number = added_[i].block;
    const auto block = blocks_.find(number);
    idx_t n = 0;
    for (; i < added_.size() && added_[i].block == number; ++i) {
      if (block != blocks_.end() && block->second.kept[added_[i].row]) {
        selected.set_index(n++, added_[i].row);
      }
    }
    if (n > 0) {
      give(block->second, n);
    }
  }
}

void SessionState::restore(DataChunk& rows) {
  std::array<Window, STANDARD_VECTOR_SIZE> times;
  read_windows(rows.data[layout_.keys], rows.size(), times);
  add_rows(rows, *FlatVector::IncrementalSelectionVector(), rows.size(), times.data());
}

void SessionState::clear() {
  keys_.clear();
  by_first_end_.clear();
  blocks_.clear();
  added_.clear();
  watermark_ = kNoBound;
  rows_ = sessions_ = bytes_ = 0;
}

}  // namespace millrace::sql
