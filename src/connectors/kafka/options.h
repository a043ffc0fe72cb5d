// What a pipeline file says of Kafka: a cluster, a topic to read, a topic to write.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/options.h"
#include "connectors/kafka/offsets.h"
#include "connectors/kafka/registry_http.h"
#include "formats/record_format.h"

namespace millrace::kafka {

enum class SaslMechanism : std::uint8_t { plain, scram_sha_256, scram_sha_512, oauthbearer };

/// A cluster, and who we are there.
struct ConnectionOptions {
  std::vector<std::string> brokers;
  bool tls = false;
  std::string tls_ca;
  std::string tls_certificate;
  std::string tls_key;
  Secret tls_key_password;
  std::optional<SaslMechanism> sasl_mechanism;
  std::string sasl_username;
  Secret sasl_password;
  std::map<std::string, std::string> librdkafka;
  RegistryOptions registry;  ///< without URLs: there is none

  static const OptionTable<ConnectionOptions>& table();
};

enum class OnDataLoss : std::uint8_t { fail, proceed };

/// Where to begin with partitions that the checkpoint does not know.
struct StartingOffsets {
  std::int64_t time_ms = -2;  ///< or Consumer::kEarliest, the default, or kLatest
  Offsets exact;              ///< of single partitions: offsets, or kEarliest, or kLatest
};

struct SourceOptions {
  std::vector<std::string> topic;
  std::string topic_pattern;
  Node starting_offsets;
  StartingOffsets start;  ///< starting_offsets, read
  std::string group_id;
  std::int64_t max_offsets_per_trigger = 1'000'000;
  Bytes max_bytes_per_trigger{12LL << 20};
  std::int64_t min_offsets_per_trigger = 0;
  std::chrono::milliseconds max_trigger_delay{15 * 60'000};
  OnDataLoss on_data_loss = OnDataLoss::fail;
  std::chrono::milliseconds discovery_interval{30'000};
  Bytes buffer{16LL << 20};
  std::vector<std::pair<std::string, std::string>> metadata;
  bool read_uncommitted = false;
  formats::DecodingOptions records;
  formats::DecodingOptions key;  ///< of the keys; only what has options of its own

  static const OptionTable<SourceOptions>& table();
};

enum class Guarantee : std::uint8_t { exactly_once, at_least_once };
enum class Compression : std::uint8_t { none, gzip, snappy, lz4, zstd };

struct SinkOptions {
  std::string topic;
  formats::EncodingOptions records;
  std::string key_column = "key";  ///< of raw keys
  formats::EncodingOptions key;    ///< of the keys; only what has options of its own
  std::vector<std::string> key_columns;
  bool key_only = false;
  Compression compression = Compression::lz4;
  Guarantee guarantee = Guarantee::exactly_once;
  bool create_topic = false;
  std::optional<std::int64_t> partitions;
  std::optional<std::int64_t> replication_factor;
  std::map<std::string, std::string> topic_config;

  static const OptionTable<SinkOptions>& table();
};

/// Reads `starting_offsets` into `start`; reports what is wrong with it.
[[nodiscard]] bool read_starting_offsets(SourceOptions& options, Diagnostics& diagnostics,
                                         std::string_view what);

}  // namespace millrace::kafka

namespace millrace {

template <>
struct EnumNames<kafka::Guarantee> {
  static constexpr EnumWord<kafka::Guarantee> kWords[] = {
      {kafka::Guarantee::exactly_once, "exactly_once"},
      {kafka::Guarantee::at_least_once, "at_least_once"}};
};

template <>
struct EnumNames<kafka::Compression> {
  using C = kafka::Compression;
  static constexpr EnumWord<C> kWords[] = {{C::none, "none"},
                                           {C::gzip, "gzip"},
                                           {C::snappy, "snappy"},
                                           {C::lz4, "lz4"},
                                           {C::zstd, "zstd"}};
};

template <>
struct EnumNames<kafka::SaslMechanism> {
  static constexpr EnumWord<kafka::SaslMechanism> kWords[] = {
      {kafka::SaslMechanism::plain, "PLAIN"},
      {kafka::SaslMechanism::scram_sha_256, "SCRAM-SHA-256"},
      {kafka::SaslMechanism::scram_sha_512, "SCRAM-SHA-512"},
      {kafka::SaslMechanism::oauthbearer, "OAUTHBEARER"}};
};

template <>
struct EnumNames<kafka::OnDataLoss> {
  static constexpr EnumWord<kafka::OnDataLoss> kWords[] = {
      {kafka::OnDataLoss::fail, "fail"}, {kafka::OnDataLoss::proceed, "continue"}};
};

}  // namespace millrace
