// Which batch of which pipeline a database has: written in the transaction that its rows are in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "connectors/mysql/connection.h"
#include "core/malformed.h"
#include "core/sink.h"

namespace millrace::mysql {

/// The tables `millrace_batches` and `millrace_refused`. The second has the rows of the last batch
/// that the server refused: when the batch is repeated, whose rows are there already, nobody would
/// refuse them again.
class BatchLog {
 public:
  /// `writer` is the pipeline's and the sink's name.
  explicit BatchLog(std::string writer) : writer_(std::move(writer)) {}

  /// Makes the tables if they are missing.
  static void create(Connection& connection);
  /// What is executed there: to see, by preparing them, whether we may.
  [[nodiscard]] static std::vector<std::string> statements(Connection& connection);
  [[nodiscard]] std::optional<PublishedBatch> last(Connection& connection) const;
  /// The same, and nobody else can write a batch of this writer before our transaction ends.
  [[nodiscard]] std::optional<PublishedBatch> lock(Connection& connection) const;
  [[nodiscard]] std::vector<MalformedRow> refused(Connection& connection) const;
  void write(Connection& connection, const PublishedBatch& batch,
             const std::vector<MalformedRow>& refused) const;
  /// The table was made anew: what was written to the one before counts no more.
  void forget(Connection& connection) const;

 private:
  [[nodiscard]] std::optional<PublishedBatch> find(Connection& connection,
                                                   std::string_view suffix) const;

  std::string writer_;
};

}  // namespace millrace::mysql
