#include "sql/internal/state/touch.h"

namespace millrace::sql {

namespace {

using duckdb::AggregateFunction;
using duckdb::AggregateInputData;
using duckdb::AggregateObject;
using duckdb::FlatVector;
using duckdb::idx_t;

idx_t word_size(const AggregateFunction& /*function*/) { return sizeof(std::uint64_t); }

void init_word(const AggregateFunction& /*function*/, duckdb::data_ptr_t state) {
  *reinterpret_cast<std::uint64_t*>(state) = 0;
}

void leave_alone(duckdb::Vector /*inputs*/[], AggregateInputData& /*input*/, idx_t /*input_count*/,
                 duckdb::Vector& /*states*/, idx_t /*count*/) {}

AggregateObject hidden(const char* name) {
  const AggregateFunction function(name, {}, duckdb::LogicalType::BIGINT, word_size, init_word,
                                   leave_alone, nullptr, nullptr,
                                   duckdb::FunctionNullHandling::DEFAULT_NULL_HANDLING);
  return {function,
          nullptr,
          0,
          sizeof(std::uint64_t),
          duckdb::AggregateType::NON_DISTINCT,
          duckdb::PhysicalType::INT64};
}

}  // namespace

AggregateObject touch_aggregate() { return hidden("millrace_touch"); }

AggregateObject multiplicity_aggregate() { return hidden("millrace_multiplicity"); }

}  // namespace millrace::sql
