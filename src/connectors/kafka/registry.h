// A client of schema registries that speak Confluent's REST protocol.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "connectors/kafka/registry_http.h"
#include "formats/avro/schema.h"

namespace millrace::kafka {

/// Shared by the registry's client and the decoders of all threads; never changes.
using SharedSchema = std::shared_ptr<const avro::AvroSchema>;

/// What a registry has under a number.
struct SchemaLookup {
  SharedSchema schema;  ///< null: there is none, or none of use to us
  std::string reason;   ///< why not: "the registry has no schema 7"
};

/// The newest schema of a subject.
struct SubjectSchema {
  std::uint32_t id = 0;
  std::int64_t version = 0;
  SharedSchema schema;
};

/// A schema registry. Thread-safe.
///
/// While the registry can't be reached, each function waits and tries again, until `stop` is
/// requested: then it throws Error (external, to be retried). It throws Error (user) if the
/// registry does not let us in or the URL is none of a registry, and Error (external) for an answer
/// that makes no sense.
class SchemaRegistry {
 public:
  explicit SchemaRegistry(const RegistryOptions& options);

  /// The schema that a message names, with the types it refers to. Asked once, then remembered for
  /// ever; what isn't there, or is of no use, for `unknown_for`.
  [[nodiscard]] SchemaLookup schema(std::uint32_t id, const std::stop_token& stop = {});
  /// nullopt: the subject has no schema. Asked each time. Throws Error (user) if it is of no use.
  [[nodiscard]] std::optional<SubjectSchema> latest(std::string_view subject,
                                                    const std::stop_token& stop = {});
  /// The number of an Avro schema, which the subject has from now on, if not before. Throws Error
  /// (user) if it is no schema, or not compatible with those before it.
  [[nodiscard]] std::uint32_t register_schema(std::string_view subject, std::string_view json,
                                              const std::stop_token& stop = {});
  /// Whether the subject would take an Avro schema. One without schemas takes any.
  [[nodiscard]] bool is_compatible(std::string_view subject, std::string_view json,
                                   const std::stop_token& stop = {});

 private:
  using Steady = std::chrono::steady_clock;
  struct Unknown {
    std::string reason;
    Steady::time_point until;
  };

  [[nodiscard]] std::optional<SchemaLookup> known(std::uint32_t id);
  [[nodiscard]] SchemaLookup parsed(const RegistryAnswer& answer, const std::string& what,
                                    const std::stop_token& stop);

  RegistryHttp http_;
  std::chrono::milliseconds unknown_for_;
  std::mutex lock_;  // guards what follows
  std::map<std::uint32_t, SharedSchema> known_;
  std::map<std::uint32_t, Unknown> unknown_;
};

}  // namespace millrace::kafka
