// Which rows and columns of a table a source asks for, and as what they come.
#pragma once

#include <string>
#include <vector>

#include "connectors/cassandra/from_cql.h"
#include "connectors/cassandra/options.h"
#include "connectors/cassandra/table.h"
#include "core/schema.h"

namespace millrace::cassandra {

/// What is asked for, and what its rows are.
struct ScanPlan {
  TableName table;
  std::string text;        ///< the SELECT, with marks for a range or a partition key
  std::string key_values;  ///< of the partition, each with its length
  bool has_ranges = false;
  Schema schema;
  std::vector<FromCql> converters;
};

/// Throws Error (user) for columns that are not there, and types that do not fit.
[[nodiscard]] ScanPlan plan_scan(Session& session, const SourceOptions& options,
                                 const std::string& who);

/// The same for the rows of a key: all columns of the partition key, and perhaps the clustering
/// columns that follow, from the first on; the statement has a mark for each, in that order. Throws
/// Error (user) for other columns, too.
[[nodiscard]] ScanPlan plan_lookup(Session& session, const SourceOptions& options,
                                   const std::vector<std::string>& key, const std::string& who);

/// "writetime(amount)" or "ttl(amount)": the function and the column; empty: neither.
[[nodiscard]] std::pair<std::string, std::string> read_metadata(const std::string& text);

}  // namespace millrace::cassandra
