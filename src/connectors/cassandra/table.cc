#include "connectors/cassandra/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <set>
#include <utility>

#include "base/strings.h"
#include "connectors/cassandra/protocol/row_cells.h"
#include "connectors/cassandra/protocol/wire.h"
#include "connectors/cassandra/to_cql.h"

namespace millrace::cassandra {

namespace {

using Kind = TableColumn::Kind;
constexpr auto kConsistency = Consistency::one;
constexpr auto kAgreementPause = std::chrono::milliseconds(100);
/// Keyspaces takes up to a minute to make a table.
constexpr auto kCreation = std::chrono::minutes(3);

/// Rows of a query, each as its cells by column; empty cells are NULL.
using TextRows = std::vector<std::vector<std::optional<std::string>>>;

TextRows rows_of(Session& session, const std::string& text,
                 const std::vector<std::string>& values) {
  const auto statement = session.prepare(text);
  std::string bytes;
  for (const auto& value : values) {
    put_bytes(value, bytes);
  }
  const auto answer = session.run(statement, bytes, kConsistency);
  answer.check(text);
  TextRows result;
  const auto rows = read_rows(answer.body);
  if (!rows) {
    return result;
  }
  RowCells cells(*rows, answer.body);
  while (cells.next()) {
    auto& row = result.emplace_back();
    for (const auto& cell : cells.all()) {
      row.push_back(cell ? std::optional<std::string>(*cell) : std::nullopt);
    }
  }
  return result;
}

Kind kind_of(std::string_view word) {
  return word == "partition_key" ? Kind::partition_key
         : word == "clustering"  ? Kind::clustering
         : word == "static"      ? Kind::fixed
                                 : Kind::regular;
}

void check_keyspace(Session& session, const TableName& name) {
  if (!rows_of(session, "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?",
               {name.keyspace})
           .empty()) {
    return;
  }
  throw Error(Blame::user,
              fmt::format("there is no keyspace {}; make it: CREATE KEYSPACE {} WITH replication = "
                          "{{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}}",
                          name.keyspace, quoted_name(name.keyspace)));
}

/// Whether all nodes have the same schema.
bool is_agreed(Session& session) {
  std::set<std::optional<std::string>> versions;
  for (const char* text :
       {"SELECT schema_version FROM system.local", "SELECT schema_version FROM system.peers"}) {
    for (auto& row : rows_of(session, text, {})) {
      versions.insert(std::move(row[0]));
    }
  }
  return versions.size() <= 1;
}

/// Keyspaces makes tables in the background, and says so here; others have no such table.
bool is_active(Session& session, const TableName& name) {
  try {
    const auto rows = rows_of(session,
                              "SELECT status FROM system_schema_mcs.tables WHERE keyspace_name = ? "
                              "AND table_name = ?",
                              {name.keyspace, name.table});
    return !rows.empty() && rows[0][0] == "ACTIVE";
  } catch (const Error& error) {
    if (error.retry() == Retry::yes) {
      throw;
    }
    return true;
  }
}

void pause(const std::stop_token& stop) {
  std::mutex lock;
  std::unique_lock guard(lock);
  std::condition_variable_any stopped;
  stopped.wait_for(guard, stop, kAgreementPause, [] { return false; });
  if (stop.stop_requested()) {
    throw Stopped();
  }
}

/// A name of `clustering_key`, perhaps with a direction behind it.
std::pair<std::string, bool> read_ordered(std::string_view text) {
  const auto words = split(trim(text), ' ');
  const bool has_word = words.size() > 1 && (equal_ignoring_case(words.back(), "desc") ||
                                             equal_ignoring_case(words.back(), "asc"));
  if (!has_word) {
    return {std::string(trim(text)), false};
  }
  const auto name = trim(text).substr(0, trim(text).size() - words.back().size());
  return {std::string(trim(name)), equal_ignoring_case(words.back(), "desc")};
}

const std::string* type_of(const SinkOptions& options, const std::string& column) {
  const auto found = std::ranges::find_if(options.column_types, [&](const auto& each) {
    return equal_ignoring_case(each.first, column);
  });
  return found == options.column_types.end() ? nullptr : &found->second;
}

/// https://docs.aws.amazon.com/keyspaces/latest/devguide/cassandra-apis.html
bool is_unknown_to_keyspaces(std::string_view type) {
  const auto lower = to_lower(type);
  return lower.find("duration") != std::string::npos || lower.find("vector") != std::string::npos;
}

}  // namespace

std::string TableName::quoted() const {
  return cassandra::quoted_name(keyspace) + "." + cassandra::quoted_name(table);
}

const TableColumn* TableInfo::find(std::string_view name) const {
  auto found = std::ranges::find(columns, name, &TableColumn::name);
  if (found == columns.end()) {
    found = std::ranges::find_if(
        columns, [&](const TableColumn& column) { return equal_ignoring_case(column.name, name); });
  }
  return found == columns.end() ? nullptr : &*found;
}

std::string TableInfo::text() const {
  std::vector<std::string> texts;
  texts.reserve(columns.size());
  for (const auto& column : columns) {
    texts.push_back(column.name + " " + column.type);
  }
  return join(texts, ", ");
}

std::vector<std::string> TableInfo::key() const {
  std::vector<std::string> names;
  for (const auto& column : columns) {
    if (column.kind == Kind::partition_key || column.kind == Kind::clustering) {
      names.push_back(column.name);
    }
  }
  return names;
}

std::optional<TableInfo> find_table(Session& session, const TableName& name) {
  auto rows = rows_of(session,
                      "SELECT column_name, kind, position, type FROM system_schema.columns WHERE "
                      "keyspace_name = ? AND table_name = ?",
                      {name.keyspace, name.table});
  if (rows.empty()) {
    check_keyspace(session, name);
    return std::nullopt;
  }
  TableInfo info;
  info.columns.reserve(rows.size());
  for (auto& row : rows) {
    const auto position = row[2].value_or("");
    info.columns.push_back(
        {.name = row[0].value_or(""),
         .type = row[3].value_or(""),
         .kind = kind_of(row[1].value_or("")),
         .position = position.size() == 4 ? load_big_endian<std::int32_t>(position.data()) : 0});
  }
  std::ranges::stable_sort(info.columns, {}, [](const TableColumn& column) {
    return std::pair(column.kind, column.position);
  });
  return info;
}

TableInfo get_table(Session& session, const TableName& name, const std::string& who) {
  auto info = find_table(session, name);
  if (!info) {
    throw Error(Blame::user, fmt::format("{}: there is no table {}", who, name.text()));
  }
  return *std::move(info);
}

std::string create_statement(const TableName& name, const SinkOptions& options,
                             const Schema& schema, const std::vector<std::string>& key,
                             bool for_keyspaces) {
  const auto fail = [&](const std::string& why) {
    throw Error(Blame::user, fmt::format("table {} can't be made: {}", name.text(), why));
  };
  auto partition = options.partition_key;
  auto clustering = options.clustering_key;
  if (partition.empty() && !key.empty()) {
    partition.push_back(key.front());
  }
  if (clustering.empty()) {  // the rest of what tells rows apart
    std::ranges::copy_if(key, std::back_inserter(clustering), [&](const std::string& column) {
      return std::ranges::none_of(
          partition, [&](const auto& one) { return equal_ignoring_case(one, column); });
    });
  }
  if (partition.empty()) {
    fail("nothing says what its key is; set `partition_key` and `clustering_key`");
  }
  std::vector<std::string> columns;
  columns.reserve(schema.size());
  for (const auto& column : schema.columns) {
    const auto* given = type_of(options, column.name);
    const auto type = given != nullptr ? *given : cql_type_for(parse_type(column.type));
    if (type.empty()) {
      fail(
          fmt::format("column {} is {}, for which CQL has no type; cast it in SQL, or leave it out",
                      column.name, column.type));
    }
    if (for_keyspaces && is_unknown_to_keyspaces(type)) {
      fail(
          fmt::format("column {} is {}, which Keyspaces does not have; cast it in SQL, such as to "
                      "VARCHAR, or leave it out",
                      column.name, type));
    }
    columns.push_back(quoted_name(column.name) + " " + type);
  }
  const auto name_in_schema = [&](const std::string& column) {
    const auto place = schema.find(column);
    if (place < 0) {
      fail(fmt::format("its key has a column {}, which the rows do not have", column));
    }
    return quoted_name(schema.columns[static_cast<std::size_t>(place)].name);
  };
  std::vector<std::string> partition_names;
  partition_names.reserve(partition.size());
  for (const auto& column : partition) {
    partition_names.push_back(name_in_schema(column));
  }
  std::vector<std::string> key_names = {"(" + join(partition_names, ", ") + ")"};
  std::vector<std::string> order;
  bool has_order = false;
  for (const auto& text : clustering) {
    const auto [column, descending] = read_ordered(text);
    key_names.push_back(name_in_schema(column));
    order.push_back(key_names.back() + (descending ? " DESC" : " ASC"));
    has_order = has_order || descending;
  }
  std::vector<std::string> with;
  if (has_order) {
    with.push_back(fmt::format("CLUSTERING ORDER BY ({})", join(order, ", ")));
  }
  if (for_keyspaces && options.timestamps == Timestamps::batch) {
    with.emplace_back("CUSTOM_PROPERTIES = {'client_side_timestamps': {'status': 'enabled'}}");
  }
  if (!options.table_options.empty()) {
    with.push_back(options.table_options);
  }
  return fmt::format("CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY ({})){}{}", name.quoted(),
                     join(columns, ", "), join(key_names, ", "), with.empty() ? "" : " WITH ",
                     join(with, " AND "));
}

void create_table(Session& session, const TableName& name, const std::string& statement,
                  const std::stop_token& stop) {
  session.run(statement, kConsistency).check(statement);
  const auto until = std::chrono::steady_clock::now() + kCreation;
  while (!is_agreed(session) || !find_table(session, name) || !is_active(session, name)) {
    if (std::chrono::steady_clock::now() >= until) {
      throw Error(Blame::external, fmt::format("table {} is still being made", name.text()),
                  Retry::yes);
    }
    pause(stop);
  }
}

std::optional<std::int64_t> max_mutation_bytes(Session& session) {
  try {
    const auto rows = rows_of(session, "SELECT value FROM system_views.settings WHERE name = ?",
                              {"max_mutation_size"});
    return rows.empty() || !rows[0][0] ? std::nullopt : parse_bytes(*rows[0][0]);
  } catch (const Error& error) {
    if (error.retry() == Retry::yes) {
      throw;
    }
    return std::nullopt;  // servers before 4.0, and Keyspaces, have no such view
  }
}

}  // namespace millrace::cassandra
