#include "sql/internal/state/touch.h"

namespace millrace::sql {

namespace {

using duckdb::AggregateFunction;
using duckdb::AggregateInputData;
using duckdb::AggregateObject;
using duckdb::FlatVector;
using duckdb::idx_t;

struct TouchBind final : duckdb::FunctionData {
  explicit TouchBind(TouchList& l) : list(l) {}
  TouchList& list;

  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override {
    return duckdb::make_uniq<TouchBind>(list);
  }
  bool Equals(const duckdb::FunctionData& other) const override {
    return &list == &other.Cast<TouchBind>().list;
  }
};

idx_t word_size(const AggregateFunction& /*function*/) { return sizeof(std::uint64_t); }

void init_word(const AggregateFunction& /*function*/, duckdb::data_ptr_t state) {
  *reinterpret_cast<std::uint64_t*>(state) = 0;
}

void touch(duckdb::Vector /*inputs*/[], AggregateInputData& input, idx_t /*input_count*/,
           duckdb::Vector& states, idx_t count) {
  TouchList& list = input.bind_data->Cast<TouchBind>().list;
  auto* pointers = FlatVector::GetData<duckdb::data_ptr_t>(states);
  for (idx_t i = 0; i < count; ++i) {
    list.mark_state(pointers[i]);
  }
}

void leave_alone(duckdb::Vector /*inputs*/[], AggregateInputData& /*input*/, idx_t /*input_count*/,
                 duckdb::Vector& /*states*/, idx_t /*count*/) {}

AggregateObject hidden(const char* name, duckdb::aggregate_update_t update,
                       duckdb::FunctionData* bind) {
  const AggregateFunction function(name, {}, duckdb::LogicalType::BIGINT, word_size, init_word,
                                   update, nullptr, nullptr,
                                   duckdb::FunctionNullHandling::DEFAULT_NULL_HANDLING);
  return {function,
          bind,
          0,
          sizeof(std::uint64_t),
          duckdb::AggregateType::NON_DISTINCT,
          duckdb::PhysicalType::INT64};
}

}  // namespace

AggregateObject touch_aggregate(TouchList& list) {
  TouchBind bind(list);  // copied by the object
  return hidden("millrace_touch", touch, &bind);
}

AggregateObject multiplicity_aggregate() {
  return hidden("millrace_multiplicity", leave_alone, nullptr);
}

}  // namespace millrace::sql
