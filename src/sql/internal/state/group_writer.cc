#include "sql/internal/state/group_writer.h"

#include <algorithm>

namespace millrace::sql {

using duckdb::data_ptr_t;
using duckdb::DataChunk;
using duckdb::idx_t;
using duckdb::SelectionVector;
using duckdb::Vector;

GroupWriter::GroupWriter(GroupState& state, bool preaggregate)
    : state_(state),
      spec_(state.spec()),
      preaggregate_(preaggregate && spec_.can_preaggregate() && state.may_preaggregate()),
      hashes_(duckdb::LogicalType::HASH),
      tables_(spec_.partitions, nullptr) {
  part_groups_.InitializeEmpty(spec_.group_types);
  if (!spec_.payload_types.empty()) {
    part_payload_.InitializeEmpty(spec_.payload_types);
  }
  for (idx_t p = 0; p < spec_.partitions; ++p) {
    selections_.at(p).Initialize(STANDARD_VECTOR_SIZE);
  }
}

StateTable& GroupWriter::table(idx_t partition) {
  auto& cached = tables_[partition];
  if (cached == nullptr) {
    cached = &state_.table(partition);
  }
  return *cached;
}

void GroupWriter::add(DataChunk& groups, DataChunk& payload) {
  if (groups.size() == 0) {
    return;
  }
  groups.Hash(hashes_);
  if (preaggregate_ && direct_rows_ >= kDirectRows) {
    add_locally(groups, payload);
  } else {
    direct_rows_ += groups.size();
    add_directly(groups, payload);
  }
}

void GroupWriter::add_directly(DataChunk& groups, DataChunk& payload) {
  route(groups.size(), hashes_, [&](StateTable& table, const SelectionVector* part, idx_t n) {
    if (part == nullptr) {
      table.add(groups, hashes_, payload);
      return;
    }
    part_groups_.Slice(groups, *part, n);
    if (!spec_.payload_types.empty()) {
      part_payload_.Slice(payload, *part, n);
    }
    part_payload_.SetCardinality(n);
    Vector part_hashes(hashes_, *part, n);
    table.add(part_groups_, part_hashes, part_payload_);
  });
}

void GroupWriter::add_locally(DataChunk& groups, DataChunk& payload) {
  if (local_ == nullptr) {
    local_ = std::make_unique<StateTable>(state_.context(), spec_, /*with_side_tables=*/false);
  }
  local_rows_ += groups.size();
  local_->add(groups, hashes_, payload);
  if (local_->rows() < kLocalGroups) {
    return;
  }
  if (local_rows_ < 2 * local_->rows()) {  // hardly fewer groups than rows: it does not pay
    preaggregate_ = false;
    state_.skip_preaggregation();
  }
  flush();
}

void GroupWriter::flush() {
  if (local_ == nullptr) {
    return;
  }
  DataChunk groups;
  groups.Initialize(duckdb::Allocator::Get(state_.context()), spec_.group_types);
  const auto& rows = local_->touch().rows();
  for (idx_t begin = 0; begin < rows.size(); begin += STANDARD_VECTOR_SIZE) {
    const idx_t n = std::min<idx_t>(STANDARD_VECTOR_SIZE, rows.size() - begin);
    groups.Reset();
    flush_rows(&rows[begin], n, groups);
  }
  local_.reset();
  local_rows_ = 0;
}

void GroupWriter::flush_rows(const data_ptr_t* rows, idx_t count, DataChunk& groups) {
  for (idx_t g = 0; g < spec_.group_types.size(); ++g) {
    local_->gather_group(g, rows, count, groups.data[g]);
  }
  groups.SetCardinality(count);
  local_->gather_hashes(rows, count, hashes_);
  std::array<data_ptr_t, STANDARD_VECTOR_SIZE> selected;
  route(count, hashes_, [&](StateTable& table, const SelectionVector* part, idx_t n) {
    if (part == nullptr) {
      table.combine_from(*local_, rows, groups, hashes_);
      return;
    }
    for (idx_t i = 0; i < n; ++i) {
      selected[i] = rows[part->get_index(i)];
    }
    part_groups_.Slice(groups, *part, n);
    Vector part_hashes(hashes_, *part, n);
    table.combine_from(*local_, selected.data(), part_groups_, part_hashes);
  });
}

}  // namespace millrace::sql
