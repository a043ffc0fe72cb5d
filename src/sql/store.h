// The embedded store: a DuckDB file that pipelines read and write, in transactions.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/schema.h"
#include "core/sink.h"
#include "sql/database.h"
#include "sql/staged_rows.h"

namespace millrace::sql {

/// One table of a store file, written batch by batch: the batch id is in the same transaction as
/// its rows, so a batch that is published twice changes nothing the second time.
class StoreTable {
 public:
  /// Attaches the file (made if missing) to the database. Throws Error if another process has it.
  StoreTable(Database& database, std::string file, std::string table);
  ~StoreTable();

  [[nodiscard]] std::optional<Schema> schema() const;  ///< nullopt: no such table
  /// Makes the table if missing, and forgets the batches that `writer` committed to one that was
  /// dropped. An existing one must have these columns; one that `writer` has written may lack some,
  /// and gets them.
  void create(const Schema& schema, const std::string& writer);
  /// The last batch that `writer` (pipeline and sink) committed here.
  [[nodiscard]] std::optional<PublishedBatch> last_batch(const std::string& writer) const;

  /// Who writes, how, and which batch it is.
  struct Publication {
    std::string writer;
    PublishedBatch batch;
    OutputMode mode = OutputMode::append;
    std::vector<std::string> key;
    std::string delete_column;  ///< see SinkStart
  };
  /// In one transaction; does nothing if this batch of this checkpoint is there already.
  void publish(StagedRows& rows, const Publication& how);

  /// "SELECT * FROM store.table": the table, or the part of it after `from` up to and with `to` of
  /// a column, both SQL literals as end_of_range() gave them.
  [[nodiscard]] std::string select_sql() const;
  [[nodiscard]] std::string select_range_sql(const std::string& column,
                                             const std::optional<std::string>& from,
                                             const std::string& to) const;
  /// The greatest value of a column after `from`, as an SQL literal; with `limit` rows at most
  /// before it (all rows that share it are in). nullopt if there is nothing after `from`.
  [[nodiscard]] std::optional<std::string> end_of_range(const std::string& column,
                                                        const std::optional<std::string>& from,
                                                        std::optional<std::int64_t> limit) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::sql
