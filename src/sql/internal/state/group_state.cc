#include "sql/internal/state/group_state.h"

#include <algorithm>
#include <set>
#include <utility>

namespace millrace::sql {
namespace {

using duckdb::LogicalType;

/// Microseconds in one of what windows of a type are counted in.
std::int64_t unit_us(const LogicalType& type) {
  return type.id() == duckdb::LogicalTypeId::DATE ? duckdb::Interval::MICROS_PER_DAY : 1;
}

}  // namespace

GroupState::GroupState(duckdb::ClientContext& context, GroupSpec spec)
    : context_(context), spec_(std::move(spec)) {
  for (duckdb::idx_t p = 0; p < spec_.partitions; ++p) {
    partitions_.push_back(std::make_unique<Partition>());
  }
}

void GroupState::begin_epoch(std::uint64_t epoch, std::int64_t time_us) {
  epoch_ = epoch;
  active_.clear();
  late_ = {};
  forgotten_ = 0;
  if (spec_.ttl_us > 0) {
    end_of_life_ = sql::end_of_life(time_us, spec_.ttl_us);
    forget_before(time_us);
  }
}

void GroupState::preaggregated(duckdb::idx_t rows, duckdb::idx_t groups) noexcept {
  if (rows >= kSomeRows && rows < 2 * groups) {
    skip_until_ = epoch_ + kSkippedEpochs;
  } else if (rows >= kManyRows && rows >= 16 * groups) {
    pays_until_ = epoch_ + kSkippedEpochs;
  }
}

void GroupState::touch_all() {
  for (StateTable* table : tables()) {
    if (std::ranges::find(active_, table) == active_.end()) {
      table->begin(epoch_);
      active_.push_back(table);
    }
    table->touch_all();
  }
}

bool GroupState::is_full(const StateTable& table) {
  const auto forgotten = table.touch().forgotten();
  const auto rows = table.rows() + forgotten;
  return rows >= kSharedRows || (rows >= kFewRows && 2 * forgotten >= rows);
}

StateTable& GroupState::table(Partition& partition, Window window) {
  auto& home = partition.homes[window];
  if (home == nullptr) {
    if (partition.tables.empty() || (spec_.windowed && is_full(*partition.tables.back()))) {
      partition.tables.push_back(std::make_unique<StateTable>(context_, spec_, /*local=*/false));
    }
    home = partition.tables.back().get();
  }
  if (home->touch().epoch() != epoch_ || home->rows() == 0) {
    const std::lock_guard guard(lock_);
    if (std::ranges::find(active_, home) == active_.end()) {
      home->begin(epoch_);
      active_.push_back(home);
    }
  }
  return *home;
}

void GroupState::ensure_global_group() {
  Partition& only_partition = partition(0);
  const std::lock_guard guard(only_partition.lock);
  StateTable& only = table(only_partition, kNoWindow);
  if (only.rows() > 0) {
    return;
  }
  duckdb::DataChunk group;
  group.InitializeEmpty(spec_.group_types);
  group.data[0].Reference(global_group());
  group.SetCardinality(1);
  duckdb::Vector hashes(duckdb::LogicalType::HASH);
  group.Hash(hashes);
  only.find_or_create(group, hashes, spec_.mortal ? &end_of_life_ : nullptr);
}

std::unique_ptr<StateTable> GroupState::take_table(Partition& partition) {
  auto table = std::move(partition.tables.front());
  partition.tables.clear();
  partition.homes.clear();
  std::erase(active_, table.get());
  return table;
}

void GroupState::clear() {
  active_.clear();
  for (auto& partition : partitions_) {
    partition->homes.clear();
    partition->tables.clear();
  }
  closed_before_ = closing_before_ = kBeforeAll;
}

void GroupState::forget_before(Window bound) {
  if (bound <= closed_before_) {
    return;
  }
  closed_before_ = bound;
  closing_before_ = std::max(closing_before_, bound);
  const auto before = rows();
  for (auto& partition : partitions_) {
    if (spec_.mortal) {
      forget_groups(*partition, bound);
    } else {
      forget_windows(*partition, bound);
    }
  }
  forgotten_ += before - rows();
}

void GroupState::forget_groups(Partition& partition, Window bound) {
  if (partition.tables.empty()) {
    return;
  }
  StateTable& only = *partition.tables.front();
  only.forget_before(bound);
  if (only.rows() == 0) {
    (void)take_table(partition);
  }
}

void GroupState::forget_windows(Partition& partition, Window bound) {
  const auto end = partition.homes.lower_bound(bound);
  if (end == partition.homes.begin()) {
    return;
  }
  partition.homes.erase(partition.homes.begin(), end);
  for (auto& table : partition.tables) {
    table->forget_before(bound);
  }
  // A window may have a home and no row there: it had duplicates of other windows' keys only.
  std::erase_if(partition.homes,
                [](const auto& home) { return home.second->touch().windows().empty(); });
  const auto is_empty = [this](const auto& table) {
    if (!table->touch().windows().empty()) {
      return false;
    }
    std::erase(active_, table.get());
    return true;
  };
  std::erase_if(partition.tables, is_empty);
}

void GroupState::count_late(const Window* values, duckdb::idx_t count,
                            const duckdb::LogicalType& type) {
  const auto unit = unit_us(type);
  const std::lock_guard guard(lock_);
  for (duckdb::idx_t i = 0; i < count; ++i) {
    if (values[i] == kBeforeAll) {
      late_.count_without_time();
    } else if (values[i] < closed_before_) {
      late_.count((closed_before_ - values[i]) * unit);
    }
  }
}

LateRows GroupState::take_late() {
  const std::lock_guard guard(lock_);
  return std::exchange(late_, {});
}

std::vector<StateTable*> GroupState::tables() const {
  std::vector<StateTable*> tables;
  for (const auto& partition : partitions_) {
    for (const auto& table : partition->tables) {
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
    rows += static_cast<std::int64_t>(table->touch().touched());
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

Window GroupState::first_window() const {
  Window first = kAfterAll;
  for (const auto& partition : partitions_) {
    if (spec_.windowed && !partition->homes.empty()) {
      first = std::min(first, partition->homes.begin()->first);
    }
  }
  return first;
}

std::optional<std::pair<Window, LogicalType>> GroupState::oldest() const {
  Window first = kAfterAll;
  if (!spec_.mortal) {
    first = first_window();
  } else {
    for (const StateTable* table : tables()) {
      first = std::min(first, table->lifetimes()->first_end());
    }
  }
  if (first == kAfterAll) {
    return std::nullopt;
  }
  return spec_.mortal ? std::pair(first - spec_.life, spec_.life_type)
                      : std::pair(first, spec_.group_types[spec_.window_column]);
}

std::string GroupState::oldest_text() const {
  const auto first = oldest();
  return first ? time_value(first->first, first->second).ToString() : std::string();
}

std::optional<std::int64_t> GroupState::oldest_us() const {
  const auto first = oldest();
  if (!first || first->first == kBeforeAll) {
    return std::nullopt;
  }
  return first->first * unit_us(first->second);
}

std::int64_t GroupState::windows() const {
  if (!spec_.windowed) {
    return 0;
  }
  std::set<Window> open;
  for (const auto& partition : partitions_) {
    for (const auto& [window, table] : partition->homes) {
      open.insert(window);
    }
  }
  return static_cast<std::int64_t>(open.size());
}

}  // namespace millrace::sql
