// Rows of a table by their key, a request a key and many at once.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "connectors/cassandra/reader.h"
#include "connectors/cassandra/select.h"
#include "connectors/cassandra/to_cql.h"
#include "core/lookup.h"

namespace millrace::cassandra {

/// `SELECT ... WHERE partition key = ? AND ...`, prepared, each request to a node that has the
/// partition. Sessions are for one thread: each reader takes one that is free, or a new one.
class CassandraLookup final : public KeyLookup {
 public:
  /// `key`: places in the schema of the source: the whole partition key, and perhaps the clustering
  /// columns that follow, from the first on. All but `key` outlive it and its readers. Throws Error
  /// (user) for other columns.
  CassandraLookup(const ConnectionOptions& connection, const SourceOptions& options,
                  const std::string& name, const Schema& schema,
                  const std::vector<std::size_t>& key, std::stop_token stop);

  void hurry(std::chrono::milliseconds patience) override;
  std::unique_ptr<RowReader> look_up(const Chunk& keys, MalformedReceiver& malformed) override;

 private:
  class Reader;

  [[nodiscard]] std::deque<PageRequest> requests(const Chunk& keys) const;
  [[nodiscard]] std::unique_ptr<Reached> take();
  void give_back(std::unique_ptr<Reached> reached);

  ConnectionOptions connection_;
  const SourceOptions& options_;
  const std::string& name_;
  std::stop_token stop_;
  ScanPlan plan_;
  // By the marks of the statement:
  std::vector<std::size_t> places_;  ///< among the columns of a chunk of keys
  std::vector<ToCql> encoders_;
  std::size_t partition_columns_ = 0;  ///< how many of them are the partition key
  std::mutex lock_;                    // guards what follows
  std::vector<std::unique_ptr<Reached>> idle_;
};

}  // namespace millrace::cassandra
