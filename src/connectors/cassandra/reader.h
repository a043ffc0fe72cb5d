// Rows of a table as they come, page by page, of several requests at once.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "connectors/cassandra/options.h"
#include "connectors/cassandra/protocol/row_cells.h"
#include "connectors/cassandra/select.h"
#include "core/row_columns.h"
#include "core/source.h"

namespace millrace::cassandra {

/// A cluster with a prepared statement.
struct Reached {
  Cluster cluster;
  Prepared statement;
};

/// Waits for a cluster that is away, as a session does once it is open. Throws Error, for good, and
/// Stopped.
[[nodiscard]] std::unique_ptr<Reached> reach(const ConnectionOptions& connection,
                                             const std::string& name, const std::string& text,
                                             const std::stop_token& stop);

/// What is asked for once, and again while there are more pages.
struct PageRequest {
  std::string values;  ///< of the statement, each with its length
  std::optional<std::int64_t> token;
  std::string paging_state;
};

/// Reads the rows of some requests, in the order in which the cluster answers. Pages that are asked
/// for or held are never more than the options' `parallelism`.
class PageReader final : public RowReader {
 public:
  /// All of them outlive it. No other request of the session is pending.
  PageReader(const ScanPlan& plan, const SourceOptions& options, Consistency consistency,
             const std::string& name, Reached& reached, std::deque<PageRequest> requests,
             MalformedReceiver& malformed);

  ~PageReader() override;

  std::size_t read(ChunkWriter& to) override;

 private:
  struct Page;

  bool find_row();
  void ask();
  bool take_row(std::size_t row);
  void refuse(const std::string& column, std::string why);

  const ScanPlan& plan_;
  const SourceOptions& options_;
  Consistency consistency_;
  const std::string& name_;
  Reached& reached_;
  MalformedReceiver& malformed_;
  std::deque<PageRequest> to_ask_;
  std::map<std::uint64_t, PageRequest> asked_;
  std::uint64_t next_tag_ = 0;
  std::unique_ptr<Page> page_;
  RowColumns columns_;
};

/// What reads are done at, if nobody has said.
[[nodiscard]] Consistency consistency_of(const ConnectionOptions& connection,
                                         const SourceOptions& options);

}  // namespace millrace::cassandra
