// The written form of state: for snapshots, and for the log of changes on top of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sql/internal/duckdb.h"
#include "sql/internal/state/group_state.h"
#include "sql/internal/state/session_state.h"
#include "sql/plan.h"

namespace millrace::sql {

/// Writes states in pieces and reads them back. All knowledge of the bytes is here; another version
/// of DuckDB gets another codec.
///
/// A piece is a header (what was written, and for which query) or up to 2,048 rows: group columns
/// and the values of refeed aggregates as a chunk of DuckDB's, then the bytes of raw states; or
/// rows of a side table with how often each was seen; or the windows that are closed, and
/// forgotten; or rows of open sessions, and how far sessions were closed.
class StateCodec {
 public:
  using States = std::vector<std::unique_ptr<GroupState>>;
  using Sessions = std::vector<std::unique_ptr<SessionState>>;
  enum class Part : std::uint8_t { all, touched };

  /// `schema` names the query and the versions; state is read back only if it is the same.
  StateCodec(const States& states, const Sessions& sessions, std::string schema);

  /// Large tables are written by all of DuckDB's threads, so that pieces of different tables come
  /// in any order; `put` is called by one at a time.
  void write(Part part, const PutBytes& put) const;
  /// Puts rows into the states, replacing groups that are there. Throws Error if the bytes are of
  /// another query or damaged.
  void apply(const GetBytes& get) const;

 private:
  const States& states_;
  const Sessions& sessions_;
  std::string schema_;
};

}  // namespace millrace::sql
