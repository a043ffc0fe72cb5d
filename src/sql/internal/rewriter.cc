#include "sql/internal/rewriter.h"

#include <optional>
#include <utility>
#include <vector>

#include "sql/internal/operators/row_counter.h"
#include "sql/internal/operators/stateful_aggregate.h"
#include "sql/internal/state/kinds.h"

namespace millrace::sql {

namespace {

using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;
using Slot = duckdb::unique_ptr<LogicalOperator>;

class Rewriter {
 public:
  explicit Rewriter(RunContext& run) : run_(run) {}

  Nature rewrite(Slot& slot, const LogicalOperator* parent) {
    std::vector<Nature> children;
    for (auto& child : slot->children) {
      children.push_back(rewrite(child, slot.get()));
      if (children.size() == 1 && slot->type == LogicalOperatorType::LOGICAL_MATERIALIZED_CTE) {
        begin_cte(*slot, children.back());
      }
    }
    const Nature nature = classifier_.classify(*slot, parent, children);
    if (slot->type == LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY &&
        children[0].rows == Rows::stream) {
      replace_aggregate(slot);
    } else if (nature.rows == Rows::stream) {
      count_changes(slot, children);
    }
    return nature;
  }

  /// Counters of streaming CTEs, known once the whole plan was seen.
  void finish() {
    for (auto& [index, step] : ctes_) {
      run_.steps.push_back(std::move(step));
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
    slot = duckdb::make_uniq<LogicalStatefulAggregate>(std::move(slot), run_);
    slot->ResolveOperatorTypes();
  }

  void begin_cte(LogicalOperator& op, Nature nature) {
    classifier_.define_cte(op, nature);
    if (nature.rows == Rows::stream) {
      CountedStep& step = ctes_[op.Cast<duckdb::LogicalCTE>().table_index];
      step.in.push_back(&count_rows(run_, op.children[0]));
    }
  }

  void count_changes(Slot& slot, const std::vector<Nature>& children) {
    switch (slot->type) {
      case LogicalOperatorType::LOGICAL_CTE_REF: {
        const auto index = slot->Cast<duckdb::LogicalCTERef>().cte_index;
        ctes_[index].out.push_back(&count_rows(run_, slot));
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
  Classifier classifier_;
  std::map<duckdb::idx_t, CountedStep> ctes_;
};

}  // namespace

void rewrite(Slot& plan, RunContext& run) {
  plan->ResolveOperatorTypes();
  Rewriter rewriter(run);
  rewriter.rewrite(plan, nullptr);
  rewriter.finish();
}

}  // namespace millrace::sql
