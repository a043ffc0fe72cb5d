// Which column of the rows goes where in a table, and the statements that put it there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "connectors/cassandra/options.h"
#include "connectors/cassandra/staging.h"
#include "connectors/cassandra/table.h"
#include "connectors/cassandra/to_cql.h"
#include "core/chunk.h"
#include "core/format.h"
#include "core/sink.h"

namespace millrace::cassandra {

/// How a table is written.
struct SinkPlan {
  struct Value {
    std::size_t place = 0;  ///< of the column among the rows'
    std::string name;       ///< in the table
    ToCql converter;
    CqlType type;
  };
  std::vector<Value> values;  ///< the partition key's, the clustering columns, then the others
  std::size_t partition_columns = 0;
  std::size_t key_columns = 0;  ///< with the clustering columns
  int delete_column = -1;       ///< among the rows' columns; -1: there is none
  bool has_timestamp = true;
  bool keeps_nulls = false;
  std::int64_t max_row_bytes = 0;
  Prepared insert;
  Prepared remove;
  Prepared select;  ///< reads a row back; only if that is asked for
};

/// Prepares the statements. Throws Error (user) for columns that the table does not have, or whose
/// types do not fit; and for keys that are not the table's.
[[nodiscard]] SinkPlan make_plan(Session& session, const TableName& name,
                                 const SinkOptions& options, const SinkStart& start,
                                 const TableInfo& table, const std::string& who);

/// Encodes rows. Used by one thread.
class RowEncoder {
 public:
  /// Must outlive it.
  explicit RowEncoder(const SinkPlan& plan) : plan_(plan) {}

  /// Appends a row in the form of Staging; what the table can't hold is a Malformation, and `to` is
  /// as it was.
  [[nodiscard]] std::optional<Malformation> encode(const Chunk& chunk, std::size_t row,
                                                   std::string& to);

 private:
  std::optional<Malformation> encode_key(const Chunk& chunk, std::size_t row, StagedRow& to);

  const SinkPlan& plan_;
  std::string values_;
  std::string partition_key_;
};

}  // namespace millrace::cassandra
