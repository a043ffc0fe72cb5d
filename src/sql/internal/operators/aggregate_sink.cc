#include "sql/internal/operators/aggregate_sink.h"

#include <algorithm>

#include "base/fault.h"

namespace millrace::sql {

using duckdb::DataChunk;
using duckdb::idx_t;

namespace {

idx_t threads_of(duckdb::ClientContext& context) {
  return static_cast<idx_t>(duckdb::TaskScheduler::GetScheduler(context).NumberOfThreads());
}

// A small batch is done before another thread has woken up.
constexpr std::int64_t kWorthSharing = 16'384;
// Of a vector; copying fewer rows is not worth a task.
constexpr std::int64_t kFewRows = STANDARD_VECTOR_SIZE / 4;
constexpr idx_t kHelpersAThread = 2;  // one has rows while the other takes them

}  // namespace

AggregateSink::AggregateSink(duckdb::ClientContext& context, const Layout& layout, RunContext& run)
    : layout_(layout), run_(run), late_(run) {
  const bool parallel = threads_of(context) > 1;
  for (const auto& set : layout.sets) {
    sets_.push_back(std::make_unique<PerSet>(*set.state, parallel));
  }
  if (!layout.payload_types.empty()) {
    payload_.InitializeEmpty(layout.payload_types);
  }
}

void AggregateSink::add(DataChunk& chunk) {
  for (idx_t c = 0; c < layout_.payload_types.size(); ++c) {
    payload_.data[c].Reference(chunk.data[layout_.group_columns + c]);
  }
  payload_.SetCardinality(chunk.size());
  for (idx_t s = 0; s < layout_.sets.size(); ++s) {
    const auto& set = layout_.sets[s];
    DataChunk& groups = sets_[s]->groups;
    for (idx_t c = 0; c < set.columns.size(); ++c) {
      groups.data[c].Reference(chunk.data[set.columns[c]]);
    }
    if (set.columns.empty()) {
      groups.data[0].Reference(global_group());
    }
    groups.SetCardinality(chunk.size());
    const idx_t timely = sets_[s]->writer.add(groups, payload_);
    if (s > 0) {
      continue;
    }
    absorbed_ += static_cast<std::int64_t>(timely);
    if (layout_.whole_row && timely < chunk.size()) {
      late_.write(chunk.data[*layout_.whole_row], sets_[s]->writer.late(), chunk.size() - timely);
    }
  }
}

void AggregateSink::finish() {
  for (const auto& set : sets_) {
    set->writer.flush();
  }
  late_.finish();
  run_.absorbed += absorbed_;
}

bool AggregateSink::is_costly() const {
  return std::ranges::any_of(sets_, [](const auto& set) { return set->writer.adds_directly(); });
}

SharedAggregateSink::SharedAggregateSink(duckdb::ClientContext& context,
                                         const PhysicalStatefulAggregate::Layout& layout,
                                         RunContext& run)
    : context_(context),
      layout_(layout),
      run_(run),
      own_(context, layout, run),
      threads_(threads_of(context)),
      can_share_(threads_ > 1 && std::ranges::all_of(layout.sets, [](const auto& set) {
                   return set.state->spec().any_order();
                 })) {}

void SharedAggregateSink::add(DataChunk& chunk, std::atomic<idx_t>& scans) {
  if (!counted_) {
    counted_ = true;
    ++scans;
  }
  const auto count = static_cast<std::int64_t>(chunk.size());
  rows_ += count;
  const bool share = can_share_ && rows_ >= worth_a_thread(kWorthSharing) &&
                     count >= worth_a_thread(kFewRows) && scans < threads_ && own_.is_costly();
  if (!share || !hand_over(chunk)) {
    own_.add(chunk);
  }
}

bool SharedAggregateSink::hand_over(DataChunk& chunk) {
  if (tasks_ == nullptr) {
    tasks_ = std::make_unique<Tasks>(context_);
    for (idx_t i = 0; i < kHelpersAThread * threads_; ++i) {
      auto& helper = helpers_.emplace_back(std::make_unique<Helper>(context_, layout_, run_));
      helper->rows.Initialize(duckdb::Allocator::Get(context_), chunk.GetTypes());
      free_.push_back(helper.get());
    }
  }
  Helper* helper = nullptr;
  {
    const std::lock_guard guard(lock_);
    if (free_.empty()) {
      return false;
    }
    helper = free_.back();
    free_.pop_back();
  }
  helper->rows.Reset();
  chunk.Copy(helper->rows);
  tasks_->add([this, helper] {
    helper->sink.add(helper->rows);
    const std::lock_guard guard(lock_);
    free_.push_back(helper);
  });
  return true;
}

void SharedAggregateSink::finish() {
  if (tasks_ != nullptr) {
    tasks_->wait();
  }
  own_.finish();
  for (const auto& helper : helpers_) {
    helper->sink.finish();
  }
}

}  // namespace millrace::sql
