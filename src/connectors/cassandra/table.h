// What a cluster says of a table, and making one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/cassandra/options.h"
#include "connectors/cassandra/protocol/session.h"
#include "core/schema.h"

namespace millrace::cassandra {

/// A table's place: its names as they are, without quotes.
struct TableName {
  std::string keyspace;
  std::string table;

  [[nodiscard]] std::string text() const { return keyspace + "." + table; }
  /// As CQL reads it in any case.
  [[nodiscard]] std::string quoted() const;
};

struct TableColumn {
  enum class Kind : std::uint8_t { partition_key, clustering, fixed, regular };
  std::string name;
  std::string type;  ///< "frozen<map<text, int>>"
  Kind kind = Kind::regular;
  std::int64_t position = 0;  ///< among those of its kind, of a key
};

/// A table's columns: the partition key's and the clustering columns in their order, then others.
struct TableInfo {
  std::vector<TableColumn> columns;

  /// The column of this name, or of one that differs only in case; nullptr: there is none.
  [[nodiscard]] const TableColumn* find(std::string_view name) const;
  /// "name text, timestamp timestamp", for messages.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::vector<std::string> key() const;
};

/// nullopt: there is no such table. Throws Error (user) if there is no such keyspace.
[[nodiscard]] std::optional<TableInfo> find_table(Session& session, const TableName& name);
/// The same, or an Error (user) that says what to do.
[[nodiscard]] TableInfo get_table(Session& session, const TableName& name, const std::string& who);

/// The CREATE TABLE for a sink's columns; `key`: the pipeline's. Throws Error (user) for what can't
/// be.
[[nodiscard]] std::string create_statement(const TableName& name, const SinkOptions& options,
                                           const Schema& schema,
                                           const std::vector<std::string>& key, bool for_keyspaces);
/// Makes a table, and waits until all nodes know of it; of Keyspaces, until it is there.
void create_table(Session& session, const TableName& name, const std::string& statement,
                  const std::stop_token& stop);

/// The largest mutation that the server takes, in bytes; nullopt: it does not say.
[[nodiscard]] std::optional<std::int64_t> max_mutation_bytes(Session& session);

}  // namespace millrace::cassandra
