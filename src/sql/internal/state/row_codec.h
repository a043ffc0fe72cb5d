// The written form of one GroupState's rows.
#pragma once

#include <array>
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
  [[nodiscard]] duckdb::ClientContext& context() const noexcept { return state_.context(); }

  void write_rows(const StateTable& table, const duckdb::data_ptr_t* rows, const Window* windows,
                  duckdb::idx_t count, duckdb::WriteStream& out) const;
  void read_rows(duckdb::MemoryStream& in);
  /// Rows of the side table of aggregate `a`: group columns, arguments, times seen. Those of
  /// forgotten groups are left out.
  void write_side(const StateTable& table, duckdb::idx_t a, const SideRows& rows,
                  duckdb::WriteStream& out) const;
  void read_side(duckdb::idx_t a, duckdb::MemoryStream& in);

 private:
  /// Rows that were read, and which of them belong to the table at hand.
  struct Loaded {
    duckdb::DataChunk chunk;
    std::string raw;  // for each raw aggregate, the bytes of all rows
    const Window* windows = nullptr;
  };
  using Part = const duckdb::SelectionVector&;

  /// The raw states of some rows: for each aggregate, those of all rows.
  [[nodiscard]] std::string read_states(duckdb::MemoryStream& in, duckdb::idx_t count) const;
  [[nodiscard]] duckdb::vector<duckdb::LogicalType> side_types(duckdb::idx_t a) const;
  /// The windows, or ends of lives, of rows that were read; nullptr if there are none.
  const Window* windows_of_loaded(duckdb::DataChunk& chunk);
  void route_loaded(duckdb::DataChunk& chunk, const Window* windows,
                    const std::function<void(StateTable&, Part, duckdb::idx_t)>& feed);
  void restore_rows(StateTable& table, Loaded& loaded, Part part, duckdb::idx_t count) const;
  void restore_side(StateTable& table, duckdb::idx_t a, duckdb::DataChunk& loaded,
                    const Window* windows, Part part, duckdb::idx_t count) const;

  GroupState& state_;
  const GroupSpec& spec_;
  /// Group columns, then values of refeed aggregates, then ends of mortal groups' lives.
  duckdb::vector<duckdb::LogicalType> types_;
  std::array<Window, STANDARD_VECTOR_SIZE> windows_{};  // of the rows that were read
  GroupWriter router_;
};

}  // namespace millrace::sql
