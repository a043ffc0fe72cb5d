// DuckDB's errors in millrace's words.
#pragma once

#include <exception>
#include <mutex>
#include <string>

#include "base/error.h"
#include "sql/database.h"
#include "sql/internal/duckdb.h"

namespace millrace::sql {

/// A mistake in SQL text: parse and bind errors, with the place that DuckDB tells.
[[nodiscard]] SqlError sql_error(const duckdb::ErrorData& error);
/// An error while rows are read or computed, by DuckDB's type of error; throws OutOfMemory itself.
[[nodiscard]] Error run_error(const duckdb::ErrorData& error);

/// Calls `call`, which may throw DuckDB's exceptions, and lets only Error and what `translate`
/// makes of them out.
template <class Call, class Translate>
auto translating_errors(const Call& call, const Translate& translate) {
  try {
    return call();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw translate(duckdb::ErrorData(error));
  }
}
template <class Call>
auto as_sql_error(const Call& call) {
  return translating_errors(call, sql_error);
}
template <class Call>
auto as_run_error(const Call& call) {
  return translating_errors(call, run_error);
}

/// Carries the first exception of ours out of DuckDB's threads: DuckDB keeps only the text of an
/// exception, and we need the thing itself (whose fault it is, whether to retry).
class Carrier {
 public:
  /// Calls `call`; remembers an exception and lets it go on, so that DuckDB stops the run.
  template <class Call>
  auto guard(const Call& call) {
    try {
      return call();
    } catch (...) {
      const std::lock_guard guard(lock_);
      if (first_ == nullptr) {
        first_ = std::current_exception();
      }
      throw;
    }
  }
  void clear() noexcept { first_ = nullptr; }
  /// Throws the remembered exception if it is an Error; otherwise returns.
  void rethrow_ours() const;

 private:
  std::mutex lock_;
  std::exception_ptr first_;
};

}  // namespace millrace::sql
