#include "connectors/mysql/batch_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/strings.h"

namespace millrace::mysql {

namespace {

/// The protocol counts parameters with 16 bits.
constexpr std::size_t kMaxParameters = 65'535;
/// A statement has about so many bytes at most, though the server may take more.
constexpr std::size_t kMaxStatementBytes = 4U << 20U;
/// Statements that are kept prepared; they are of few sizes.
constexpr std::size_t kMaxStatements = 16;

std::size_t max_packet_bytes(Connection& connection) {
  const auto text = connection.query_value("SELECT @@max_allowed_packet");
  return static_cast<std::size_t>(parse_integer(text.value_or("")).value_or(1 << 20));
}

/// "(?, ?), (?, ?)"
std::string marks(std::size_t rows, std::size_t columns) {
  const auto row = "(" + join(std::vector<std::string>(columns, "?"), ",") + ")";
  return join(std::vector<std::string>(rows, row), ",");
}

}  // namespace

WritePlan::WritePlan(const std::string& table_name, const SinkStart& start, std::int64_t rows)
    : table(quote(table_name)), mode(start.mode) {
  for (std::size_t c = 0; c < start.schema.size(); ++c) {
    const auto& column = start.schema.columns[c];
    if (equal_ignoring_case(column.name, start.delete_column)) {
      delete_column = static_cast<int>(c);
      continue;
    }
    for (const auto& name : start.key) {
      if (equal_ignoring_case(name, column.name)) {
        key.push_back(columns.size());
      }
    }
    columns.push_back(c);
    names.push_back(quote(column.name));
    encoders.emplace_back(column);
  }
  rows_per_statement =
      std::clamp<std::size_t>(kMaxParameters / columns.size(), 1, static_cast<std::size_t>(rows));
}

std::string WritePlan::insert_sql(std::size_t rows) const {
  auto sql = fmt::format("INSERT INTO {} ({}) VALUES {}", table, join(names, ", "),
                         marks(rows, columns.size()));
  if (mode != OutputMode::update) {
    return sql;
  }
  std::vector<std::string> sets;
  for (std::size_t c = 0; c < names.size(); ++c) {
    if (std::ranges::find(key, c) == key.end()) {
      sets.push_back(fmt::format("{0} = VALUES({0})", names[c]));
    }
  }
  if (sets.empty()) {  // all columns are keys: what is there stays
    sets.push_back(fmt::format("{0} = {0}", names.front()));
  }
  return sql + " ON DUPLICATE KEY UPDATE " + join(sets, ", ");
}

std::string WritePlan::delete_sql(std::size_t rows) const {
  if (key.size() == 1) {
    return fmt::format("DELETE FROM {} WHERE {} IN ({})", table, names[key.front()],
                       join(std::vector<std::string>(rows, "?"), ","));
  }
  std::vector<std::string> same;
  std::ranges::transform(key, std::back_inserter(same),
                         [&](std::size_t c) { return names[c] + " = ?"; });
  return fmt::format("DELETE FROM {} WHERE {}", table,
                     join(std::vector<std::string>(rows, "(" + join(same, " AND ") + ")"), " OR "));
}

BatchWriter::BatchWriter(const WritePlan& plan, Connection& connection,
                         formats::RefusedRows& refused)
    : plan_(plan),
      connection_(connection),
      refused_(refused),
      max_bytes_(std::min(kMaxStatementBytes, max_packet_bytes(connection))) {
  room_.resize(plan_.rows_per_statement * plan_.columns.size());
}

void BatchWriter::write(const Chunk& chunk) {
  Group inserts{.kind = Kind::insert};
  Group removals{.kind = Kind::remove};
  const auto* deleted = plan_.delete_column < 0
                            ? nullptr
                            : &chunk.columns[static_cast<std::size_t>(plan_.delete_column)];
  // Room for values is shared: first the ones, then the others.
  for (std::size_t row = 0; row < chunk.rows; ++row) {
    if (deleted == nullptr || deleted->is_null(row) || !deleted->values<bool>()[row]) {
      add(chunk, row, inserts);
    }
  }
  flush(chunk, inserts);
  for (std::size_t row = 0; deleted != nullptr && row < chunk.rows; ++row) {
    if (!deleted->is_null(row) && deleted->values<bool>()[row]) {
      add(chunk, row, removals);
    }
  }
  flush(chunk, removals);
}

void BatchWriter::add(const Chunk& chunk, std::size_t row, Group& group) {
  const auto before = group.bytes;
  if (!bind(chunk, row, group)) {
    return;
  }
  if (group.bytes - before > max_bytes_) {
    refused_.add(
        chunk, row,
        {.column = "",
         .reason = fmt::format("the row has {}, and the server's max_allowed_packet, or a "
                               "statement of ours, takes {}",
                               human_bytes(static_cast<std::int64_t>(group.bytes - before)),
                               human_bytes(static_cast<std::int64_t>(max_bytes_)))});
    group.bytes = before;
    group.binds.resize(group.rows.size() * width(group.kind));
    return;
  }
  group.rows.push_back(row);
  if (group.rows.size() == plan_.rows_per_statement || group.bytes > max_bytes_ / 2) {
    flush(chunk, group);
  }
}

bool BatchWriter::bind(const Chunk& chunk, std::size_t row, Group& group) {
  const std::size_t first = group.binds.size();
  const std::size_t count = width(group.kind);
  const auto bytes = group.bytes;
  group.binds.resize(first + count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t c = group.kind == Kind::insert ? i : plan_.key[i];
    const auto& column = chunk.columns[plan_.columns[c]];
    auto& room = room_[first + i];
    if (!room) {
      room = std::make_unique<ValueRoom>();
    }
    auto why = plan_.encoders[c].bind(column, row, group.binds[first + i], *room);
    const bool is_key =
        group.kind == Kind::remove || std::ranges::find(plan_.key, c) != plan_.key.end();
    if (why.empty() && is_key && column.is_null(row)) {
      why = "is NULL, and a part of the key";  // no row of a table has it
    }
    if (!why.empty()) {
      refused_.add(chunk, row,
                   {.column = plan_.names[c], .reason = fmt::format("{} {}", plan_.names[c], why)});
      group.binds.resize(first);
      group.bytes = bytes;
      return false;
    }
    group.bytes += ColumnEncoder::size_of(group.binds[first + i]);
  }
  return true;
}

void BatchWriter::flush(const Chunk& chunk, Group& group) {
  if (!group.rows.empty()) {
    run(chunk, group, 0, group.rows.size());
    bytes_ += static_cast<std::int64_t>(group.bytes);
  }
  group.rows.clear();
  group.binds.clear();
  group.bytes = 0;
}

void BatchWriter::run(const Chunk& chunk, const Group& group, std::size_t first,
                      std::size_t count) {
  const auto columns = width(group.kind);
  try {
    auto binds = std::span(group.binds).subspan(first * columns, count * columns);
    statement(group.kind, count)
        .execute({const_cast<MYSQL_BIND*>(binds.data()), binds.size()});  // NOLINT
    rows_ += static_cast<std::int64_t>(count);
    return;
  } catch (const ServerError& error) {
    // The server has undone this statement, and nothing of the transaction before it.
    if (!error.is_of_row()) {
      throw;
    }
    if (count == 1) {
      refused_.add(chunk, group.rows[first], {.column = "", .reason = error.reason()});
      return;
    }
  }
  run(chunk, group, first, count / 2);
  run(chunk, group, first + count / 2, count - count / 2);
}

Statement& BatchWriter::statement(Kind kind, std::size_t rows) {
  const auto found = statements_.find({kind, rows});
  if (found != statements_.end()) {
    return found->second;
  }
  if (statements_.size() == kMaxStatements) {
    statements_.clear();
  }
  const auto sql = kind == Kind::insert ? plan_.insert_sql(rows) : plan_.delete_sql(rows);
  return statements_
      .emplace(std::piecewise_construct, std::forward_as_tuple(kind, rows),
               std::forward_as_tuple(connection_, sql))
      .first->second;
}

}  // namespace millrace::mysql
