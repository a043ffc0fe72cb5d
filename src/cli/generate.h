// What `millrace generate` is asked for, and the places that it writes to.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "connectors/generator/messages.h"
#include "connectors/generator/tables.h"

namespace millrace::cli {

enum class GenerateFormat : std::uint8_t { automatic, csv, json, avro };

struct GenerateOptions {
  std::string kind;
  GenerateFormat format = GenerateFormat::automatic;
  std::int64_t rows = 500;     ///< of messages: 0 is without an end
  std::int64_t first = 0;      ///< the number of the first message
  std::optional<double> rate;  ///< in a second
  std::optional<double> event_rate;
  std::string schema_out;
  double invalid = 0.02;
  MessageOptions messages;

  // To files.
  std::string out;
  std::int64_t files = 5;
  bool append = false;
  bool force = false;

  // To a topic.
  std::vector<std::string> brokers;
  std::vector<std::string> connection;  ///< NAME=VALUE: options of a connection
  std::string registry;                 ///< its URL: records are framed; empty: there is none
  std::string topic;
  std::optional<int> partitions;

  // To a database.
  std::string mysql;                       ///< HOST:PORT
  std::vector<std::string> mysql_options;  ///< NAME=VALUE: options of a connection
};

/// Rows at a rate, or as fast as they are made; on a terminal it shows how far it is.
class Pace {
 public:
  explicit Pace(const GenerateOptions& options);

  /// Waits until it is time for the row with this number, from 0; false: a stop was requested.
  [[nodiscard]] bool wait(std::int64_t row, const std::stop_token& stop);
  void show(std::int64_t rows);
  /// "500 rows WHERE in 1.2 s, 400 rows/s", once at the end.
  void say_end(std::int64_t rows, const std::string& noun, const std::string& where);

 private:
  using Steady = std::chrono::steady_clock;

  std::int64_t total_;
  std::optional<double> rate_;
  bool live_;
  Steady::time_point start_ = Steady::now();
  Steady::time_point next_show_ = start_;
};

/// How many messages were made, and with which flaws.
struct MessageCounts {
  std::int64_t all = 0;
  std::int64_t malformed = 0;
  std::int64_t late = 0;
  std::int64_t duplicates = 0;

  void add(const Message& message);
  /// ": 10 malformed, 5 late, 20 duplicates; to go on, --first 500"
  [[nodiscard]] std::string text(std::int64_t first) const;
};

/// The kind of messages that is asked for, and their format. nullptr: something else is.
[[nodiscard]] const MessageKind* kind_of(const GenerateOptions& options);
[[nodiscard]] formats::Kind format_of(const GenerateOptions& options, const MessageKind& kind);

/// Throw Error. A stop ends them early, with all that was made in place.
void generate_files(const GenerateOptions& options, const std::stop_token& stop);
void generate_topic(const GenerateOptions& options, const std::stop_token& stop);
/// Tables, into a database or files, a folder a table.
void generate_tables(const GenerateOptions& options, const std::stop_token& stop);

// What writers of files have in common.

/// "orders-000007.json"
[[nodiscard]] std::string file_name(std::string_view name, std::int64_t number,
                                    std::string_view extension);
/// The number of the first file to write: 0, or after the last that is there. Removes what is there
/// if that is asked for, and throws Error (user) if nothing is said of it.
[[nodiscard]] std::int64_t first_file(const std::string& folder, std::string_view name,
                                      const GenerateOptions& options);
/// Who watches the folder never sees a part of a file.
void write_hidden_first(const std::string& path, const std::function<void(AppendFile&)>& write);

/// Where tables go, one growing piece after the other.
class TableOutput {
 public:
  virtual ~TableOutput() = default;
  /// How many rows a table has already, which is the number to go on with.
  virtual std::int64_t rows_of(const TableKind& table) = 0;
  /// Rows of the piece; several times for each table, parents before children.
  virtual void write(const TableKind& table, const Chunk& rows) = 0;
  /// The piece is complete, and can be seen.
  virtual void commit() = 0;
  /// "in shop on localhost:3306"
  [[nodiscard]] virtual std::string where() const = 0;
};
[[nodiscard]] std::unique_ptr<TableOutput> tables_in_files(const GenerateOptions& options,
                                                           const DatabaseKind& kind);
/// Makes the tables that are not there.
[[nodiscard]] std::unique_ptr<TableOutput> tables_in_mysql(const GenerateOptions& options,
                                                           const DatabaseKind& kind,
                                                           const std::stop_token& stop);

}  // namespace millrace::cli
