#include "sql/internal/state/group_writer.h"

#include <algorithm>

namespace millrace::sql {

using duckdb::data_ptr_t;
using duckdb::DataChunk;
using duckdb::idx_t;
using duckdb::SelectionVector;
using duckdb::Vector;

namespace {

template <class T>
void read_values(Vector& column, idx_t count, std::array<Window, STANDARD_VECTOR_SIZE>& windows) {
  duckdb::UnifiedVectorFormat format;
  column.ToUnifiedFormat(count, format);
  const auto* values = reinterpret_cast<const T*>(format.data);
  for (idx_t i = 0; i < count; ++i) {
    const idx_t at = format.sel->get_index(i);
    windows[i] = format.validity.RowIsValid(at) ? static_cast<Window>(values[at]) : kBeforeAll;
  }
}

}  // namespace

void read_windows(Vector& column, idx_t count, std::array<Window, STANDARD_VECTOR_SIZE>& windows) {
  if (column.GetType().InternalType() == duckdb::PhysicalType::INT32) {
    read_values<std::int32_t>(column, count, windows);
  } else {
    read_values<std::int64_t>(column, count, windows);
  }
}

GroupWriter::GroupWriter(GroupState& state, bool preaggregate)
    : state_(state),
      spec_(state.spec()),
      preaggregate_(preaggregate && spec_.can_preaggregate() && state.may_preaggregate()),
      hashes_(duckdb::LogicalType::HASH),
      timely_(STANDARD_VECTOR_SIZE),
      late_(STANDARD_VECTOR_SIZE),
      at_home_(STANDARD_VECTOR_SIZE) {
  for (DataChunk* groups : {&part_groups_, &timely_groups_}) {
    groups->InitializeEmpty(spec_.group_types);
  }
  if (!spec_.payload_types.empty()) {
    for (DataChunk* payload : {&part_payload_, &timely_payload_}) {
      payload->InitializeEmpty(spec_.payload_types);
    }
  }
  for (idx_t p = 0; p < spec_.partitions; ++p) {
    selections_.at(p).Initialize(STANDARD_VECTOR_SIZE);
  }
  windows_.fill(state.end_of_life());
}

idx_t GroupWriter::find_timely(DataChunk& groups) {
  const idx_t count = groups.size();
  read_windows(groups.data[spec_.window_column], count, windows_);
  const Window open = std::max(state_.closed_before(), kBeforeAll + 1);
  idx_t n = 0;
  for (idx_t i = 0; i < count; ++i) {
    timely_.set_index(n, i);
    n += windows_[i] >= open ? 1 : 0;
  }
  if (n < count && spec_.counts_late) {
    state_.count_late(windows_.data(), count, groups.data[spec_.window_column].GetType());
  }
  if (n < count && spec_.gives_late) {
    idx_t late = 0;
    for (idx_t i = 0; i < count; ++i) {
      late_.set_index(late, i);
      late += windows_[i] < open ? 1 : 0;
    }
  }
  return n;
}

idx_t GroupWriter::add(DataChunk& groups, DataChunk& payload) {
  if (groups.size() == 0) {
    return 0;
  }
  if (!spec_.windowed) {
    add_timely(groups, payload);
    return groups.size();
  }
  const idx_t n = find_timely(groups);
  if (n == groups.size()) {
    add_timely(groups, payload);
  } else if (n > 0) {
    for (idx_t i = 0; i < n; ++i) {
      windows_[i] = windows_[timely_.get_index(i)];
    }
    timely_groups_.Slice(groups, timely_, n);
    if (!spec_.payload_types.empty()) {
      timely_payload_.Slice(payload, timely_, n);
    }
    timely_payload_.SetCardinality(n);
    add_timely(timely_groups_, timely_payload_);
  }
  return n;
}

void GroupWriter::add_timely(DataChunk& groups, DataChunk& payload) {
  groups.Hash(hashes_);
  // A whole chunk is seldom the only one.
  if (preaggregate_ && (direct_rows_ >= kDirectRows ||
                        (state_.should_preaggregate() && groups.size() == STANDARD_VECTOR_SIZE))) {
    add_locally(groups, payload);
  } else {
    direct_rows_ += groups.size();
    add_directly(groups, payload);
  }
}

void GroupWriter::add_directly(DataChunk& groups, DataChunk& payload) {
  const Window* windows = spec_.windowed || spec_.mortal ? windows_.data() : nullptr;
  const auto feed = [&](StateTable& table, const SelectionVector* part, idx_t n) {
    const Window* some = windows_of(windows, part, n, part_windows_);
    if (part == nullptr) {
      table.add(groups, hashes_, some, payload);
      return;
    }
    part_groups_.Slice(groups, *part, n);
    if (!spec_.payload_types.empty()) {
      part_payload_.Slice(payload, *part, n);
    }
    part_payload_.SetCardinality(n);
    Vector part_hashes(hashes_, *part, n);
    table.add(part_groups_, part_hashes, some, part_payload_);
  };
  route(groups.size(), hashes_, spec_.windowed ? windows : nullptr, feed);
}

void GroupWriter::add_locally(DataChunk& groups, DataChunk& payload) {
  if (local_ == nullptr) {
    local_ = std::make_unique<StateTable>(state_.context(), spec_, /*local=*/true);
  }
  local_rows_ += groups.size();
  local_->add(groups, hashes_, nullptr, payload);
  if (local_->rows() < kLocalGroups) {
    return;
  }
  flush();
  preaggregate_ = state_.may_preaggregate();
}

void GroupWriter::flush() {
  if (local_ == nullptr) {
    return;
  }
  state_.preaggregated(local_rows_, local_->rows());
  DataChunk groups;
  groups.Initialize(duckdb::Allocator::Get(state_.context()), spec_.group_types);
  local_->touch().visit(/*all=*/true, [&](const data_ptr_t* rows, const Window*, idx_t n) {
    groups.Reset();
    flush_rows(rows, n, groups);
  });
  local_.reset();
  local_rows_ = 0;
}

void GroupWriter::flush_rows(const data_ptr_t* rows, idx_t count, DataChunk& groups) {
  for (idx_t g = 0; g < spec_.group_types.size(); ++g) {
    local_->gather_group(g, rows, count, groups.data[g]);
  }
  groups.SetCardinality(count);
  local_->gather_hashes(rows, count, hashes_);
  const Window* windows = spec_.windowed || spec_.mortal ? windows_.data() : nullptr;
  if (spec_.windowed) {
    read_windows(groups.data[spec_.window_column], count, windows_);
  }
  std::array<data_ptr_t, STANDARD_VECTOR_SIZE> selected;
  const auto feed = [&](StateTable& table, const SelectionVector* part, idx_t n) {
    const Window* some = windows_of(windows, part, n, part_windows_);
    if (part == nullptr) {
      table.combine_from(*local_, rows, groups, hashes_, some);
      return;
    }
    for (idx_t i = 0; i < n; ++i) {
      selected[i] = rows[part->get_index(i)];
    }
    part_groups_.Slice(groups, *part, n);
    Vector part_hashes(hashes_, *part, n);
    table.combine_from(*local_, selected.data(), part_groups_, part_hashes, some);
  };
  route(count, hashes_, spec_.windowed ? windows : nullptr, feed);
}

}  // namespace millrace::sql
