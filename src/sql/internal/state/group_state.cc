#include "sql/internal/state/group_state.h"

#include <utility>

namespace millrace::sql {

GroupState::GroupState(duckdb::ClientContext& context, GroupSpec spec)
    : context_(context), spec_(std::move(spec)), partitions_(spec_.partitions) {}

void GroupState::begin_epoch(std::uint64_t epoch) {
  epoch_ = epoch;
  active_.clear();
}

StateTable& GroupState::table(duckdb::idx_t partition) {
  const std::lock_guard guard(lock_);
  auto& table = partitions_[partition];
  const bool fresh = table == nullptr;
  if (fresh) {
    table = std::make_unique<StateTable>(context_, spec_, /*with_side_tables=*/true);
  }
  if (fresh || table->touch().epoch() != epoch_) {
    table->begin(epoch_);
    active_.push_back(table.get());
  }
  return *table;
}

void GroupState::ensure_global_group() {
  StateTable& only = table(0);
  if (only.rows() > 0) {
    return;
  }
  duckdb::DataChunk group;
  group.InitializeEmpty(spec_.group_types);
  group.data[0].Reference(global_group());
  group.SetCardinality(1);
  duckdb::Vector hashes(duckdb::LogicalType::HASH);
  group.Hash(hashes);
  only.find_or_create(group, hashes);
}

void GroupState::clear() {
  active_.clear();
  for (auto& table : partitions_) {
    table.reset();
  }
}

std::vector<StateTable*> GroupState::tables() const {
  std::vector<StateTable*> tables;
  for (const auto& table : partitions_) {
    if (table != nullptr) {
      tables.push_back(table.get());
    }
  }
  return tables;
}

std::int64_t GroupState::rows() const {
  std::int64_t rows = 0;
  for (const StateTable* table : tables()) {
    rows += static_cast<std::int64_t>(table->rows());
  }
  return rows;
}

std::int64_t GroupState::touched() const {
  std::int64_t rows = 0;
  for (const StateTable* table : active_) {
    rows += static_cast<std::int64_t>(table->touch().touched().size());
  }
  return rows;
}

std::int64_t GroupState::bytes() const {
  std::int64_t bytes = 0;
  for (const StateTable* table : tables()) {
    bytes += table->bytes();
  }
  return bytes;
}

}  // namespace millrace::sql
