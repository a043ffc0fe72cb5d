// The bodies of requests and answers (native_protocol_v4.spec and v5, section 4).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "connectors/cassandra/protocol/cql_type.h"
#include "connectors/cassandra/protocol/frame.h"

namespace millrace::cassandra {

enum class Consistency : std::uint16_t {
  any = 0x00,
  one = 0x01,
  two = 0x02,
  three = 0x03,
  quorum = 0x04,
  all = 0x05,
  local_quorum = 0x06,
  each_quorum = 0x07,
  local_one = 0x0A,
};
[[nodiscard]] std::string_view name_of(Consistency consistency) noexcept;

/// A column of a statement's values or of its rows.
struct ColumnSpec {
  std::string name;
  CqlType type;
};

/// A prepared statement.
struct Prepared {
  std::string text;
  std::string id;
  std::string result_id;  ///< v5
  std::vector<ColumnSpec> values;
  std::vector<std::uint16_t> partition_key;  ///< which of the values are it, in its order
  std::vector<ColumnSpec> columns;           ///< of its rows
};

/// How a statement is run.
struct QueryOptions {
  Consistency consistency = Consistency::local_quorum;
  std::int32_t page_rows = 0;  ///< 0: all rows at once
  std::string_view paging_state;
};

[[nodiscard]] std::string startup_body(bool lz4);
[[nodiscard]] std::string prepare_body(int version, std::string_view text);
/// `values`: those of the statement, encoded with their lengths, one after the other.
[[nodiscard]] std::string query_body(int version, std::string_view text, const QueryOptions& how);
[[nodiscard]] std::string execute_body(int version, const Prepared& statement,
                                       std::string_view values, const QueryOptions& how);
/// One statement of an unlogged batch.
void add_to_batch(const Prepared& statement, std::string_view values, std::string& statements);
[[nodiscard]] std::string batch_body(int version, std::uint16_t count, std::string_view statements,
                                     Consistency consistency);

/// What an ERROR says.
struct ServerError {
  enum class Code : std::int32_t {
    server = 0x0000,
    protocol = 0x000A,
    credentials = 0x0100,
    unavailable = 0x1000,
    overloaded = 0x1001,
    bootstrapping = 0x1002,
    truncate = 0x1003,
    write_timeout = 0x1100,
    read_timeout = 0x1200,
    read_failure = 0x1300,
    function_failure = 0x1400,
    write_failure = 0x1500,
    syntax = 0x2000,
    unauthorized = 0x2100,
    invalid = 0x2200,
    config = 0x2300,
    already_exists = 0x2400,
    unprepared = 0x2500,
  };
  Code code = Code::server;
  std::string message;

  /// Whether the same request may succeed later. Perhaps: a few attempts tell.
  enum class Passing : std::uint8_t { no, perhaps, yes };
  [[nodiscard]] Passing passing() const noexcept;
  /// "write timeout: Operation timed out - received only 0 responses."
  [[nodiscard]] std::string text() const;
};
[[nodiscard]] ServerError read_error(std::string_view body);

/// Rows of an answer: where they are in its body.
struct Rows {
  std::vector<ColumnSpec> columns;
  std::string paging_state;  ///< empty: there are no more
  std::size_t count = 0;
  std::size_t begin = 0;  ///< of the first value in the body
};

/// nullopt: the result is something else.
[[nodiscard]] std::optional<Rows> read_rows(std::string_view body);
[[nodiscard]] Prepared read_prepared(int version, std::string_view body, std::string text);
/// What the server can do, by names: "COMPRESSION" -> lz4, snappy.
[[nodiscard]] std::map<std::string, std::vector<std::string>> read_supported(std::string_view body);

}  // namespace millrace::cassandra
