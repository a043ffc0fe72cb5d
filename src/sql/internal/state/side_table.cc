#include "sql/internal/state/side_table.h"

#include "sql/internal/state/distinct_set.h"
#include "sql/internal/state/multiset_table.h"

namespace millrace::sql {

std::unique_ptr<SideTable> make_side_table(duckdb::ClientContext& context, const GroupSpec& spec,
                                           duckdb::idx_t a) {
  const bool distinct = spec.aggregates[a].call->IsDistinct();
  const auto types = spec.argument_types(a);
  if (distinct && types.size() == 1 && DistinctSet::can_hold(types[0])) {
    return std::make_unique<DistinctSet>(context, types[0]);
  }
  return std::make_unique<MultisetTable>(context, types, distinct);
}

}  // namespace millrace::sql
