#include "connectors/cassandra/select.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "connectors/cassandra/protocol/wire.h"

namespace millrace::cassandra {

namespace {

using Kind = TableColumn::Kind;

const TableColumn& get_column(const TableInfo& table, const TableName& name,
                              const std::string& column, const std::string& who) {
  const auto* const found = table.find(column);
  if (found == nullptr) {
    throw Error(Blame::user, fmt::format("{}: table {} has no column {}; it has: {}", who,
                                         name.text(), column, table.text()));
  }
  return *found;
}

/// What stands behind SELECT, and the names of the columns.
std::vector<std::pair<std::string, std::string>> selectors(const SourceOptions& options,
                                                           const TableInfo& table,
                                                           const TableName& name,
                                                           const std::string& who) {
  std::vector<std::pair<std::string, std::string>> result;
  if (options.columns.empty()) {
    for (const auto& column : table.columns) {
      result.emplace_back(quoted_name(column.name), column.name);
    }
  }
  for (const auto& text : options.columns) {
    const auto& column = get_column(table, name, text, who);
    result.emplace_back(quoted_name(column.name), column.name);
  }
  for (const auto& [as, text] : options.metadata) {
    const auto [function, of] = read_metadata(text);
    const auto& column = get_column(table, name, of, who);
    result.emplace_back(
        fmt::format("{}({}) AS {}", function, quoted_name(column.name), quoted_name(as)), as);
  }
  return result;
}

std::vector<std::string> partition_columns(const TableInfo& table) {
  std::vector<std::string> names;
  for (const auto& column : table.columns) {
    if (column.kind == Kind::partition_key) {
      names.push_back(column.name);
    }
  }
  return names;
}

std::string where_text(const SourceOptions& options, const TableInfo& table, bool has_ranges) {
  std::vector<std::string> names;
  for (const auto& name : partition_columns(table)) {
    names.push_back(quoted_name(name));
  }
  if (!options.partition_key.empty()) {
    return fmt::format(" WHERE {} = ?", join(names, " = ? AND "));
  }
  const auto token = fmt::format("token({})", join(names, ", "));
  return has_ranges ? fmt::format(" WHERE {0} > ? AND {0} <= ?", token) : std::string();
}

/// The values of the one partition that is to be read.
std::string key_values(const SourceOptions& options, const TableInfo& table,
                       const Prepared& statement, const std::string& who) {
  const auto names = partition_columns(table);
  std::string values;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto given = std::ranges::find_if(options.partition_key, [&](const auto& each) {
      return equal_ignoring_case(each.first, names[i]);
    });
    if (given == options.partition_key.end() || options.partition_key.size() != names.size()) {
      throw Error(Blame::user,
                  fmt::format("{}: `partition_key` has to give all columns of the partition key, "
                              "and no others: {}",
                              who, join(names, ", ")));
    }
    const auto& type = statement.values[i].type;
    const auto value = parse_value(type, given->second);
    if (!value) {
      throw Error(Blame::user, fmt::format("{}: `{}` is no {}, which {} is", who, given->second,
                                           type_text(type), names[i]));
    }
    put_bytes(*value, values);
  }
  return values;
}

}  // namespace

std::pair<std::string, std::string> read_metadata(const std::string& text) {
  const auto open = text.find('(');
  const auto function = to_lower(trim(std::string_view(text).substr(0, open)));
  if (open == std::string::npos || !text.ends_with(')') ||
      (function != "writetime" && function != "ttl")) {
    return {};
  }
  return {function,
          std::string(trim(std::string_view(text).substr(open + 1, text.size() - open - 2)))};
}

namespace {

/// What is asked for, with `where` behind, once it is prepared.
Prepared plan_columns(ScanPlan& plan, Session& session, const SourceOptions& options,
                      const TableInfo& table, const std::string& where, const std::string& who) {
  const auto selected = selectors(options, table, plan.table, who);
  std::vector<std::string> texts;
  texts.reserve(selected.size());
  for (const auto& [text, name] : selected) {
    texts.push_back(text);
  }
  plan.text = fmt::format("SELECT {} FROM {}{}", join(texts, ", "), plan.table.quoted(), where);
  auto statement = session.prepare(plan.text);
  if (statement.columns.size() != selected.size()) {
    throw Error(Blame::external, fmt::format("{}: the server gives {} columns for {}", who,
                                             statement.columns.size(), selected.size()));
  }
  for (const auto& [column, type] : options.types) {
    (void)get_column(table, plan.table, column, who);
  }
  for (std::size_t i = 0; i < selected.size(); ++i) {
    const auto& name = selected[i].second;
    const auto& type = statement.columns[i].type;
    const auto given = std::ranges::find_if(
        options.types, [&](const auto& each) { return equal_ignoring_case(each.first, name); });
    const auto sql = given == options.types.end() ? sql_type_for(type) : given->second;
    auto converter = FromCql::make(type, parse_type(sql));
    if (!converter) {
      throw Error(Blame::user,
                  fmt::format("{}: column {} is {}, which can't be read as {}; leave it out of "
                              "`types`, or cast it in SQL",
                              who, name, type_text(type), sql));
    }
    plan.schema.columns.push_back({.name = name, .type = sql, .physical = physical_of(sql)});
    plan.converters.push_back(*std::move(converter));
  }
  return statement;
}

/// The columns that a row is found by, in the order of the table's key.
std::vector<std::string> key_columns(const TableInfo& table, const std::vector<std::string>& key,
                                     const TableName& name, const std::string& who) {
  std::vector<std::string> found;
  std::vector<std::string> all;
  bool whole = true;  // of what came so far, nothing was left out
  bool fits = true;
  for (const auto& column : table.columns) {
    if (column.kind != Kind::partition_key && column.kind != Kind::clustering) {
      continue;
    }
    all.push_back(column.name);
    const bool asked = std::ranges::any_of(
        key, [&](const auto& each) { return equal_ignoring_case(each, column.name); });
    fits &= asked ? whole : column.kind == Kind::clustering;
    whole &= asked;
    if (asked) {
      found.push_back(column.name);
    }
  }
  if (!fits || found.size() != key.size()) {
    throw Error(Blame::user,
                fmt::format("{}: table {} can't be looked up by {}: it takes the whole partition "
                            "key, {}, and perhaps clustering columns in their order; its key is {}",
                            who, name.text(), join(key, ", "), join(partition_columns(table), ", "),
                            join(all, ", ")));
  }
  return found;
}

}  // namespace

ScanPlan plan_scan(Session& session, const SourceOptions& options, const std::string& who) {
  ScanPlan plan;
  plan.table = {.keyspace = options.keyspace, .table = options.table};
  const auto table = get_table(session, plan.table, who);
  plan.has_ranges = session.has_ranges() && options.partition_key.empty();
  const auto statement =
      plan_columns(plan, session, options, table, where_text(options, table, plan.has_ranges), who);
  if (!options.partition_key.empty()) {
    plan.key_values = key_values(options, table, statement, who);
  }
  return plan;
}

ScanPlan plan_lookup(Session& session, const SourceOptions& options,
                     const std::vector<std::string>& key, const std::string& who) {
  if (!options.partition_key.empty()) {
    throw Error(Blame::user, who +
                                 " is looked up by `key`, and can't have a `partition_key`, "
                                 "which reads one partition");
  }
  ScanPlan plan;
  plan.table = {.keyspace = options.keyspace, .table = options.table};
  const auto table = get_table(session, plan.table, who);
  std::vector<std::string> names;
  for (const auto& name : key_columns(table, key, plan.table, who)) {
    names.push_back(quoted_name(name));
  }
  (void)plan_columns(plan, session, options, table,
                     fmt::format(" WHERE {} = ?", join(names, " = ? AND ")), who);
  return plan;
}

}  // namespace millrace::cassandra
