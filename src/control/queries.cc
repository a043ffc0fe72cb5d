#include "control/queries.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "control/json_value.h"
#include "sql/read_query.h"
#include "sql/render.h"

namespace millrace::control {
namespace {

using Clock = std::chrono::steady_clock;

Json columns_json(const Schema& schema) {
  Json out = Json::array();
  for (const auto& column : schema.columns) {
    out.push_back(Json::array({column.name, column.type}));
  }
  return out;
}

std::string key_of(const sql::LiveTable& table) {
  std::vector<std::string> names;
  names.reserve(table.key().size());
  for (const auto place : table.key()) {
    names.push_back(table.schema().columns[place].name);
  }
  return join(names, ", ");
}

/// What may stand in brackets.
std::string_view without_end(std::string_view sql) {
  while (!sql.empty() && (sql.back() == ';' || sql.back() == ' ' || sql.back() == '\n')) {
    sql.remove_suffix(1);
  }
  return sql;
}

/// Where a mistake is; without better knowledge, where the first name stands that the message
/// quotes: DuckDB forgets the places of names that it can't bind.
std::optional<std::size_t> position_of(const std::string& sql, const sql::SqlError& error) {
  if (error.position()) {
    return error.position();
  }
  const std::string_view message = error.what();
  const auto begin = message.find('"');
  const auto end = begin == std::string_view::npos ? begin : message.find('"', begin + 1);
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  const auto at = to_lower(sql).find(to_lower(message.substr(begin + 1, end - begin - 1)));
  return at == std::string::npos ? std::nullopt : std::optional(at);
}

/// Who made a mistake sees where: `position` counts letters from 0, `line` and `column` from 1.
Reply bad_sql(const std::string& sql, const sql::SqlError& error) {
  const std::string text = error.what();
  const auto end = text.find("; ");
  Json json = {{"code", "bad_sql"}, {"message", text.substr(0, end)}};
  json["hint"] = end != std::string::npos ? text.substr(end + 2)
                                          : "one SELECT over the tables that GET .../tables lists";
  if (const auto position = position_of(sql, error); position && *position <= sql.size()) {
    const auto before = std::string_view(sql).substr(0, *position);
    const auto line_start = before.rfind('\n');
    const auto letters = [](std::string_view bytes) {
      return std::ranges::count_if(
          bytes, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
    };
    json["position"] = letters(before);
    json["line"] = std::ranges::count(before, '\n') + 1;
    json["column"] =
        letters(line_start == std::string_view::npos ? before : before.substr(line_start + 1)) + 1;
  }
  auto made = reply(json);
  made.status = 400;
  return made;
}

OrderedJson rows_json(sql::Batch& rows, const Schema& schema, std::int64_t most) {
  auto out = OrderedJson::array();
  rows.for_each([&](const Chunk& chunk) {
    for (const auto& row : sql::render(chunk)) {
      if (std::cmp_equal(out.size(), most)) {
        return;
      }
      auto values = OrderedJson::array();
      for (std::size_t i = 0; i < row.size(); i++) {
        values.push_back(json_value(schema.columns[i], row[i]));
      }
      out.push_back(std::move(values));
    }
  });
  return out;
}

}  // namespace

struct Queries::Question {
  std::string sql;
  std::optional<std::int64_t> at;
  std::int64_t rows = 0;
};

Answer Queries::answer(const std::shared_ptr<const ReadableTables>& tables, const Json& body) {
  const auto sql = body.find("sql");
  if (sql == body.end() || !sql->is_string() || trim(sql->get_ref<const std::string&>()).empty()) {
    return std::unexpected(problem(400, "bad_request", "`sql` has to be a text with one SELECT"));
  }
  Question question{.sql = sql->get<std::string>(), .at = std::nullopt, .rows = limits_.rows};
  if (const auto at = body.find("at"); at != body.end() && !at->is_null()) {
    if (!at->is_number_integer()) {
      return std::unexpected(problem(400, "bad_request", "`at` has to be the number of a batch"));
    }
    question.at = at->get<std::int64_t>();
  }
  if (const auto limit = body.find("limit"); limit != body.end()) {
    if (!limit->is_number_integer() || limit->get<std::int64_t>() < 1 ||
        limit->get<std::int64_t>() > limits_.rows_max) {
      return std::unexpected(
          problem(400, "bad_request",
                  fmt::format("`limit` has to be a number from 1 to {}", limits_.rows_max)));
    }
    question.rows = limit->get<std::int64_t>();
  }
  if (!tables) {
    return std::unexpected(problem(
        409, "no_tables", "this pipeline keeps no tables that can be asked",
        "those of `serve:`, and those that rules of `alerts:` ask, are kept while it runs"));
  }
  return run_in_time(*tables, question);
}

Answer Queries::run_in_time(const ReadableTables& tables, const Question& question) {
  std::stop_source stop;
  const auto end = [stop] { (void)stop.request_stop(); };
  const std::stop_callback on_gone(tables.stop, end);
  const std::stop_callback on_end(ends_.get_token(), end);
  const auto in_time = timer_.at(Clock::now() + limits_.time_max, end);
  try {
    return run(tables, question, stop.get_token());
  } catch (const Stopped&) {
    return std::unexpected(
        tables.stop.stop_requested() || ends_.stop_requested()
            ? problem(409, "wrong_state", "the pipeline has ended meanwhile")
            : problem(400, "too_slow",
                      fmt::format("the query took longer than {}", duration_text(limits_.time_max)),
                      "ask for less: a key, a time, fewer joins"));
  } catch (const sql::SqlError& error) {
    return bad_sql(question.sql, error);
  } catch (const Error& error) {
    return std::unexpected(problem(400, "query_failed", error.what()));
  }
}

/// Of all rows that there would be; null: that can't be told.
OrderedJson Queries::count_of(const ReadableTables& tables, const Question& question,
                              const sql::ReadMoment& moment, sql::QueryRunner& runner,
                              const std::stop_token& stop) {
  try {
    const sql::ReadQuery query(
        tables.database,
        fmt::format("SELECT count(*) AS n FROM (\n{}\n) AS asked", without_end(question.sql)),
        sql::relations_of(tables.tables), {});
    auto counted = runner.run(query, {}, moment, 1, stop);
    return rows_json(counted, query.schema(), 1).at(0).at(0);
  } catch (const Stopped&) {  // what was found in time is worth more than its count
    return nullptr;
  } catch (const sql::SqlError&) {
    return nullptr;
  }
}

Answer Queries::run(const ReadableTables& tables, const Question& question,
                    const std::stop_token& stop) {
  const auto begin = Clock::now();
  sql::ReadMoment moment;
  moment.snapshot = tables.tables.snapshot();
  const auto batch = moment.snapshot.version().batch;
  if (batch < 0) {
    return std::unexpected(problem(404, "no_batch", "no batch was committed yet"));
  }
  if (question.at && *question.at != batch) {
    return std::unexpected(
        *question.at > batch ? problem(404, "batch_not_yet",
                                       fmt::format("batch {} was not committed yet", *question.at))
                             : problem(410, "batch_expired",
                                       fmt::format("the tables are those of batch {} now", batch),
                                       "their older versions are not kept; leave `at` out"));
  }
  const sql::ReadQuery query(tables.database, question.sql, sql::relations_of(tables.tables), {});
  sql::QueryRunner runner(tables.database, limits_.bytes_max);
  auto rows = runner.run(query, {}, moment, question.rows + 1, stop);
  OrderedJson json;
  json["columns"] = columns_json(query.schema());
  json["rows"] = rows_json(rows, query.schema(), question.rows);
  json["at"] = batch;
  std::int64_t scanned = 0;
  for (const auto& name : query.reads()) {
    if (const auto table = tables.tables.find(name)) {
      scanned += moment.snapshot.rows(*table);
    }
  }
  json["scanned"] = scanned;
  json["total"] = rows.rows();
  json["truncated"] = rows.rows() > question.rows;
  if (rows.rows() > question.rows) {
    json["total"] = count_of(tables, question, moment, runner, stop);
  }
  const std::chrono::duration<double, std::milli> took = Clock::now() - begin;
  json["ms"] = took.count();
  return Reply{.body = json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)};
}

Json live_tables_json(const std::shared_ptr<const ReadableTables>& tables) {
  Json out = Json::array();
  if (!tables) {
    return out;
  }
  const auto snapshot = tables->tables.snapshot();
  for (const auto& table : tables->tables.all()) {
    out.push_back({{"name", table->name()},
                   {"rows", snapshot.rows(*table)},
                   {"bytes", table->bytes()},
                   {"columns", columns_json(table->schema())},
                   {"key", key_of(*table)},
                   {"at", snapshot.version().batch},
                   {"changed_at", snapshot.changed_at(*table)}});
  }
  return out;
}

}  // namespace millrace::control
