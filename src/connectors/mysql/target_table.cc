#include "connectors/mysql/target_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/strings.h"
#include "connectors/mysql/values.h"

namespace millrace::mysql {

namespace {

bool holds(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::any_of(names,
                             [&](const auto& one) { return equal_ignoring_case(one, name); });
}

std::string list_of(const std::vector<std::string>& names) {
  std::vector<std::string> quoted;
  std::ranges::transform(names, std::back_inserter(quoted), quote);
  return join(quoted, ", ");
}

void check_columns(Connection& connection, const Wanted& wanted) {
  const auto there = connection.query(
      "SELECT column_name, is_nullable, column_default IS NULL, extra FROM "
      "information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? ORDER BY "
      "ordinal_position",
      {wanted.table});
  std::vector<std::string> names;
  for (const auto& row : there) {
    const auto& name = names.emplace_back(row[0].value_or(""));
    const auto extra = to_lower(row[3].value_or(""));
    const bool fills_itself = extra.find("auto_increment") != std::string::npos ||
                              extra.find("generated") != std::string::npos ||
                              extra.find("default") != std::string::npos;
    if (row[1] == "NO" && row[2] == "1" && !fills_itself && wanted.columns.find(name) < 0) {
      throw Error(Blame::user,
                  fmt::format("table {} has a column {} that needs a value, and the dataset has "
                              "none; select one, or give the column a default",
                              wanted.table, name));
    }
  }
  for (const auto& column : wanted.columns.columns) {
    if (!holds(names, column.name)) {
      throw Error(Blame::user,
                  fmt::format("table {} has no column {} ({} in the dataset); it has: {}. Leave it "
                              "out of the dataset, or ALTER TABLE {} ADD {} {}",
                              wanted.table, column.name, column.type, join(names, ", "),
                              quote(wanted.table), quote(column.name),
                              column_type_of(column, false, connection.is_mariadb())));
    }
  }
}

void check_key(Connection& connection, const Wanted& wanted) {
  const auto rows = connection.query(
      "SELECT index_name, column_name FROM information_schema.statistics WHERE table_schema = "
      "DATABASE() AND table_name = ? AND non_unique = 0 ORDER BY index_name, seq_in_index",
      {wanted.table});
  std::map<std::string, std::vector<std::string>> keys;
  for (const auto& row : rows) {
    keys[row[0].value_or("")].push_back(row[1].value_or(""));
  }
  const bool is_there = std::ranges::any_of(keys, [&](const auto& key) {
    return key.second.size() == wanted.key.size() &&
           std::ranges::all_of(key.second,
                               [&](const auto& name) { return holds(wanted.key, name); });
  });
  if (!is_there) {
    throw Error(Blame::user,
                fmt::format("table {0} has no unique key ({1}), by which rows are to be updated; "
                            "name its key with `key: [...]`, or ALTER TABLE {2} ADD PRIMARY KEY "
                            "({1})",
                            wanted.table, list_of(wanted.key), quote(wanted.table)));
  }
}

}  // namespace

std::string create_sql(const Connection& connection, const Wanted& wanted) {
  std::vector<std::string> parts;
  for (const auto& column : wanted.columns.columns) {
    const bool is_key = holds(wanted.key, column.name);
    parts.push_back(fmt::format("{} {}{}", quote(column.name),
                                column_type_of(column, is_key, connection.is_mariadb()),
                                is_key ? " NOT NULL" : " NULL"));
  }
  if (!wanted.key.empty()) {
    parts.push_back(fmt::format("PRIMARY KEY ({})", list_of(wanted.key)));
  }
  return fmt::format("CREATE TABLE {} ({}) ENGINE=InnoDB", quote(wanted.table), join(parts, ", "));
}

bool find_table(Connection& connection, const Wanted& wanted) {
  const auto engine = connection.query(
      "SELECT engine, table_type FROM information_schema.tables WHERE table_schema = DATABASE() "
      "AND table_name = ?",
      {wanted.table});
  if (engine.empty()) {
    if (!wanted.may_create) {
      throw Error(Blame::user, fmt::format("there is no table {}; make it, or set `create_table: "
                                           "true`",
                                           wanted.table));
    }
    return false;
  }
  const auto name = engine.front()[0].value_or("");
  const auto transactional = connection.query_value(
      "SELECT transactions FROM information_schema.engines WHERE engine = ?", {name});
  if (transactional != "YES") {
    throw Error(Blame::user,
                fmt::format("table {} is kept by {}, which has no transactions, so that a batch "
                            "could be written by half; ALTER TABLE {} ENGINE=InnoDB",
                            wanted.table, name.empty() ? "a view" : name, quote(wanted.table)));
  }
  check_columns(connection, wanted);
  if (!wanted.key.empty()) {
    check_key(connection, wanted);
  }
  return true;
}

bool prepare_table(Connection& connection, const Wanted& wanted) {
  const bool is_missing = !find_table(connection, wanted);
  if (is_missing) {
    connection.execute(create_sql(connection, wanted));
  }
  return is_missing;
}

}  // namespace millrace::mysql
