#include "connectors/mysql/batch_log.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/strings.h"

namespace millrace::mysql {

namespace {

using Json = nlohmann::json;

/// A piece of the refused rows, which may be more than a statement can have.
constexpr std::size_t kPieceBytes = 512 * 1024;

constexpr const char* kCreate[] = {
    "CREATE TABLE IF NOT EXISTS millrace_batches (writer VARBINARY(512) PRIMARY KEY, checkpoint "
    "VARBINARY(128) NOT NULL, batch BIGINT NOT NULL, refused INT NOT NULL) ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS millrace_refused (writer VARBINARY(512), piece INT, refused_rows "
    "LONGBLOB NOT NULL, PRIMARY KEY (writer, piece)) ENGINE=InnoDB"};
constexpr const char* kInsertBatch =
    "INSERT INTO millrace_batches (writer, checkpoint, batch, refused) VALUES (?, ?, ?, ?) ON "
    "DUPLICATE KEY UPDATE checkpoint = VALUES(checkpoint), batch = VALUES(batch), refused = "
    "VALUES(refused)";
constexpr const char* kInsertRefused =
    "INSERT INTO millrace_refused (writer, piece, refused_rows) VALUES (?, ?, ?)";

/// Who may write them may not be allowed to make them.
bool are_there(Connection& connection) {
  return connection.query_value(
             "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND "
             "table_name IN ('millrace_batches', 'millrace_refused')") == "2";
}

}  // namespace

void BatchLog::create(Connection& connection) {
  if (!are_there(connection)) {
    for (const auto* statement : kCreate) {
      connection.execute(statement);
    }
  }
}

std::vector<std::string> BatchLog::statements(Connection& connection) {
  if (!are_there(connection)) {
    return {std::begin(kCreate), std::end(kCreate)};
  }
  return {"SELECT * FROM millrace_batches, millrace_refused", kInsertBatch, kInsertRefused,
          "DELETE FROM millrace_batches", "DELETE FROM millrace_refused"};
}

std::optional<PublishedBatch> BatchLog::find(Connection& connection,
                                             std::string_view suffix) const {
  const auto rows = connection.query(
      fmt::format("SELECT checkpoint, batch FROM millrace_batches WHERE writer = ?{}", suffix),
      {writer_});
  if (rows.empty()) {
    return std::nullopt;
  }
  return PublishedBatch{rows.front()[0].value_or(""),
                        parse_integer(rows.front()[1].value_or("")).value_or(-1)};
}

std::optional<PublishedBatch> BatchLog::last(Connection& connection) const {
  return find(connection, "");
}

std::optional<PublishedBatch> BatchLog::lock(Connection& connection) const {
  return find(connection, " FOR UPDATE");
}

std::vector<MalformedRow> BatchLog::refused(Connection& connection) const {
  std::string text;
  for (const auto& row :
       connection.query("SELECT refused_rows FROM millrace_refused WHERE writer = ? ORDER BY piece",
                        {writer_})) {
    text += row.front().value_or("");
  }
  std::vector<MalformedRow> rows;
  for (const auto& row : text.empty() ? Json::array() : Json::parse(text)) {
    rows.push_back({.origin = row.at("origin"),
                    .column = row.at("column"),
                    .raw = row.at("raw"),
                    .reason = row.at("reason")});
  }
  return rows;
}

void BatchLog::write(Connection& connection, const PublishedBatch& batch,
                     const std::vector<MalformedRow>& refused) const {
  const auto count =
      connection.query_value("SELECT refused FROM millrace_batches WHERE writer = ?", {writer_});
  if (count && *count != "0") {
    Statement(connection, "DELETE FROM millrace_refused WHERE writer = ?").execute({writer_});
  }
  Statement(connection, kInsertBatch)
      .execute({writer_, batch.checkpoint, batch.batch, static_cast<std::int64_t>(refused.size())});
  if (refused.empty()) {
    return;
  }
  auto json = Json::array();
  for (const auto& row : refused) {
    json.push_back(
        {{"origin", row.origin}, {"column", row.column}, {"raw", row.raw}, {"reason", row.reason}});
  }
  const auto text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  Statement insert(connection, kInsertRefused);
  std::int64_t piece = 0;
  for (std::size_t at = 0; at < text.size(); at += kPieceBytes) {
    insert.execute({writer_, piece++, text.substr(at, kPieceBytes)});
  }
}

void BatchLog::forget(Connection& connection) const {
  for (const auto* table : {"millrace_batches", "millrace_refused"}) {
    Statement(connection, fmt::format("DELETE FROM {} WHERE writer = ?", table)).execute({writer_});
  }
}

}  // namespace millrace::mysql
