// A connection to a server, and prepared statements on it.
//
// Rows come in the binary protocol, so that numbers and times are exact and need no parsing:
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html
#pragma once

#include <mariadb/mysql.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "connectors/mysql/options.h"

namespace millrace::mysql {

/// What a server says is wrong. Its `code` is the server's or, from 2000 on, the library's.
class ServerError : public Error {
 public:
  ServerError(std::string_view doing, unsigned code, std::string_view state, std::string_view text);

  [[nodiscard]] unsigned code() const noexcept { return code_; }
  /// Whether a row of the statement is at fault: a duplicate key, a value out of range, ...
  [[nodiscard]] bool is_of_row() const noexcept { return is_of_row_; }
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

 private:
  unsigned code_;
  bool is_of_row_;
  std::string reason_;
};

/// A value of a parameter.
using Value = std::variant<std::monostate, std::int64_t, std::uint64_t, std::string>;
/// Rows of a small result, as text.
using TextRows = std::vector<std::vector<std::optional<std::string>>>;

class Statement;

/// One connection: UTF-8, times in UTC, strict about values. Used by one thread. All calls throw
/// ServerError, with Retry::yes if the server may be there, or free, later; and Stopped if they
/// have waited for the server for more than a second since a stop was requested.
class Connection {
 public:
  explicit Connection(const ConnectionOptions& options, std::stop_token stop = {});

  /// Runs a statement that gives no rows. `sql` is made of nothing from outside but quoted names.
  void execute(const std::string& sql);
  /// All rows of a statement that gives few.
  [[nodiscard]] TextRows query(const std::string& sql, const std::vector<Value>& parameters = {});
  /// The same of a statement that can't be prepared, as some of SHOW.
  [[nodiscard]] TextRows query_unprepared(const std::string& sql);
  /// The first value of the first row; nullopt: NULL, or no row.
  [[nodiscard]] std::optional<std::string> query_value(const std::string& sql,
                                                       const std::vector<Value>& parameters = {});

  /// A statement that stays prepared for who asks for the same next: the last few do. Its result
  /// has to be read to the end.
  [[nodiscard]] Statement& prepared(const std::string& sql);

  [[nodiscard]] MYSQL* handle() const noexcept { return handle_.get(); }
  [[nodiscard]] bool is_mariadb() const noexcept;
  [[nodiscard]] const std::stop_token& stop() const noexcept { return stop_; }
  /// Throws what is wrong with the last call of the library.
  [[noreturn]] void fail(std::string_view doing) const;
  /// Does something with calls of the library's own that wait for the server.
  void wait_for(const std::function<void()>& calls) const;

 private:
  struct Close {
    void operator()(MYSQL* handle) const noexcept { mysql_close(handle); }
  };
  std::stop_token stop_;
  std::unique_ptr<MYSQL, Close> handle_;
  std::vector<std::pair<std::string, std::unique_ptr<Statement>>> prepared_;  // the last one last
};

/// A value of a row: its bytes in the binary protocol, less the length before a text.
struct Cell {
  const unsigned char* data = nullptr;  ///< nullptr: NULL
  std::size_t size = 0;

  [[nodiscard]] std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(data), size};
  }
};

struct FreeResult {
  void operator()(MYSQL_RES* result) const noexcept { mysql_free_result(result); }
};

/// A prepared statement. Its connection must outlive it, and has one result under way at a time.
class Statement {
 public:
  Statement(Connection& connection, const std::string& sql);

  /// What a result has; empty: there is none.
  [[nodiscard]] std::span<const MYSQL_FIELD> fields() const noexcept { return fields_; }
  void execute(const std::vector<Value>& parameters = {});
  /// The same, of parameters that are bound in place.
  void execute(std::span<MYSQL_BIND> parameters);
  /// The next row, valid until the next call; empty: there are no more.
  [[nodiscard]] std::span<const Cell> fetch();

 private:
  struct Close {
    void operator()(MYSQL_STMT* statement) const noexcept { mysql_stmt_close(statement); }
  };
  static void on_value(void* statement, unsigned column, unsigned char** row);
  void take(unsigned column, unsigned char** row);
  [[noreturn]] void fail(std::string_view doing) const;

  const Connection& connection_;
  std::unique_ptr<MYSQL_STMT, Close> statement_;
  std::unique_ptr<MYSQL_RES, FreeResult> metadata_;
  std::span<const MYSQL_FIELD> fields_;
  std::vector<Cell> cells_;
  bool is_cut_ = false;  ///< a row ended before its values did
};

/// "`order`": a name as SQL takes it.
[[nodiscard]] std::string quote(std::string_view name);

}  // namespace millrace::mysql
