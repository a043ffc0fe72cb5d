// What a pipeline file says of Cassandra: a cluster, a table to read, a table to write.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/options.h"
#include "connectors/cassandra/protocol/session.h"
#include "core/connector.h"
#include "core/malformed.h"

namespace millrace::cassandra {

enum class Profile : std::uint8_t { cassandra, keyspaces };
enum class Compression : std::uint8_t { none, lz4 };

/// A cluster, and who we are there. What is not given is settled by settle_connection().
struct ConnectionOptions {
  std::vector<std::string> contact_points;
  Profile profile = Profile::cassandra;
  std::optional<std::int64_t> port;
  std::string local_datacenter;
  std::string username;
  Secret password;
  std::optional<bool> tls;
  std::string tls_ca;
  std::string tls_certificate;
  std::string tls_key;
  Secret tls_key_password;
  std::string tls_server_name;
  std::optional<std::int64_t> protocol_version;
  Compression compression = Compression::none;
  std::optional<std::int64_t> connections_per_host;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds request_timeout{20'000};
  std::optional<std::chrono::milliseconds> retry_timeout;
  std::int64_t max_in_flight = 512;
  std::optional<double> max_requests_per_second;

  std::vector<Endpoint> endpoints;  ///< contact_points, read

  static const OptionTable<ConnectionOptions>& table();
  [[nodiscard]] bool is_keyspaces() const noexcept { return profile == Profile::keyspaces; }
};

/// Checks what stands together, and sets what the profile says. Paths are relative to `folder`.
[[nodiscard]] bool settle_connection(ConnectionOptions& options, const std::string& folder,
                                     const Location& at, Diagnostics& diagnostics,
                                     const std::string& what);

/// A cluster that was found, with what its connections need.
class Cluster {
 public:
  /// Throws Error, mostly with Retry::yes. `who`: the source or sink, for the log.
  Cluster(const ConnectionOptions& options, const std::string& who, const std::stop_token& stop);
  [[nodiscard]] Session& session() noexcept { return *session_; }

 private:
  std::unique_ptr<TlsContext> tls_;
  std::unique_ptr<Session> session_;
};

struct SourceOptions {
  std::string keyspace;
  std::string table;
  std::vector<std::string> columns;
  std::vector<std::pair<std::string, std::string>> partition_key;
  std::map<std::string, std::string> types;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::optional<Consistency> consistency;
  std::int64_t page_rows = 5'000;
  std::int64_t ranges = 64;
  std::int64_t parallelism = 8;
  OnMalformed on_malformed = OnMalformed::quarantine;

  static const OptionTable<SourceOptions>& options();
};

enum class Timestamps : std::uint8_t { batch, server };
enum class NullValues : std::uint8_t { remove, keep };

struct SinkOptions {
  std::string keyspace;
  std::string table;
  std::optional<Consistency> consistency;
  std::optional<std::chrono::milliseconds> ttl;
  Timestamps timestamps = Timestamps::batch;
  NullValues null_values = NullValues::remove;
  std::optional<std::int64_t> max_batch_statements;
  bool create_table = false;
  std::vector<std::string> partition_key;
  std::vector<std::string> clustering_key;
  std::map<std::string, std::string> column_types;
  std::string table_options;
  bool read_back = false;
  OnRefused on_refused = OnRefused::quarantine;
  std::optional<Bytes> max_row_bytes;
  Bytes buffer{64LL << 20};

  static const OptionTable<SinkOptions>& options();
};

}  // namespace millrace::cassandra

namespace millrace {

template <>
struct EnumNames<cassandra::Profile> {
  static constexpr EnumWord<cassandra::Profile> kWords[] = {
      {cassandra::Profile::cassandra, "cassandra"}, {cassandra::Profile::keyspaces, "keyspaces"}};
};

template <>
struct EnumNames<cassandra::Compression> {
  static constexpr EnumWord<cassandra::Compression> kWords[] = {
      {cassandra::Compression::none, "none"}, {cassandra::Compression::lz4, "lz4"}};
};

template <>
struct EnumNames<cassandra::Consistency> {
  using C = cassandra::Consistency;
  static constexpr EnumWord<C> kWords[] = {{C::any, "ANY"},
                                           {C::one, "ONE"},
                                           {C::two, "TWO"},
                                           {C::three, "THREE"},
                                           {C::quorum, "QUORUM"},
                                           {C::all, "ALL"},
                                           {C::local_quorum, "LOCAL_QUORUM"},
                                           {C::each_quorum, "EACH_QUORUM"},
                                           {C::local_one, "LOCAL_ONE"}};
};

template <>
struct EnumNames<cassandra::Timestamps> {
  static constexpr EnumWord<cassandra::Timestamps> kWords[] = {
      {cassandra::Timestamps::batch, "batch"}, {cassandra::Timestamps::server, "server"}};
};

template <>
struct EnumNames<cassandra::NullValues> {
  static constexpr EnumWord<cassandra::NullValues> kWords[] = {
      {cassandra::NullValues::remove, "remove"}, {cassandra::NullValues::keep, "keep"}};
};

}  // namespace millrace
