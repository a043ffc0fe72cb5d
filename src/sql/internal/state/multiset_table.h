// A SideTable for arguments of any types and number.
#pragma once

#include "sql/internal/state/side_table.h"
#include "sql/internal/state/touch.h"

namespace millrace::sql {

class MultisetTable final : public SideTable {
 public:
  /// `distinct`: nobody asks how often, so what was seen before is neither counted nor logged.
  MultisetTable(duckdb::ClientContext& context,
                const duckdb::vector<duckdb::LogicalType>& arguments, bool distinct);

  void begin(std::uint64_t epoch) override { touch_.begin(epoch); }
  duckdb::idx_t add(const SideKeys& keys, duckdb::SelectionVector& fresh) override;
  void restore(const SideKeys& keys, const std::int64_t* times, std::int64_t* more) override;
  void visit(bool all, const std::function<void(const SideRows&)>& visitor) const override;
  [[nodiscard]] std::int64_t bytes() const override;

 private:
  [[nodiscard]] std::int64_t& times_seen(duckdb::data_ptr_t row) const {
    return *reinterpret_cast<std::int64_t*>(row + times_offset_);
  }
  /// The rows of the keys, made where they are new; valid until the next call.
  duckdb::data_ptr_t* find(const SideKeys& keys, duckdb::idx_t& fresh);

  bool distinct_;
  duckdb::vector<duckdb::LogicalType> types_;  // the group's address, then the arguments
  TouchList touch_;
  duckdb::unique_ptr<duckdb::GroupedAggregateHashTable> table_;
  duckdb::unique_ptr<duckdb::TupleDataCollection> reader_;
  duckdb::idx_t group_offset_ = 0;
  duckdb::idx_t times_offset_ = 0;
  // Room for one vector, used again by every call:
  duckdb::Vector rows_;
  duckdb::Vector hashes_;
  duckdb::SelectionVector fresh_;
};

}  // namespace millrace::sql
