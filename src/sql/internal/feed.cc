#include "sql/internal/feed.h"

#include <utility>

#include "sql/internal/column_views.h"
#include "sql/internal/error.h"
#include "sql/internal/operators/lookup_join.h"
#include "sql/internal/operators/row_counter.h"
#include "sql/internal/operators/row_seed.h"
#include "sql/internal/operators/stateful.h"
#include "sql/internal/plan.h"
#include "sql/internal/stream_scan.h"

namespace millrace::sql {

namespace {

using duckdb::DataChunk;
using duckdb::idx_t;
using duckdb::PhysicalOperator;
using duckdb::PhysicalOperatorType;

bool is_row_wise(const PhysicalOperator& op) {
  return op.type == PhysicalOperatorType::PROJECTION || op.type == PhysicalOperatorType::FILTER ||
         op.type == PhysicalOperatorType::UNNEST || is_row_counter(op) || is_row_seed(op) ||
         is_lookup_join(op);
}

/// Follows all ways down from `op`; false if one of them can't be fed.
bool follow(const PhysicalOperator& op, FeedPath so_far, std::vector<FeedPath>& found) {
  if (op.type == PhysicalOperatorType::TABLE_SCAN) {
    const auto& scan = op.Cast<duckdb::PhysicalTableScan>();
    so_far.scan = &scan;
    so_far.input = scanned_input(scan);
    found.push_back(so_far);
    return so_far.input != nullptr && scan.projection_ids.empty();
  }
  if (is_row_wise(op)) {
    so_far.steps.insert(so_far.steps.begin(), &op);
  } else if (op.type != PhysicalOperatorType::UNION) {
    return false;
  }
  for (const auto& child : op.children) {
    if (!follow(child.get(), so_far, found)) {
      return false;
    }
  }
  return true;
}

bool has_state_below(const PhysicalOperator& op) {
  bool found = false;
  for (const auto& child : op.children) {
    found = found || is_stateful(child.get()) || has_state_below(child.get());
  }
  return found;
}

/// The state is fed below the lowest operator that keeps some, wherever that lies.
bool follow_states(const PhysicalOperator& op, std::vector<FeedPath>& found) {
  if (is_stateful(op) && !has_state_below(op)) {
    return follow(op.children[0].get(), FeedPath{.state = &op}, found);
  }
  for (const auto& child : op.children) {
    if (!follow_states(child.get(), found)) {
      return false;
    }
  }
  return true;
}

/// What the threads share of one path.
struct SharedPath {
  const FeedPath* path;
  std::vector<duckdb::column_t> columns;
  std::vector<duckdb::unique_ptr<duckdb::GlobalOperatorState>> steps;
  duckdb::unique_ptr<duckdb::GlobalSinkState> state;
};

/// One thread on one path.
class PathWriter {
 public:
  PathWriter(SharedPath& shared, RunContext& run, duckdb::ExecutionContext& context)
      : shared_(shared), path_(*shared.path), run_(run), context_(context) {
    scanned_.InitializeEmpty(path_.scan->GetTypes());
    for (const PhysicalOperator* op : path_.steps) {
      steps_.push_back(op->GetOperatorState(context));
      chunks_.push_back(std::make_unique<DataChunk>());
      chunks_.back()->Initialize(duckdb::Allocator::Get(context.client), op->GetTypes());
    }
    if (path_.state != nullptr) {
      state_ = path_.state->GetLocalSinkState(context);
    }
  }

  void write(const DataChunk& chunk) {
    refer_to_columns(chunk, shared_.columns, scanned_);
    path_.input->scanned.fetch_add(static_cast<std::int64_t>(chunk.size()),
                                   std::memory_order_relaxed);
    push(0, scanned_);
  }

  void finish() {
    if (state_ != nullptr) {
      duckdb::InterruptState interrupt;
      duckdb::OperatorSinkCombineInput input{*shared_.state, *state_, interrupt};
      path_.state->Combine(context_, input);
    }
    if (result_ != nullptr) {
      result_->finish();
    }
  }

 private:
  void push(std::size_t i, DataChunk& chunk) {
    if (chunk.size() == 0) {
      return;
    }
    if (i == path_.steps.size()) {
      give(chunk);
      return;
    }
    auto more = duckdb::OperatorResultType::HAVE_MORE_OUTPUT;
    while (more == duckdb::OperatorResultType::HAVE_MORE_OUTPUT) {
      chunks_[i]->Reset();
      more = path_.steps[i]->Execute(context_, chunk, *chunks_[i], *shared_.steps[i], *steps_[i]);
      push(i + 1, *chunks_[i]);
    }
  }

  void give(DataChunk& chunk) {
    if (state_ != nullptr) {
      duckdb::InterruptState interrupt;
      duckdb::OperatorSinkInput input{*shared_.state, *state_, interrupt};
      path_.state->Sink(context_, chunk, input);
      return;
    }
    if (result_ == nullptr) {
      result_ = run_.receiver->writer();
    }
    run_.out.fetch_add(static_cast<std::int64_t>(chunk.size()), std::memory_order_relaxed);
    result_->write(views_.of(chunk));
  }

  SharedPath& shared_;
  const FeedPath& path_;
  RunContext& run_;
  duckdb::ExecutionContext& context_;
  DataChunk scanned_;
  std::vector<duckdb::unique_ptr<duckdb::OperatorState>> steps_;
  std::vector<std::unique_ptr<DataChunk>> chunks_;
  duckdb::unique_ptr<duckdb::LocalSinkState> state_;
  std::unique_ptr<SinkWriter> result_;
  ColumnViews views_;
};

/// One thread's way in.
class FeedWriter final : public SinkWriter {
 public:
  FeedWriter(std::vector<SharedPath>& shared, RunContext& run, duckdb::ClientContext& client)
      : thread_(client), context_(client, thread_, nullptr) {
    for (SharedPath& path : shared) {
      paths_.push_back(std::make_unique<PathWriter>(path, run, context_));
    }
  }
  void write(const Chunk& chunk) override {
    as_run_error([&] {
      for (const auto& path : paths_) {
        path->write(*static_cast<const DataChunk*>(chunk.native));
      }
    });
  }
  void finish() override {
    as_run_error([&] {
      for (const auto& path : paths_) {
        path->finish();
      }
    });
  }

 private:
  duckdb::ThreadContext thread_;
  duckdb::ExecutionContext context_;
  std::vector<std::unique_ptr<PathWriter>> paths_;
};

class PlanFeed final : public Feed {
 public:
  PlanFeed(Plan::Impl& plan, Receiver& to) : PlanFeed(plan) {  // whole: an exception closes it
    RunContext& run = plan.run;
    run.mode = plan.shape == Shape::stream ? Run::rows : Run::absorb;
    run.receiver = &to;
    run.carrier.clear();
    run.reset_counters();
    client().transaction.BeginTransaction();  // now() asks it
    for (const FeedPath& path : plan.feed_paths) {
      SharedPath& shared = shared_.emplace_back();
      shared.path = &path;
      for (const auto& column : path.scan->column_ids) {
        shared.columns.push_back(column.IsVirtualColumn() ? duckdb::COLUMN_IDENTIFIER_EMPTY
                                                          : column.GetPrimaryIndex());
      }
      for (const PhysicalOperator* op : path.steps) {
        shared.steps.push_back(op->GetGlobalOperatorState(client()));
      }
      if (path.state != nullptr) {
        shared.state = path.state->GetGlobalSinkState(client());
      }
    }
  }
  ~PlanFeed() override { close(); }
  PlanFeed(const PlanFeed&) = delete;
  PlanFeed& operator=(const PlanFeed&) = delete;

  std::unique_ptr<SinkWriter> writer() override {
    return as_run_error([&] { return std::make_unique<FeedWriter>(shared_, plan_.run, client()); });
  }
  RunCounts end() override {
    close();
    return plan_.counts();
  }

 private:
  explicit PlanFeed(Plan::Impl& plan) : plan_(plan) {}
  duckdb::ClientContext& client() { return *plan_.connection.context; }
  void close() {
    shared_.clear();
    plan_.run.receiver = nullptr;
    if (client().transaction.HasActiveTransaction()) {
      client().transaction.Commit();  // it has written nothing
    }
  }

  Plan::Impl& plan_;
  std::vector<SharedPath> shared_;
};

}  // namespace

std::vector<FeedPath> find_feed_paths(const PhysicalOperator& root, int scans) {
  std::vector<FeedPath> found;
  bool all = follow_states(root, found);
  if (all && found.empty()) {  // no state
    all = follow(root, FeedPath{}, found);
  }
  return all && std::cmp_equal(found.size(), scans) ? found : std::vector<FeedPath>{};
}

std::unique_ptr<Feed> open_feed(Plan::Impl& plan, Receiver& to) {
  return as_run_error([&] { return std::make_unique<PlanFeed>(plan, to); });
}

}  // namespace millrace::sql
