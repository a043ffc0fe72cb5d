#include "sql/internal/rewriter.h"

#include <optional>
#include <utility>
#include <vector>

#include "sql/internal/logical.h"
#include "sql/internal/lookup_plan.h"
#include "sql/internal/operators/deduplicate.h"
#include "sql/internal/operators/row_counter.h"
#include "sql/internal/operators/row_seed.h"
#include "sql/internal/operators/session.h"
#include "sql/internal/operators/stateful_aggregate.h"
#include "sql/internal/state/kinds.h"

namespace millrace::sql {

namespace {

using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;

class Rewriter {
 public:
  Rewriter(RunContext& run, const ClosingTimes& closing, duckdb::Binder& binder)
      : run_(run), closing_(closing), binder_(binder), classifier_(closing) {}

  Nature rewrite(Slot& slot, const LogicalOperator* parent) {
    std::vector<Nature> children;
    for (auto& child : slot->children) {
      children.push_back(rewrite(child, slot.get()));
      if (children.size() == 1 && slot->type == LogicalOperatorType::LOGICAL_MATERIALIZED_CTE) {
        begin_cte(*slot, children.back());
      }
    }
    const Nature nature = classifier_.classify(*slot, parent, children);
    std::vector<bool> streams;
    streams.reserve(children.size());
    for (const Nature& child : children) {
      streams.push_back(child.rows == Rows::stream);
    }
    replace_random_calls(*slot, streams, run_, binder_);
    const auto takes_state = [&] {
      return slot->type == LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY ||
             slot->type == LogicalOperatorType::LOGICAL_DISTINCT || is_session(*slot);
    };
    if (children.size() == 1 && children[0].rows == Rows::stream && takes_state()) {
      mark_below(*slot->children[0]);
    }
    if (slot->type == LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY &&
        children[0].rows == Rows::stream) {
      replace_aggregate(slot);
    } else if (slot->type == LogicalOperatorType::LOGICAL_DISTINCT &&
               children[0].rows == Rows::stream) {
      replace_distinct(slot);
    } else if (is_session(*slot)) {
      const TimeBound& bound = *closing_.of_session(*slot);
      slot = duckdb::make_uniq<LogicalSession>(std::move(slot), bound, run_);
      slot->ResolveOperatorTypes();
    } else if (is_lookup_join(*slot)) {
      check_lookup(*slot, nature.rows == Rows::stream);
      count_step(slot, children);
    } else if (nature.rows == Rows::stream) {
      count_changes(slot, children);
    }
    return nature;
  }

  /// Counters of streaming CTEs, known once the whole plan was seen.
  void finish() {
    for (auto& [index, cte] : ctes_) {
      if (!cte.counted.in.empty()) {
        run_.steps.push_back(std::move(cte.counted));
      }
    }
  }

 private:
  void replace_aggregate(Slot& slot) {
    for (const auto& expression : slot->expressions) {
      const auto& call = expression->Cast<duckdb::BoundAggregateExpression>();
      if (const auto reason = cannot_keep(call)) {
        const auto location = call.GetQueryLocation();
        throw SqlError(*reason, location.IsValid() ? std::optional<std::size_t>(location.GetIndex())
                                                   : std::nullopt);
      }
    }
    const auto* windows = closing_.windows_of(slot->Cast<duckdb::LogicalAggregate>());
    slot = duckdb::make_uniq<LogicalStatefulAggregate>(std::move(slot), run_, windows);
    slot->ResolveOperatorTypes();
  }

  void mark_below(LogicalOperator& op) {
    if (auto* aggregate = dynamic_cast<LogicalStatefulAggregate*>(&op)) {
      aggregate->set_below();
    }
    if (op.type == LogicalOperatorType::LOGICAL_CTE_REF) {
      const auto cte = ctes_.find(op.Cast<duckdb::LogicalCTERef>().cte_index);
      if (cte != ctes_.end()) {
        mark_below(*cte->second.definition);
      }
    }
    for (const auto& child : op.children) {
      mark_below(*child);
    }
  }

  void replace_distinct(Slot& slot) {
    auto& distinct = slot->Cast<duckdb::LogicalDistinct>();
    const TimeBound* bound = closing_.of_distinct(distinct);
    auto time = bound == nullptr ? nullptr : std::move(distinct.order_by->orders[0].expression);
    slot = duckdb::make_uniq<LogicalDeduplicate>(
        std::move(slot), std::move(time), bound == nullptr ? std::nullopt : std::optional(*bound),
        run_);
    slot->ResolveOperatorTypes();
  }

  void begin_cte(LogicalOperator& op, Nature nature) {
    const auto index = op.Cast<duckdb::LogicalCTE>().table_index;
    classifier_.define_cte(index, nature);
    Cte& cte = ctes_[index];
    cte.definition = op.children[0].get();
    if (nature.rows == Rows::stream) {
      cte.counted.in.push_back(&count_rows(run_, op.children[0]));
    }
  }

  void count_changes(Slot& slot, const std::vector<Nature>& children) {
    switch (slot->type) {
      case LogicalOperatorType::LOGICAL_CTE_REF: {
        const auto index = slot->Cast<duckdb::LogicalCTERef>().cte_index;
        ctes_.at(index).counted.out.push_back(&count_rows(run_, slot));
        return;
      }
      case LogicalOperatorType::LOGICAL_GET:
        if (slot->children.empty()) {
          return;  // a scan: it counts itself
        }
        break;
      case LogicalOperatorType::LOGICAL_PROJECTION:
      case LogicalOperatorType::LOGICAL_UNION:
      case LogicalOperatorType::LOGICAL_MATERIALIZED_CTE:
      case LogicalOperatorType::LOGICAL_EXTENSION_OPERATOR:
        return;
      default:
        break;
    }
    count_step(slot, children);
  }

  void count_step(Slot& slot, const std::vector<Nature>& children) {
    CountedStep step;
    for (std::size_t i = 0; i < children.size(); ++i) {
      if (children[i].rows == Rows::stream) {
        step.in.push_back(&count_rows(run_, slot->children[i]));
      }
    }
    step.out.push_back(&count_rows(run_, slot));
    run_.steps.push_back(std::move(step));
  }

  RunContext& run_;
  struct Cte {
    LogicalOperator* definition = nullptr;
    CountedStep counted;  // of a stream
  };

  const ClosingTimes& closing_;
  duckdb::Binder& binder_;
  Classifier classifier_;
  std::map<duckdb::idx_t, Cte> ctes_;
};

}  // namespace

void rewrite(Slot& plan, RunContext& run, const ClosingTimes& closing, Nature nature,
             duckdb::Binder& binder) {
  plan->ResolveOperatorTypes();
  Rewriter rewriter(run, closing, binder);
  const Nature rewritten = rewriter.rewrite(plan, nullptr);
  rewriter.finish();
  // WHERE false leaves no stream at all; but a stream must not have become a table.
  if (rewritten.rows != nature.rows && rewritten.rows != Rows::constant) {
    throw SqlError(
        "the windows of this query can't be recognised any more once it is optimized; group by "
        "a plain column of a dataset that computes the window",
        std::nullopt);
  }
}

}  // namespace millrace::sql
