// Which joins of a plan are look-ups.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "sql/internal/logical.h"
#include "sql/internal/run_context.h"

namespace millrace::sql {

/// Whether a plan reads a table that is looked up.
[[nodiscard]] bool has_lookups(const RunContext& run);

/// While it lives, the optimizer keeps joins in the order in which they were written, so that a
/// table is not joined before the rows are known that look it up, and long lists of IN in
/// conditions, where it would make joins of them. It holds for all of a database: nobody else may
/// plan meanwhile.
class JoinsAsWritten {
 public:
  explicit JoinsAsWritten(duckdb::ClientContext& context);
  ~JoinsAsWritten();
  JoinsAsWritten(const JoinsAsWritten&) = delete;
  JoinsAsWritten& operator=(const JoinsAsWritten&) = delete;

 private:
  std::set<duckdb::OptimizerType>& disabled_;
  std::set<duckdb::OptimizerType> before_;
};

/// Where a name stands in the SQL, if that is known.
using PositionOf = std::function<std::optional<std::size_t>(const std::string& name)>;

/// Replaces, in an optimized plan, joins with tables that are looked up by ones that do it, and
/// says to the tables which columns are read. Throws SqlError if such a table is read in another
/// way.
void replace_lookups(Slot& plan, duckdb::ClientContext& context, RunContext& run,
                     const PositionOf& position_of);

/// Throws SqlError if what is joined with a look-up is no stream.
void check_lookup(const duckdb::LogicalOperator& op, bool is_stream);
[[nodiscard]] bool is_lookup_join(const duckdb::LogicalOperator& op);

}  // namespace millrace::sql
