#include "sql/internal/operators/deduplicate.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/strings.h"
#include "sql/internal/state/group_writer.h"
#include "sql/marks.h"

namespace millrace::sql {

namespace {

using duckdb::ClientContext;
using duckdb::data_ptr_t;
using duckdb::DataChunk;
using duckdb::ExecutionContext;
using duckdb::Expression;
using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::SelectionVector;
using duckdb::Vector;
using Layout = PhysicalDeduplicate::Layout;

// In the place of the hash, of a row that is let through without a look at its key: it counts as
// the first of its kind.
constexpr std::uint64_t kFirst = 1;

/// Whether the last column is there to be filled; see sql/marks.h.
bool marks_duplicates(const duckdb::LogicalOperator& rows) {
  return !rows.expressions.empty() && rows.expressions.back()->GetAlias() == kFirstColumn;
}

/// One thread's way in.
class DeduplicateLocalSink final : public duckdb::LocalSinkState {
 public:
  DeduplicateLocalSink(RunContext& run, const Layout& layout,
                       const duckdb::vector<LogicalType>& row_types)
      : late(run),
        layout_(layout),
        row_types_(row_types),
        router_(*layout.state, /*preaggregate=*/false),
        part_(std::make_unique<NewRows::Part>(row_types)),
        hashes_(LogicalType::HASH),
        row_hashes_(LogicalType::HASH),
        timely_(STANDARD_VECTOR_SIZE),
        late_(STANDARD_VECTOR_SIZE),
        new_(STANDARD_VECTOR_SIZE),
        known_(STANDARD_VECTOR_SIZE) {
    keys_.InitializeEmpty(layout.state->spec().group_types);
    some_keys_.InitializeEmpty(layout.state->spec().group_types);
    rows_.InitializeEmpty(row_types);
    new_rows_.InitializeEmpty(row_types);
    other_rows_.InitializeEmpty(row_types);
  }

  void add(DataChunk& chunk) {
    if (chunk.size() == 0) {
      return;
    }
    if (layout_.has_time && drop_late(chunk)) {
      if (timely_chunk_.size() > 0) {
        add_timely(timely_chunk_);
      }
      return;
    }
    add_timely(chunk);
  }

  [[nodiscard]] std::unique_ptr<NewRows::Part> take() {
    return std::exchange(part_, std::make_unique<NewRows::Part>(row_types_));
  }

  LateWriter late;
  std::int64_t duplicates = 0;

 private:
  void add_timely(DataChunk& chunk) {
    for (idx_t c = 0; c < keys_.ColumnCount(); ++c) {
      keys_.data[c].Reference(chunk.data[c]);
    }
    keys_.SetCardinality(chunk.size());
    const idx_t first = layout_.keys + (layout_.has_time ? 1 : 0);
    for (idx_t c = 0; c < rows_.ColumnCount(); ++c) {
      rows_.data[c].Reference(chunk.data[first + c]);
    }
    rows_.SetCardinality(chunk.size());
    keys_.Hash(hashes_);
    for (idx_t i = 0; i < chunk.size(); ++i) {
      ends_[i] = layout_.has_time ? end_of_life(times_[i], layout_.remembered_for)
                                  : layout_.state->end_of_life();
    }
    found_ = 0;
    router_.route(chunk.size(), hashes_, nullptr,
                  [&](StateTable& table, const SelectionVector* part, idx_t count) {
                    find_new(table, part, count);
                  });
    keep_new();
    if (!layout_.marks) {
      duplicates += static_cast<std::int64_t>(chunk.size() - found_);
    } else if (found_ < chunk.size()) {
      mark_known(chunk.size());
    }
  }

  /// Lets the rows through whose key was there before this batch.
  void mark_known(idx_t rows) {
    std::fill_n(made_.begin(), rows, false);
    for (idx_t i = 0; i < found_; ++i) {
      made_[new_.get_index(i)] = true;
    }
    idx_t n = 0;
    for (idx_t i = 0; i < rows; ++i) {
      known_.set_index(n, i);
      n += made_[i] ? 0 : 1;
    }
    let_through(rows_, known_, n, /*first=*/false);
  }

  void let_through(DataChunk& rows, const SelectionVector& which, idx_t count, bool first) {
    other_rows_.Slice(rows, which, count);
    part_->rows.Append(other_rows_);
    part_->about.insert(part_->about.end(), count, {nullptr, 0, first ? kFirst : 0, false});
  }

  /// Rows of which nobody can tell any more whether they are the first.
  void let_late_through(DataChunk& chunk, idx_t count) {
    const idx_t first = layout_.keys + 1;
    for (idx_t c = 0; c < rows_.ColumnCount(); ++c) {
      rows_.data[c].Reference(chunk.data[first + c]);
    }
    rows_.SetCardinality(chunk.size());
    let_through(rows_, late_, count, /*first=*/true);
  }

  /// If there are late rows, puts the others into timely_chunk_.
  bool drop_late(DataChunk& chunk) {
    Vector& times = chunk.data[layout_.keys];
    read_windows(times, chunk.size(), times_);
    const Window open = std::max(layout_.state->closed_before(), kBeforeAll + 1);
    idx_t n = 0;
    idx_t others = 0;
    for (idx_t i = 0; i < chunk.size(); ++i) {
      timely_.set_index(n, i);
      late_.set_index(others, i);
      (times_[i] >= open ? n : others)++;
    }
    if (n == chunk.size()) {
      return false;
    }
    if (layout_.gives_late) {
      late.write(chunk.data.back(), late_, others);
    }
    if (layout_.marks) {
      let_late_through(chunk, others);
    } else {
      layout_.state->count_late(times_.data(), chunk.size(), times.GetType());
    }
    for (idx_t i = 0; i < n; ++i) {
      times_[i] = times_[timely_.get_index(i)];
    }
    if (timely_chunk_.ColumnCount() == 0) {
      timely_chunk_.InitializeEmpty(chunk.GetTypes());
    }
    timely_chunk_.Slice(chunk, timely_, n);
    return true;
  }

  /// Adds the places of rows whose key is new in this batch to new_.
  void find_new(StateTable& table, const SelectionVector* part, idx_t count) {
    const Window* ends = windows_of(ends_.data(), part, count, part_ends_);
    const SelectionVector* fresh = nullptr;
    idx_t made = 0;
    data_ptr_t* keys = nullptr;
    if (part == nullptr) {
      keys = table.find_or_make(keys_, hashes_, ends, fresh, made);
    } else {
      some_keys_.Slice(keys_, *part, count);
      Vector some_hashes(hashes_, *part, count);
      keys = table.find_or_make(some_keys_, some_hashes, ends, fresh, made);
    }
    std::fill_n(made_.begin(), count, false);
    for (idx_t i = 0; i < made; ++i) {
      made_[fresh->get_index(i)] = true;
    }
    for (idx_t i = 0; i < count; ++i) {
      if (table.touch().marked(keys[i]) == layout_.state->epoch()) {
        const idx_t row = part == nullptr ? i : part->get_index(i);
        new_.set_index(found_++, row);
        part_->about.push_back({keys[i], times_[row], 0, !made_[i]});
      }
    }
  }

  void keep_new() {
    if (found_ == 0) {
      return;
    }
    new_rows_.Slice(rows_, new_, found_);
    new_rows_.Hash(row_hashes_);
    row_hashes_.Flatten(found_);
    const auto* hashes = FlatVector::GetData<duckdb::hash_t>(row_hashes_);
    auto about = part_->about.end() - static_cast<std::ptrdiff_t>(found_);
    for (idx_t i = 0; i < found_; ++i, ++about) {
      about->hash = hashes[i];
    }
    part_->rows.Append(new_rows_);
  }

  const Layout& layout_;
  const duckdb::vector<LogicalType>& row_types_;
  GroupWriter router_;
  std::unique_ptr<NewRows::Part> part_;
  Vector hashes_;
  Vector row_hashes_;
  SelectionVector timely_;
  SelectionVector late_;
  SelectionVector new_;
  SelectionVector known_;
  idx_t found_ = 0;  // rows in new_
  std::array<Window, STANDARD_VECTOR_SIZE> times_{};
  std::array<Window, STANDARD_VECTOR_SIZE> ends_{};  // of the keys' lives
  std::array<Window, STANDARD_VECTOR_SIZE> part_ends_{};
  std::array<bool, STANDARD_VECTOR_SIZE> made_{};
  DataChunk timely_chunk_;
  DataChunk keys_;
  DataChunk some_keys_;
  DataChunk rows_;
  DataChunk new_rows_;
  DataChunk other_rows_;
};

/// New rows to give out, a thread's part after the other.
struct DeduplicateSource final : duckdb::GlobalSourceState {
  std::vector<std::unique_ptr<NewRows::Part>> parts;
  std::atomic<idx_t> next = 0;

  idx_t MaxThreads() override { return std::max<idx_t>(1, parts.size()); }
};

struct DeduplicateLocalSource final : duckdb::LocalSourceState {
  void begin(NewRows::Part& next) {
    part = &next;
    row = 0;
    part->rows.InitializeScan(scan);
  }

  bool scan_next(DataChunk& chunk) { return part != nullptr && part->rows.Scan(scan, chunk); }

  /// Leaves out the rows that are not the first of their kind; gives the number of the rest.
  idx_t choose(DataChunk& chunk) {
    SelectionVector chosen(STANDARD_VECTOR_SIZE);
    idx_t n = 0;
    for (idx_t i = 0; i < chunk.size(); ++i) {
      chosen.set_index(n, i);
      n += part->chosen[row + i] ? 1 : 0;
    }
    row += chunk.size();
    if (n < chunk.size()) {
      chunk.Slice(chosen, n);
    }
    return n;
  }

  /// Says in the last column which are the first. The scanned column is the collection's own.
  void mark(DataChunk& chunk) {
    Vector first(LogicalType::BOOLEAN);
    auto* values = FlatVector::GetData<bool>(first);
    for (idx_t i = 0; i < chunk.size(); ++i) {
      const auto& about = part->about[row + i];
      values[i] = about.key == nullptr ? about.hash == kFirst : part->chosen[row + i];
    }
    row += chunk.size();
    chunk.data.back().Reference(first);
  }

  NewRows::Part* part = nullptr;
  duckdb::ColumnDataScanState scan;
  std::size_t row = 0;
};

/// A column of the child as a reference of the projection below the operator.
duckdb::unique_ptr<Expression> reference(const LogicalType& type, idx_t column) {
  return duckdb::make_uniq<duckdb::BoundReferenceExpression>(type, column);
}

duckdb::unique_ptr<Expression> constant_null(const LogicalType& type) {
  return duckdb::make_uniq<duckdb::BoundConstantExpression>(duckdb::Value(type));
}

}  // namespace

LogicalDeduplicate::LogicalDeduplicate(duckdb::unique_ptr<duckdb::LogicalOperator> distinct,
                                       duckdb::unique_ptr<Expression> time,
                                       std::optional<TimeBound> bound, RunContext& run)
    : bound_(std::move(bound)), run_(run) {
  auto& replaced = distinct->Cast<duckdb::LogicalDistinct>();
  expressions = std::move(replaced.distinct_targets);
  if (bound_) {
    expressions.push_back(std::move(time));
  }
  if (auto row = take_whole_row(replaced); row != nullptr) {
    whole_row_ = place_of(row.get(), *distinct->children[0]);
    expressions.push_back(std::move(row));
  }
  children = std::move(distinct->children);
  SetEstimatedCardinality(distinct->estimated_cardinality);
}

std::string LogicalDeduplicate::state_keys() const {
  std::string keys;
  for (std::size_t i = 0; i < key_count(); ++i) {
    keys += (keys.empty() ? "" : ", ") + expressions[i]->GetName();
  }
  return keys;
}

std::string LogicalDeduplicate::state_text() const {
  const std::int64_t kept_us = bound_ ? bound_->delay_us() : run_.state_ttl_us;
  return fmt::format("deduplication by {}, remembered for {}", state_keys(),
                     forgets() ? human_duration(std::chrono::microseconds(kept_us)) : "ever");
}

std::string LogicalDeduplicate::state_schema() const {
  std::string text = "distinct on";
  for (std::size_t i = 0; i < key_count() + has_time(); ++i) {
    const auto& expression = expressions[i];
    text += fmt::format(" {} {},", expression->ToString(), expression->return_type.ToString());
  }
  return text + (bound_      ? fmt::format(" within {} us", bound_->delay_us())
                 : forgets() ? " forgotten in time"
                             : "");
}

duckdb::PhysicalOperator& LogicalDeduplicate::CreatePlan(ClientContext& context,
                                                         duckdb::PhysicalPlanGenerator& planner) {
  Layout layout;
  layout.marks = marks_duplicates(*children[0]);  // while it still has its expressions
  std::reference_wrapper<duckdb::PhysicalOperator> child = planner.CreatePlan(*children[0]);
  layout.keys = key_count();
  layout.has_time = bound_.has_value();
  layout.gives_late = whole_row_.has_value();
  const auto hidden = std::exchange(whole_row_, std::nullopt);
  if (hidden) {
    expressions.pop_back();
  }
  GroupSpec spec;
  duckdb::vector<LogicalType> projected;
  bool time_is_key = false;
  for (std::size_t i = 0; i < expressions.size(); ++i) {
    projected.push_back(expressions[i]->return_type);
    if (i < key_count()) {
      spec.group_types.push_back(expressions[i]->return_type);
      time_is_key = time_is_key || (bound_ && expressions[i]->Equals(*expressions.back()));
    }
  }
  spec.partitions = GroupSpec::partitions_for(context);
  spec.mortal = forgets();
  spec.ttl_us = layout.has_time ? 0 : run_.state_ttl_us;
  spec.life = spec.ttl_us;
  spec.deduplicates = true;
  if (bound_ && !time_is_key) {
    const Window unit = expressions.back()->return_type.id() == duckdb::LogicalTypeId::DATE
                            ? duckdb::Interval::MICROS_PER_DAY
                            : 1;
    layout.remembered_for = (bound_->delay_us() + unit - 1) / unit;
    spec.life = layout.remembered_for;
  }
  if (bound_) {
    spec.life_type = expressions.back()->return_type;
  }
  spec.gives_late = layout.gives_late;
  auto columns = std::move(expressions);
  for (idx_t c = 0; c < types.size(); ++c) {
    projected.push_back(types[c]);
    columns.push_back(c == hidden ? constant_null(types[c]) : reference(types[c], c));
  }
  if (hidden) {
    projected.push_back(types[*hidden]);
    columns.push_back(reference(types[*hidden], *hidden));
  }
  auto& projection = planner.Make<duckdb::PhysicalProjection>(projected, std::move(columns),
                                                              estimated_cardinality);
  projection.children.push_back(child.get());
  run_.states.push_back(std::make_unique<GroupState>(context, std::move(spec)));
  run_.new_rows.push_back(std::make_unique<NewRows>());
  layout.state = run_.states.back().get();
  layout.pending = run_.new_rows.back().get();
  if (bound_) {
    layout.state->close_by(*bound_);
  }
  auto& result = planner.Make<PhysicalDeduplicate>(types, estimated_cardinality, run_, layout);
  result.children.push_back(projection);
  return result;
}

PhysicalDeduplicate::PhysicalDeduplicate(duckdb::PhysicalPlan& plan,
                                         duckdb::vector<LogicalType> types, idx_t cardinality,
                                         RunContext& run, Layout layout)
    : PhysicalOperator(plan, duckdb::PhysicalOperatorType::EXTENSION, std::move(types),
                       cardinality),
      run_(run),
      layout_(layout) {}

duckdb::unique_ptr<duckdb::GlobalSinkState> PhysicalDeduplicate::GetGlobalSinkState(
    ClientContext& /*context*/) const {
  return duckdb::make_uniq<duckdb::GlobalSinkState>();
}

duckdb::unique_ptr<duckdb::LocalSinkState> PhysicalDeduplicate::GetLocalSinkState(
    ExecutionContext& /*context*/) const {
  return duckdb::make_uniq<DeduplicateLocalSink>(run_, layout_, types);
}

duckdb::SinkResultType PhysicalDeduplicate::Sink(ExecutionContext& /*context*/, DataChunk& chunk,
                                                 duckdb::OperatorSinkInput& input) const {
  input.local_state.Cast<DeduplicateLocalSink>().add(chunk);
  return duckdb::SinkResultType::NEED_MORE_INPUT;
}

duckdb::SinkCombineResultType PhysicalDeduplicate::Combine(
    ExecutionContext& /*context*/, duckdb::OperatorSinkCombineInput& input) const {
  auto& local = input.local_state.Cast<DeduplicateLocalSink>();
  auto part = local.take();
  local.late.finish();
  run_.absorbed += static_cast<std::int64_t>(part->about.size());
  run_.duplicates += std::exchange(local.duplicates, 0);
  if (!part->about.empty()) {
    layout_.pending->add(std::move(part));
  }
  return duckdb::SinkCombineResultType::FINISHED;
}

duckdb::unique_ptr<duckdb::GlobalSourceState> PhysicalDeduplicate::GetGlobalSourceState(
    ClientContext& /*context*/) const {
  auto source = duckdb::make_uniq<DeduplicateSource>();
  if (!completes_input(run_.mode)) {
    return source;
  }
  const std::int64_t others = layout_.pending->choose();
  if (!layout_.marks) {
    run_.duplicates += others;
    run_.absorbed -= others;
  }
  source->parts = layout_.pending->take();
  return source;
}

duckdb::unique_ptr<duckdb::LocalSourceState> PhysicalDeduplicate::GetLocalSourceState(
    ExecutionContext& /*context*/, duckdb::GlobalSourceState& /*global*/) const {
  return duckdb::make_uniq<DeduplicateLocalSource>();
}

duckdb::SourceResultType PhysicalDeduplicate::GetDataInternal(
    ExecutionContext& /*context*/, DataChunk& chunk, duckdb::OperatorSourceInput& input) const {
  auto& source = input.global_state.Cast<DeduplicateSource>();
  auto& local = input.local_state.Cast<DeduplicateLocalSource>();
  while (!local.scan_next(chunk)) {
    const idx_t at = source.next.fetch_add(1, std::memory_order_relaxed);
    if (at >= source.parts.size()) {
      return duckdb::SourceResultType::FINISHED;
    }
    local.begin(*source.parts[at]);
  }
  idx_t n = chunk.size();
  if (layout_.marks) {
    local.mark(chunk);
  } else {
    n = local.choose(chunk);
  }
  run_.released.fetch_add(static_cast<std::int64_t>(n), std::memory_order_relaxed);
  run_.emitted.fetch_add(static_cast<std::int64_t>(n), std::memory_order_relaxed);
  return duckdb::SourceResultType::HAVE_MORE_OUTPUT;
}

}  // namespace millrace::sql
