// Rows of a table by their key, some hundred keys a statement.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "connectors/mysql/pool.h"
#include "connectors/mysql/row_reader.h"
#include "connectors/mysql/values.h"
#include "core/lookup.h"

namespace millrace::mysql {

/// `SELECT ... WHERE key IN (?, ?, ...)`, on as many connections as the pool has. What the server
/// takes for equal is decided by the collation of its column, so it may give more than was asked
/// for, and never less.
class MysqlLookup final : public KeyLookup {
 public:
  /// `key`: places in the plan's schema. The plan outlives it and its readers. Throws Error
  /// (user) if the server could find less by such a key than is there.
  MysqlLookup(const ReadPlan& plan, std::shared_ptr<Pool> pool,
              const std::vector<std::size_t>& key);

  std::unique_ptr<RowReader> look_up(const Chunk& keys, MalformedReceiver& malformed) override;

 private:
  /// What stands behind WHERE for so many keys.
  [[nodiscard]] std::string condition(std::size_t keys) const;

  const ReadPlan& plan_;
  std::shared_ptr<Pool> pool_;
  std::vector<std::string> names_;
  std::vector<ColumnEncoder> encoders_;
  std::vector<bool> are_decimals_;
};

}  // namespace millrace::mysql
