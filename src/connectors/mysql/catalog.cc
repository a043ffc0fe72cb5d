#include "connectors/mysql/catalog.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"

namespace millrace::mysql {

namespace {

/// The words of "enum('a','it''s')".
std::vector<std::string> words_of(std::string_view type) {
  std::vector<std::string> words;
  bool is_inside = false;
  for (std::size_t i = 0; i < type.size(); ++i) {
    if (type[i] != '\'') {
      if (is_inside) {
        words.back() += type[i];
      }
    } else if (is_inside && i + 1 < type.size() && type[i + 1] == '\'') {
      words.back() += '\'';
      ++i;
    } else {
      is_inside = !is_inside;
      if (is_inside) {
        words.emplace_back();
      }
    }
  }
  return words;
}

std::uint64_t number_of(const std::optional<std::string>& text) {
  return static_cast<std::uint64_t>(parse_integer(text.value_or("")).value_or(0));
}

Error no_binlog(std::string_view what, std::string_view way_out) {
  return {Blame::user, fmt::format("changes can't be read: {}; {}", what, way_out)};
}

/// File, offset and, of MySQL, the transactions so far.
std::vector<std::optional<std::string>> binlog_status(Connection& connection) {
  for (const auto* statement : {"SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"}) {
    try {
      const auto rows = connection.query_unprepared(statement);
      if (rows.empty()) {
        throw no_binlog("the server keeps no binlog", "start it with log_bin");
      }
      return rows.front();
    } catch (const ServerError& error) {
      if (error.code() == 1227) {  // access denied
        throw no_binlog("we may not ask where the binlog ends",
                        "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO our user (MariaDB "
                        "from 10.5: BINLOG MONITOR)");
      }
      if (error.retry() == Retry::yes) {
        throw;
      }
    }
  }
  throw no_binlog("the server does not say where its binlog ends", "is it MySQL or MariaDB?");
}

}  // namespace

BinlogTable catalog_of(Connection& connection, const std::string& table) {
  BinlogTable found;
  const auto rows = connection.query(
      "SELECT column_name, column_type, data_type, character_set_name, collation_name FROM "
      "information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? ORDER BY "
      "ordinal_position",
      {table});
  for (const auto& row : rows) {
    auto& column = found.columns.emplace_back();
    column.name = row[0].value_or("");
    const auto type = to_lower(row[1].value_or(""));
    const auto kind = to_lower(row[2].value_or(""));
    column.is_unsigned = type.find(" unsigned") != std::string::npos;
    if (kind == "enum" || kind == "set") {
      column.words = words_of(row[1].value_or(""));
    } else if (row[3]) {
      const auto* charset = mariadb_get_charset_by_name(row[3]->c_str());
      column.charset = charset == nullptr ? 45 : charset->nr;
    }
    column.form = kind == "uuid"    ? BinlogForm::uuid
                  : kind == "inet4" ? BinlogForm::inet4
                  : kind == "inet6" ? BinlogForm::inet6
                                    : BinlogForm::plain;
  }
  return found;
}

std::vector<std::string> primary_key_of(Connection& connection, const std::string& table) {
  std::vector<std::string> names;
  for (const auto& row : connection.query(
           "SELECT column_name FROM information_schema.statistics WHERE table_schema = DATABASE() "
           "AND table_name = ? AND index_name = 'PRIMARY' ORDER BY seq_in_index",
           {table})) {
    names.push_back(row.front().value_or(""));
  }
  return names;
}

namespace {

/// Row: data_type, column_type, numeric_precision, numeric_scale, character_set_name,
/// collation_name.
std::string cast_of(const std::vector<std::optional<std::string>>& row) {
  const auto kind = to_lower(row[0].value_or(""));
  const bool is_signed = row[1].value_or("").find(" unsigned") == std::string::npos;
  if (kind == "bit" || kind == "enum" || kind == "set" || kind == "year") {
    return "CAST(? AS UNSIGNED)";
  }
  if (kind.ends_with("int")) {
    return is_signed ? "CAST(? AS SIGNED)" : "CAST(? AS UNSIGNED)";
  }
  if (kind == "decimal") {
    return fmt::format("CAST(? AS DECIMAL({},{}))", row[2].value_or("65"), row[3].value_or("30"));
  }
  if (kind == "float" || kind == "double") {
    return "(? + 0e0)";
  }
  if (kind == "datetime" || kind == "timestamp") {
    return "CAST(? AS DATETIME(6))";
  }
  if (kind == "time") {
    return "CAST(? AS TIME(6))";
  }
  if (kind == "date" || kind == "uuid" || kind == "inet4" || kind == "inet6") {
    return fmt::format("CAST(? AS {})", kind);
  }
  return row[4] ? fmt::format("CONVERT(? USING {}) COLLATE {}", *row[4], row[5].value_or(""))
                : "CAST(? AS BINARY)";
}

}  // namespace

Value KeyType::parameter(const Value& text) const {
  if (words.empty()) {
    return text;
  }
  const auto& value = std::get<std::string>(text);
  if (!is_set) {
    const auto word = std::ranges::find(words, value);
    return word == words.end() ? std::int64_t{0} : 1 + (word - words.begin());
  }
  std::uint64_t bits = 0;
  for (const auto& each : split(value, ',')) {
    const auto word = std::ranges::find(words, each);
    bits |= word == words.end() ? 0 : std::uint64_t{1} << (word - words.begin());
  }
  return bits;
}

std::vector<KeyType> key_types_of(Connection& connection, const std::string& table,
                                  const std::vector<std::string>& columns) {
  std::vector<KeyType> types;
  types.reserve(columns.size());
  for (const auto& column : columns) {
    const auto rows = connection.query(
        "SELECT data_type, column_type, numeric_precision, numeric_scale, character_set_name, "
        "collation_name FROM information_schema.columns WHERE table_schema = DATABASE() AND "
        "table_name = ? AND column_name = ?",
        {table, column});
    if (rows.empty()) {
      throw Error(Blame::user, fmt::format("{} has no column {}", table, column));
    }
    const auto kind = to_lower(rows.front()[0].value_or(""));
    auto& type = types.emplace_back(
        KeyType{.term = quote(column), .cast = cast_of(rows.front()), .is_set = kind == "set"});
    if (kind == "enum" || kind == "set") {
      type.term += " + 0";
      type.words = words_of(rows.front()[1].value_or(""));
    }
  }
  return types;
}

BinlogSettings binlog_settings(Connection& connection) {
  BinlogSettings settings;
  for (const auto& row : connection.query_unprepared(
           "SHOW GLOBAL VARIABLES WHERE variable_name IN ('log_bin', 'binlog_format', "
           "'binlog_row_image', 'binlog_row_metadata', 'binlog_row_value_options', "
           "'binlog_expire_logs_seconds', 'expire_logs_days', 'server_id', 'gtid_mode')")) {
    settings[to_lower(row[0].value_or(""))] = row[1].value_or("");
  }
  return settings;
}

std::vector<BinlogMistake> mistakes_of(const BinlogSettings& settings) {
  const auto value = [&](const std::string& name) {
    const auto found = settings.find(name);
    return found == settings.end() ? std::string() : found->second;
  };
  std::vector<BinlogMistake> mistakes;
  if (value("log_bin") != "ON") {
    return {{"the server keeps no binlog", "start it with log_bin"}};
  }
  constexpr std::string_view kAnew = ", and make clients connect anew";
  if (value("binlog_format") != "ROW") {
    mistakes.push_back({fmt::format("binlog_format is {}", value("binlog_format")),
                        fmt::format("SET GLOBAL binlog_format = ROW{}", kAnew)});
  }
  if (value("binlog_row_image") != "FULL") {
    mistakes.push_back({fmt::format("binlog_row_image is {}, so that rows lack columns",
                                    value("binlog_row_image")),
                        fmt::format("SET GLOBAL binlog_row_image = FULL{}", kAnew)});
  }
  if (!value("binlog_row_value_options").empty()) {
    mistakes.push_back({fmt::format("binlog_row_value_options is {}, so that updates of JSON have "
                                    "pieces of values only",
                                    value("binlog_row_value_options")),
                        fmt::format("SET GLOBAL binlog_row_value_options = ''{}", kAnew)});
  }
  return mistakes;
}

void check_binlog(Connection& connection) {
  for (const auto& [what, way_out] : mistakes_of(binlog_settings(connection))) {
    throw no_binlog(what, way_out);
  }
  (void)end_of_binlog(connection);
}

BinlogPosition end_of_binlog(Connection& connection) {
  const auto status = binlog_status(connection);
  BinlogPosition position{.file = status[0].value_or(""), .offset = number_of(status[1])};
  if (connection.is_mariadb()) {
    position.gtid = connection
                        .query_value("SELECT BINLOG_GTID_POS(?, ?)",
                                     {position.file, std::uint64_t{position.offset}})
                        .value_or("");
  } else if (connection.query_value("SELECT @@global.gtid_mode") == "ON") {
    // Else new transactions have no number, though there may be some that had.
    const auto done = GtidSet::parse(status.back().value_or(""));
    position.gtid = done ? done->text() : "";
  }
  return position;
}

}  // namespace millrace::mysql
