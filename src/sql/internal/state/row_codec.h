// The written form of one GroupState's rows.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sql/internal/duckdb.h"
#include "sql/internal/state/group_state.h"
#include "sql/internal/state/group_writer.h"

namespace millrace::sql {

/// Writes and reads up to 2,048 rows of a state at a time.
class RowCodec {
 public:
  explicit RowCodec(GroupState& state);

  void write_rows(const StateTable& table, const duckdb::data_ptr_t* rows, duckdb::idx_t count,
                  duckdb::WriteStream& out) const;
  void read_rows(duckdb::MemoryStream& in);
  /// Rows of the side table of aggregate `a`: group columns, arguments, times seen.
  void write_side(const StateTable& table, duckdb::idx_t a, const SideRows& rows,
                  duckdb::WriteStream& out) const;
  void read_side(duckdb::idx_t a, duckdb::MemoryStream& in);

 private:
  /// Rows that were read, and which of them belong to the table at hand.
  struct Loaded {
    duckdb::DataChunk chunk;
    std::string raw;  // for each raw aggregate, the bytes of all rows
  };
  using Part = const duckdb::SelectionVector&;

  [[nodiscard]] duckdb::idx_t raw_width() const;
  [[nodiscard]] duckdb::vector<duckdb::LogicalType> side_types(duckdb::idx_t a) const;
  void route_loaded(duckdb::DataChunk& chunk,
                    const std::function<void(StateTable&, Part, duckdb::idx_t)>& feed);
  void restore_rows(StateTable& table, Loaded& loaded, Part part, duckdb::idx_t count) const;
  void restore_side(StateTable& table, duckdb::idx_t a, duckdb::DataChunk& loaded, Part part,
                    duckdb::idx_t count) const;

  GroupState& state_;
  const GroupSpec& spec_;
  duckdb::vector<duckdb::LogicalType> types_;  // group columns, then values of refeed aggregates
  GroupWriter router_;
};

}  // namespace millrace::sql
