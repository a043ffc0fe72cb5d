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

void TouchList::begin(std::uint64_t epoch) {
  if (epoch_ == epoch) {
    return;
  }
  epoch_ = epoch;
  if (touched_ == 0) {
    return;
  }
  for (auto& [window, lists] : windows_) {
    lists.touched.clear();
  }
  touched_ = 0;
}

void TouchList::touch_all() {
  for (auto& [window, lists] : windows_) {
    for (const duckdb::data_ptr_t row : lists.rows) {
      stamp(row) = epoch_;
    }
    lists.touched = lists.rows;
  }
  touched_ = rows_;
}

TouchList::Lists& TouchList::find(Window window) {
  last_window_ = window;
  last_lists_ = &windows_[window];
  return *last_lists_;
}

void TouchList::forget_before(Window bound) {
  const auto end = windows_.lower_bound(bound);
  for (auto window = windows_.begin(); window != end; ++window) {
    for (const duckdb::data_ptr_t row : window->second.rows) {
      stamp(row) = kForgotten;
    }
    rows_ -= window->second.rows.size();
    forgotten_ += window->second.rows.size();
    touched_ -= window->second.touched.size();
  }
  windows_.erase(windows_.begin(), end);
  last_lists_ = nullptr;
}

AggregateObject touch_aggregate() { return hidden("millrace_touch"); }

AggregateObject multiplicity_aggregate() { return hidden("millrace_multiplicity"); }

}  // namespace millrace::sql
