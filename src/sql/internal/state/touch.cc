#include "sql/internal/state/touch.h"

namespace millrace::sql {

using duckdb::AggregateObject;

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

AggregateObject touch_aggregate() { return hidden_aggregate<std::uint64_t>("millrace_touch"); }

AggregateObject multiplicity_aggregate() {
  return hidden_aggregate<std::uint64_t>("millrace_multiplicity");
}

}  // namespace millrace::sql
