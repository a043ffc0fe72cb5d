// What a pipeline file says of MySQL or MariaDB: a server, a table to read, a table to write.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/options.h"
#include "core/connector.h"
#include "formats/schema_change.h"

namespace millrace::mysql {

/// A server, and who we are there.
struct ConnectionOptions {
  std::string host = "localhost";
  int port = 3306;
  std::string socket;
  std::string user;
  Secret password;
  std::string database;
  std::optional<bool> tls;  ///< none: unless the server is on this machine
  std::string tls_ca;
  std::string tls_certificate;
  std::string tls_key;
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds read_timeout{60'000};

  static const OptionTable<ConnectionOptions>& table();
  [[nodiscard]] bool uses_tls() const;
  /// "shop on db.example.com:3306", for messages.
  [[nodiscard]] std::string text() const;
};

/// What becomes of a date that has a part which is 0.
enum class ZeroDates : std::uint8_t { null, malformed };

/// Whether a source of changes begins with the rows that are there.
enum class SnapshotMode : std::uint8_t {
  initial,      ///< without a checkpoint
  when_needed,  ///< that, and when the binlog does not go back far enough
  never,
};

struct SourceOptions {
  std::string table;
  std::string query;
  std::string schema;
  std::vector<std::string> incremental;
  std::chrono::milliseconds lag{0};
  std::chrono::milliseconds gap_timeout{60'000};
  std::int64_t max_rows_per_trigger = 1'000'000;
  std::int64_t rows_per_range = 10'000;
  int max_connections = 4;
  std::chrono::milliseconds poll_interval{500};
  ZeroDates zero_dates = ZeroDates::null;
  OnMalformed on_malformed = OnMalformed::quarantine;
  std::string offset_table;
  std::string offset_source;
  bool starts_at_stored = false;
  bool cdc = false;
  SnapshotMode snapshot = SnapshotMode::initial;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::optional<formats::OnSchemaChange> on_schema_change;
  std::optional<std::int64_t> server_id;
  Bytes buffer{32LL << 20};

  static const OptionTable<SourceOptions>& options();
};

struct SinkOptions {
  std::string table;
  bool create_table = true;
  std::int64_t rows_per_statement = 512;
  OnRefused on_refused = OnRefused::quarantine;

  static const OptionTable<SinkOptions>& options();
};

/// Reports what the options of a connection or a source contradict.
[[nodiscard]] bool check_connection(const ConnectionOptions& connection, const Location& at,
                                    Diagnostics& diagnostics, std::string_view what);
[[nodiscard]] bool check_source(const SourceOptions& options, bool as_table, const Location& at,
                                Diagnostics& diagnostics, std::string_view what);

}  // namespace millrace::mysql

namespace millrace {

template <>
struct EnumNames<mysql::ZeroDates> {
  static constexpr EnumWord<mysql::ZeroDates> kWords[] = {
      {mysql::ZeroDates::null, "null"}, {mysql::ZeroDates::malformed, "malformed"}};
};

template <>
struct EnumNames<mysql::SnapshotMode> {
  using M = mysql::SnapshotMode;
  static constexpr EnumWord<M> kWords[] = {
      {M::initial, "initial"}, {M::when_needed, "when_needed"}, {M::never, "never"}};
};

}  // namespace millrace
