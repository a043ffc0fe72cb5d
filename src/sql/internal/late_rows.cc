#include "sql/internal/late_rows.h"

#include <algorithm>
#include <map>
#include <utility>

#include "sql/internal/logical.h"
#include "sql/internal/operators/session.h"
#include "sql/internal/run_context.h"
#include "sql/internal/stream_scan.h"

namespace millrace::sql {

namespace {

using duckdb::BoundColumnRefExpression;
using duckdb::ColumnBinding;
using duckdb::Expression;
using duckdb::idx_t;
using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;
using duckdb::LogicalType;

constexpr const char* kNeverLate =
    "none of its rows is ever late: only a GROUP BY with a window of event time, session(), and "
    "DISTINCT of rows with an event time find rows late";
constexpr const char* kSeveral =
    "rows can be late at several places of its SQL; put each into a dataset of its own";
constexpr const char* kTooFar =
    "its late rows can't be followed back to the rows of one stream: the SQL below the window has "
    "a UNION, or reads the stream several times; put that into a dataset of its own, and read it";

/// Finds the way from the operator that may find rows late down to the scan of the stream.
class WholeRows {
 public:
  WholeRows(Slot& root, duckdb::Binder& binder, duckdb::ClientContext& context,
            const ClosingTimes& closing)
      : root_(root), binder_(binder), context_(context), closing_(closing) {}

  std::optional<std::string> carry() {
    find(root_);
    std::erase_if(found_, [this](Slot* slot) { return has_found_below(**slot); });
    if (found_.size() != 1) {
      return found_.empty() ? kNeverLate : kSeveral;
    }
    Slot& slot = *found_.front();
    switch (slot->type) {
      case LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY:
        return to_aggregate(slot->Cast<duckdb::LogicalAggregate>());
      case LogicalOperatorType::LOGICAL_DISTINCT:
        return to_distinct(slot);
      default:
        return to_session(*slot);
    }
  }

  [[nodiscard]] const Input* stream() const noexcept { return stream_; }

 private:
  void find(Slot& slot) {
    for (auto& child : slot->children) {
      find(child);
      if (slot->type == LogicalOperatorType::LOGICAL_MATERIALIZED_CTE &&
          &child == &slot->children[0]) {
        auto& cte = slot->Cast<duckdb::LogicalMaterializedCTE>();
        ctes_[cte.table_index] = &cte;
      }
    }
    if (may_find_late(*slot)) {
      found_.push_back(&slot);
    }
  }

  [[nodiscard]] bool may_find_late(LogicalOperator& op) const {
    switch (op.type) {
      case LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY:
        return closing_.windows_of(op.Cast<duckdb::LogicalAggregate>()) != nullptr;
      case LogicalOperatorType::LOGICAL_DISTINCT:
        return closing_.of_distinct(op.Cast<duckdb::LogicalDistinct>()) != nullptr;
      default:
        return is_session(op);
    }
  }

  /// Whether an operator below `op` fulfils a condition, also in the CTEs that it reads.
  template <class Condition>
  [[nodiscard]] bool any_below(LogicalOperator& op, const Condition& condition) const {
    if (op.type == LogicalOperatorType::LOGICAL_CTE_REF) {
      const auto cte = ctes_.find(op.Cast<duckdb::LogicalCTERef>().cte_index);
      return cte != ctes_.end() && any(*cte->second->children[0], condition);
    }
    return std::ranges::any_of(op.children,
                               [&](const auto& child) { return any(*child, condition); });
  }
  template <class Condition>
  [[nodiscard]] bool any(LogicalOperator& op, const Condition& condition) const {
    return condition(op) || any_below(op, condition);
  }

  [[nodiscard]] bool has_found_below(LogicalOperator& op) const {
    return any_below(op, [this](LogicalOperator& below) { return may_find_late(below); });
  }
  [[nodiscard]] bool reads_stream(LogicalOperator& op) const {
    return any(op, [](LogicalOperator& below) { return stream_scanned(below) != nullptr; });
  }
  static const Input* stream_scanned(LogicalOperator& op) {
    if (op.type != LogicalOperatorType::LOGICAL_GET) {
      return nullptr;
    }
    const Input* input = scanned_input(op.Cast<duckdb::LogicalGet>());
    return input != nullptr && input->declared->shape == Shape::stream ? input : nullptr;
  }

  /// An expression over the columns of `op` that is the whole row; nullptr: there is no way.
  duckdb::unique_ptr<Expression> whole_row(LogicalOperator& op) {
    switch (op.type) {
      case LogicalOperatorType::LOGICAL_GET:
        return stream_scanned(op) != nullptr ? pack(op.Cast<duckdb::LogicalGet>()) : nullptr;
      case LogicalOperatorType::LOGICAL_PROJECTION:
        return add_to_projection(op.Cast<duckdb::LogicalProjection>());
      case LogicalOperatorType::LOGICAL_MATERIALIZED_CTE:
        return whole_row(*op.children[1]);
      // All columns of the stream pass these.
      case LogicalOperatorType::LOGICAL_FILTER:
      case LogicalOperatorType::LOGICAL_UNNEST:
      case LogicalOperatorType::LOGICAL_WINDOW:
      case LogicalOperatorType::LOGICAL_COMPARISON_JOIN:
      case LogicalOperatorType::LOGICAL_ANY_JOIN:
      case LogicalOperatorType::LOGICAL_CROSS_PRODUCT:
      case LogicalOperatorType::LOGICAL_DELIM_JOIN: {
        const auto reads = [this](const auto& child) { return reads_stream(*child); };
        const auto child = std::ranges::find_if(op.children, reads);
        return std::ranges::count_if(op.children, reads) == 1 ? whole_row(**child) : nullptr;
      }
      default:
        return nullptr;
    }
  }

  duckdb::unique_ptr<Expression> pack(duckdb::LogicalGet& get) {
    stream_ = stream_scanned(get);
    Expressions fields;
    for (idx_t c = 0; c < stream_->declared->types.size(); ++c) {
      const auto& ids = get.GetColumnIds();
      const auto place = std::ranges::find_if(ids, [c](const duckdb::ColumnIndex& id) {
        return !id.IsVirtualColumn() && id.GetPrimaryIndex() == c;
      });
      const auto at = static_cast<idx_t>(place - ids.begin());
      if (at == ids.size()) {
        get.AddColumnId(c);
      }
      fields.push_back(column(stream_->declared->types[c], ColumnBinding(get.table_index, at)));
    }
    duckdb::ErrorData error;
    duckdb::FunctionBinder functions(context_);
    auto row = functions.BindScalarFunction(DEFAULT_SCHEMA, "row", std::move(fields), error);
    if (row == nullptr) {
      error.Throw();
    }
    return row;
  }

  duckdb::unique_ptr<Expression> add_to_projection(duckdb::LogicalProjection& projection) {
    auto row = whole_row(*projection.children[0]);
    if (row == nullptr) {
      return nullptr;
    }
    const ColumnBinding binding(projection.table_index, projection.expressions.size());
    auto reference = column(row->return_type, binding);
    projection.expressions.push_back(std::move(row));
    return reference;
  }

  /// As a group column that is in no grouping set: so no pass of the optimizer takes it away.
  std::optional<std::string> to_aggregate(duckdb::LogicalAggregate& aggregate) {
    auto row = whole_row(*aggregate.children[0]);
    if (row == nullptr) {
      return kTooFar;
    }
    if (aggregate.grouping_sets.empty()) {
      auto& all = aggregate.grouping_sets.emplace_back();
      for (idx_t g = 0; g < aggregate.groups.size(); ++g) {
        all.insert(g);
      }
    }
    aggregate.groups.push_back(std::move(row));
    return std::nullopt;
  }

  /// As the last column to order by, of which only the first one counts.
  std::optional<std::string> to_distinct(Slot& slot) {
    auto& distinct = slot->Cast<duckdb::LogicalDistinct>();
    if (distinct.children[0]->type != LogicalOperatorType::LOGICAL_PROJECTION) {
      return kTooFar;
    }
    const auto columns = distinct.children[0]->GetColumnBindings();
    auto row = whole_row(*distinct.children[0]);
    if (row == nullptr) {
      return kTooFar;
    }
    distinct.order_by->orders.emplace_back(duckdb::OrderType::ASCENDING,
                                           duckdb::OrderByNullType::NULLS_LAST, std::move(row));
    select(slot, columns, nullptr);  // what is above sees the columns that it knows
    return std::nullopt;
  }

  /// As what the first call of the session functions orders by, which nobody looks at.
  std::optional<std::string> to_session(LogicalOperator& window) {
    const auto columns = window.children[0]->GetColumnBindings();
    auto row = whole_row(*window.children[0]);
    if (row == nullptr) {
      return kTooFar;
    }
    auto& call = window.expressions[0]->Cast<duckdb::BoundWindowExpression>();
    call.orders.emplace_back(duckdb::OrderType::ASCENDING, duckdb::OrderByNullType::NULLS_LAST,
                             select(window.children[0], columns, std::move(row)));
    return std::nullopt;
  }

  /// Puts a projection to some columns, and to one more, onto an operator; gives the one more.
  duckdb::unique_ptr<Expression> select(Slot& slot, const duckdb::vector<ColumnBinding>& columns,
                                        duckdb::unique_ptr<Expression> more) {
    slot->ResolveOperatorTypes();
    const auto all = slot->GetColumnBindings();
    const idx_t table = binder_.GenerateTableIndex();
    duckdb::ColumnBindingReplacer replacer;
    Expressions selected;
    for (const auto& binding : columns) {
      const auto place = static_cast<idx_t>(std::ranges::find(all, binding) - all.begin());
      replacer.replacement_bindings.emplace_back(binding, ColumnBinding(table, selected.size()));
      selected.push_back(column(slot->types.at(place), binding));
    }
    duckdb::unique_ptr<Expression> reference;
    if (more != nullptr) {
      reference = column(more->return_type, ColumnBinding(table, selected.size()));
      selected.push_back(std::move(more));
    }
    auto projection = duckdb::make_uniq<duckdb::LogicalProjection>(table, std::move(selected));
    projection->children.push_back(std::move(slot));
    slot = std::move(projection);
    slot->ResolveOperatorTypes();
    replacer.stop_operator = slot.get();
    replacer.VisitOperator(*root_);
    return reference;
  }

  Slot& root_;
  duckdb::Binder& binder_;
  duckdb::ClientContext& context_;
  const ClosingTimes& closing_;
  std::map<idx_t, duckdb::LogicalMaterializedCTE*> ctes_;
  std::vector<Slot*> found_;
  const Input* stream_ = nullptr;
};

}  // namespace

std::optional<std::string> carry_whole_rows(Slot& plan, duckdb::Binder& binder,
                                            duckdb::ClientContext& context,
                                            const ClosingTimes& closing, LateRowsOut& out) {
  WholeRows rows(plan, binder, context, closing);
  auto refusal = rows.carry();
  out.stream = refusal ? nullptr : rows.stream();
  return refusal;
}

std::optional<idx_t> whole_row_of(const duckdb::LogicalAggregate& op) {
  const auto has_last = [&op](const auto& set) { return set.contains(op.groups.size() - 1); };
  if (op.groups.empty() || op.grouping_sets.empty() ||
      std::ranges::any_of(op.grouping_sets, has_last)) {
    return std::nullopt;
  }
  return op.groups.size() - 1;
}

duckdb::unique_ptr<Expression> take_whole_row(duckdb::LogicalDistinct& op) {
  return op.order_by != nullptr && op.order_by->orders.size() == 3
             ? std::move(op.order_by->orders[2].expression)
             : nullptr;
}

duckdb::unique_ptr<Expression> take_whole_row(duckdb::BoundWindowExpression& session) {
  return session.orders.empty() ? nullptr : std::move(session.orders[0].expression);
}

std::optional<idx_t> place_of(const Expression* reference, LogicalOperator& op) {
  if (reference == nullptr) {
    return std::nullopt;
  }
  const auto all = op.GetColumnBindings();
  const auto place =
      std::ranges::find(all, reference->Cast<BoundColumnRefExpression>().binding) - all.begin();
  return static_cast<idx_t>(place);
}

void LateWriter::write(duckdb::Vector& whole_rows, const duckdb::SelectionVector& late,
                       idx_t count) {
  if (run_.late.receiver == nullptr || count == 0) {
    return;
  }
  duckdb::Vector rows(whole_rows, late, count);
  rows.Flatten(count);
  auto& columns = duckdb::StructVector::GetEntries(rows);
  duckdb::DataChunk chunk;
  chunk.InitializeEmpty(run_.late.stream->declared->types);
  for (idx_t c = 0; c < columns.size(); ++c) {
    chunk.data[c].Reference(*columns[c]);
  }
  chunk.SetCardinality(count);
  run_.carrier.guard([&] {
    if (writer_ == nullptr) {
      writer_ = run_.late.receiver->writer();
    }
    writer_->write(views_.of(chunk));
  });
}

void LateWriter::finish() {
  if (writer_ != nullptr) {
    run_.carrier.guard([&] { writer_->finish(); });
    writer_.reset();
  }
}

}  // namespace millrace::sql
