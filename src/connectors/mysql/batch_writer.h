// The rows of a batch as statements of one transaction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "connectors/mysql/connection.h"
#include "connectors/mysql/options.h"
#include "connectors/mysql/values.h"
#include "core/sink.h"
#include "formats/refused_rows.h"

namespace millrace::mysql {

/// What all batches of a sink have in common.
struct WritePlan {
  WritePlan(const std::string& table_name, const SinkStart& start, std::int64_t rows_per_statement);

  std::string table;
  OutputMode mode;
  std::vector<std::size_t> columns;  ///< that are written, among those of the rows
  std::vector<std::string> names;    ///< of these
  std::vector<ColumnEncoder> encoders;
  std::vector<std::size_t> key;  ///< places in `columns`
  int delete_column = -1;        ///< among the columns of the rows
  std::size_t rows_per_statement;

  /// INSERT of so many rows, that updates by key if the mode says so.
  [[nodiscard]] std::string insert_sql(std::size_t rows) const;
  /// DELETE of so many keys.
  [[nodiscard]] std::string delete_sql(std::size_t rows) const;
};

/// Writes rows within a transaction that somebody else begins and ends. A row that the server, or
/// the table's types, can't take is refused, and the others of its statement are written. Used by
/// one thread.
class BatchWriter {
 public:
  /// All outlive it.
  BatchWriter(const WritePlan& plan, Connection& connection, formats::RefusedRows& refused);

  void write(const Chunk& chunk);
  [[nodiscard]] std::int64_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::int64_t bytes() const noexcept { return bytes_; }

 private:
  enum class Kind : std::uint8_t { insert, remove };

  /// Rows that become one statement.
  struct Group {
    Kind kind = Kind::insert;
    std::vector<std::size_t> rows;  ///< of the chunk
    std::vector<MYSQL_BIND> binds;  ///< of all of them
    std::size_t bytes = 0;
  };

  void add(const Chunk& chunk, std::size_t row, Group& group);
  /// False, and the row is refused: a value is none of its column's.
  bool bind(const Chunk& chunk, std::size_t row, Group& group);
  void flush(const Chunk& chunk, Group& group);
  /// A part of a group: halves it until the rows at fault are alone.
  void run(const Chunk& chunk, const Group& group, std::size_t first, std::size_t count);
  Statement& statement(Kind kind, std::size_t rows);
  [[nodiscard]] std::size_t width(Kind kind) const {
    return kind == Kind::insert ? plan_.columns.size() : plan_.key.size();
  }

  const WritePlan& plan_;
  Connection& connection_;
  formats::RefusedRows& refused_;
  std::size_t max_bytes_;
  std::vector<std::unique_ptr<ValueRoom>> room_;
  std::map<std::pair<Kind, std::size_t>, Statement> statements_;
  std::int64_t rows_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace millrace::mysql
