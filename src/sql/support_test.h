// What the tests of sql/ share.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sql/plan.h"

namespace millrace::sql::testing {

using Rows = std::vector<std::string>;

/// Keeps the rows of a plan as text, "a|b|NULL" a row; calls `on_write` if set.
class Collect final : public Receiver {
 public:
  std::unique_ptr<SinkWriter> writer() override;
  [[nodiscard]] Rows sorted() const;
  [[nodiscard]] const Rows& rows() const noexcept { return rows_; }

  std::function<void(const Chunk&)> on_write;
  int writers = 0;
  int finished = 0;

 private:
  class Writer;
  std::unique_ptr<std::mutex> lock_ = std::make_unique<std::mutex>();  // so that it can move
  Rows rows_;
};

/// The rows that a query gives, sorted.
[[nodiscard]] Rows rows_of(Database& database, const std::string& sql);
/// The rows that a query gives, as a batch with the given schema.
[[nodiscard]] std::shared_ptr<Batch> batch_of(Database& database, const Schema& schema,
                                              const std::string& sql);
/// "SELECT ... FROM %s JOIN %d" with %s (and %d) replaced everywhere.
[[nodiscard]] std::string over(std::string sql, const std::string& stream,
                               const std::string& table = "");
/// The error that planning gives; fails the test if there is none.
[[nodiscard]] std::string refusal(Database& database, const std::string& sql);

/// Writes all pieces of a state; gives them back.
class Pieces {
 public:
  [[nodiscard]] PutBytes put();
  [[nodiscard]] GetBytes get();
  [[nodiscard]] const std::vector<std::string>& all() const noexcept { return pieces_; }

 private:
  std::vector<std::string> pieces_;
  std::size_t next_ = 0;
};

/// What every row of a run must add up to.
void expect_rows_add_up(const RunCounts& counts);

}  // namespace millrace::sql::testing
