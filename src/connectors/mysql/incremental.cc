#include "connectors/mysql/incremental.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "connectors/mysql/catalog.h"
#include "formats/numbers_text.h"

namespace millrace::mysql {

namespace {

/// So many ranges, or numbers, are asked for at once.
constexpr std::size_t kPerStatement = 200;
/// Keys that lie further apart than that, on average, may all lie in one place.
constexpr std::uint64_t kSparse = 50;

nlohmann::json json_of(const MYSQL_FIELD& field, const Cell& cell) {
  if (cell.data == nullptr) {
    return nullptr;
  }
  std::string text;
  if (field.type == MYSQL_TYPE_FLOAT) {  // its own shortest text would be another number
    formats::write_number(double{value_of<float>(cell)}, text);
  } else {
    write_text(field, cell, text);
  }
  if (!find_invalid_utf8(text)) {
    return text;
  }
  std::string coded;
  encode_base64(text, coded);
  return {{"bytes", coded}};
}

/// The rows behind a key, or before and with it, column by column: "a >= ? AND (a > ? OR (b > ?))".
/// What the first column says alone is what an index is asked for.
void add_bound(const std::vector<std::string>& terms, const Key& key, bool after, Range& range) {
  const std::size_t last = terms.size() - 1;
  range.where += range.where.empty() ? "" : " AND ";
  for (std::size_t c = 0; c < last; ++c) {
    const auto mark = after ? '>' : '<';
    range.where += fmt::format("{0} {1}= ? AND ({0} {1} ? OR (", terms[c], mark);
    range.parameters.insert(range.parameters.end(), {value_of_key(key[c]), value_of_key(key[c])});
  }
  range.where += fmt::format("{} {} ?", terms[last], after ? ">" : "<=");
  range.where += std::string(2 * last, ')');
  range.parameters.push_back(value_of_key(key[last]));
}

/// Goes along the keys of new rows.
class KeyScan {
 public:
  KeyScan(const KeyColumns& columns, const SearchRange& where) : columns_(columns), where_(where) {}

  void add(std::span<const MYSQL_FIELD> fields, std::span<const Cell> cells) {
    if (columns_.is_number) {
      add_number(number_of(fields.front(), cells.front()));
    } else {
      last_ = key_of(fields, cells);
    }
    if (++found_.rows % where_.rows_per_range == 0) {
      cut();
    }
  }
  std::optional<NewRows> end() {
    if (found_.rows == 0) {
      return std::nullopt;
    }
    cut();
    found_.to = found_.bounds.back();
    found_.bounds.pop_back();
    return std::move(found_);
  }

 private:
  void add_number(std::int64_t number) {
    const auto after = number_ ? *number_ + 1 : Gaps::kLowest;
    if (number > after && found_.missing.size() < Gaps::kMax) {
      found_.missing.push_back({.first = after, .last = number - 1, .since_us = 0});
    } else if (number > after) {
      ++found_.not_noted;
    }
    number_ = number;
  }
  void cut() {
    auto key = columns_.is_number ? Key::array({*number_}) : last_;
    if (found_.bounds.empty() || found_.bounds.back() != key) {
      found_.bounds.push_back(std::move(key));
    }
  }

  const KeyColumns& columns_;
  const SearchRange& where_;
  NewRows found_;
  Key last_;
  std::optional<std::int64_t> number_ = columns_.is_number && !where_.from.is_null()
                                            ? std::optional(where_.from[0].get<std::int64_t>())
                                            : std::nullopt;
};

}  // namespace

Key key_of(std::span<const MYSQL_FIELD> fields, std::span<const Cell> cells) {
  auto key = Key::array();
  for (std::size_t c = 0; c < cells.size(); ++c) {
    key.push_back(json_of(fields[c], cells[c]));
  }
  return key;
}

Value value_of_key(const nlohmann::json& part) {
  if (part.is_object()) {
    std::string bytes;
    (void)decode_base64(part.at("bytes").get<std::string>(), bytes);
    return bytes;
  }
  return part.is_number() ? Value(part.get<std::int64_t>()) : Value(part.get<std::string>());
}

std::string KeyColumns::list() const {
  std::vector<std::string> quoted;
  std::ranges::transform(names, std::back_inserter(quoted), quote);
  return join(quoted, ", ");
}

KeyColumns primary_key(Connection& connection, const std::string& table) {
  KeyColumns key{.names = primary_key_of(connection, table)};
  for (auto& type : key_types_of(connection, table, key.names)) {
    key.terms.push_back(std::move(type.term));
  }
  return key;
}

std::vector<std::string> KeyColumns::compared() const {
  if (!terms.empty()) {
    return terms;
  }
  std::vector<std::string> quoted;
  std::ranges::transform(names, std::back_inserter(quoted), quote);
  return quoted;
}

Range KeyColumns::range(const Key& from, const Key& to) const {
  Range range;
  if (!from.is_null()) {
    add_bound(compared(), from, true, range);
  } else {
    range.where = fmt::format("{} IS NOT NULL", quote(names.front()));
  }
  if (!to.is_null()) {
    add_bound(compared(), to, false, range);
  }
  return range;
}

Range KeyColumns::numbers(const std::string& name, const std::vector<std::int64_t>& numbers) {
  Range range;
  const std::vector<std::string> marks(numbers.size(), "?");
  range.where = fmt::format("{} IN ({})", quote(name), join(marks, ", "));
  range.parameters.assign(numbers.begin(), numbers.end());
  return range;
}

std::optional<NewRows> find_new(Connection& connection, const std::string& table,
                                const KeyColumns& columns, const SearchRange& where) {
  auto range = columns.range(where.from, where.to);
  if (where.lag.count() > 0) {
    range.where += fmt::format("{}{} <= NOW(6) - INTERVAL ? MICROSECOND",
                               range.where.empty() ? "" : " AND ", quote(columns.names.front()));
    range.parameters.emplace_back(std::int64_t{where.lag.count()} * 1000);
  }
  Statement statement(
      connection,
      fmt::format("SELECT {0} FROM {1}{2}{3} ORDER BY {0} LIMIT {4}", columns.list(), table,
                  range.where.empty() ? "" : " WHERE ", range.where, where.max_rows));
  statement.execute(range.parameters);
  KeyScan scan(columns, where);
  for (auto cells = statement.fetch(); !cells.empty(); cells = statement.fetch()) {
    if (std::ranges::all_of(cells, [](const Cell& cell) { return cell.data != nullptr; })) {
      scan.add(statement.fields(), cells);
    }
  }
  return scan.end();
}

namespace {

/// The key of the row behind `skipped` others; nullopt: there are not so many.
std::optional<Key> key_at(Connection& connection, const std::string& table, const KeyColumns& key,
                          const Key& from, std::string_view order, std::int64_t skipped) {
  const auto range = key.range(from, nullptr);
  std::vector<std::string> by;
  by.reserve(key.names.size());
  for (const auto& name : key.names) {
    by.push_back(fmt::format("{}{}", quote(name), order));
  }
  Statement statement(
      connection,
      fmt::format("SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT 1 OFFSET {}",
                  join(key.compared(), ", "), table, range.where, join(by, ", "), skipped));
  statement.execute(range.parameters);
  std::optional<Key> found;
  for (auto cells = statement.fetch(); !cells.empty(); cells = statement.fetch()) {
    found = key_of(statement.fields(), cells);
  }
  return found;
}

}  // namespace

KeyRanges find_ranges(Connection& connection, const std::string& table, const KeyColumns& key,
                      const SearchRange& where) {
  KeyRanges found;
  auto from = where.from;
  while (found.rows < where.max_rows) {
    const auto rows = std::min(where.rows_per_range, where.max_rows - found.rows);
    auto bound = key_at(connection, table, key, from, "", rows - 1);
    if (!bound) {
      break;
    }
    found.rows += rows;
    from = *bound;
    found.bounds.push_back(*std::move(bound));
  }
  found.is_last = found.rows < where.max_rows;
  if (auto last = found.is_last ? key_at(connection, table, key, from, " DESC", 0) : std::nullopt) {
    const auto range = key.range(from, nullptr);
    const auto rest = connection.query_value(
        fmt::format("SELECT COUNT(*) FROM {} WHERE {}", table, range.where), range.parameters);
    found.rows += parse_integer(rest.value_or("")).value_or(0);
    found.to = *std::move(last);
  } else if (!found.bounds.empty()) {
    found.to = std::move(found.bounds.back());
    found.bounds.pop_back();
  }
  return found;
}

std::optional<KeyRanges> find_even_ranges(Connection& connection, const std::string& table,
                                          const KeyColumns& key, std::int64_t rows_per_range) {
  if (key.names.size() != 1) {
    return std::nullopt;
  }
  const auto& name = key.names.front();
  const auto rows = parse_integer(
      connection
          .query_value(
              "SELECT table_rows FROM information_schema.tables JOIN information_schema.columns "
              "USING (table_schema, table_name) WHERE table_schema = DATABASE() AND table_name = ? "
              "AND column_name = ? AND data_type IN ('tinyint', 'smallint', 'mediumint', 'int', "
              "'bigint')",
              {table, name})
          .value_or(""));
  const auto ends =
      connection.query(fmt::format("SELECT MIN({0}), MAX({0}) FROM {1}", quote(name), quote(table)))
          .front();
  const auto first = parse_integer(ends[0].value_or(""));
  const auto last = parse_integer(ends[1].value_or(""));
  // What the server takes for the number of rows may be old, or nothing.
  if (!rows || !first || !last || *rows <= rows_per_range) {
    return std::nullopt;
  }
  const auto begin = static_cast<std::uint64_t>(*first);
  const auto span = static_cast<std::uint64_t>(*last) - begin;
  const auto per_row = span / static_cast<std::uint64_t>(*rows) + 1;
  if (per_row > kSparse) {
    return std::nullopt;
  }
  const auto width = per_row * static_cast<std::uint64_t>(rows_per_range);
  KeyRanges found{.to = Key::array({*last}), .rows = *rows};
  for (std::uint64_t at = width; at < span; at += width) {
    found.bounds.push_back(Key::array({static_cast<std::int64_t>(begin + at)}));
  }
  return found;
}

std::vector<std::int64_t> find_late(Connection& connection, const std::string& table,
                                    const std::string& column, const Gaps& gaps, std::int64_t max) {
  std::vector<std::int64_t> late;
  const auto ranges = gaps.all();
  for (std::size_t at = 0; at < ranges.size() && std::cmp_less(late.size(), max);
       at += kPerStatement) {
    const auto end = std::min(at + kPerStatement, ranges.size());
    const std::vector<std::string> each(end - at, fmt::format("{} BETWEEN ? AND ?", quote(column)));
    std::vector<Value> parameters;
    for (std::size_t i = at; i < end; ++i) {
      parameters.insert(parameters.end(), {ranges[i].first, ranges[i].last});
    }
    const auto rows = connection.query(
        fmt::format("SELECT {} FROM {} WHERE {} LIMIT {}", quote(column), table, join(each, " OR "),
                    max - static_cast<std::int64_t>(late.size())),
        parameters);
    for (const auto& row : rows) {
      late.push_back(parse_integer(row.front().value_or("0")).value_or(0));
    }
  }
  std::ranges::sort(late);
  return late;
}

}  // namespace millrace::mysql
