// A client of schema registries that speak Confluent's REST protocol.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "connectors/kafka/registry_answers.h"
#include "connectors/kafka/registry_http.h"
#include "formats/avro/plans.h"

namespace millrace::kafka {

/// A schema registry. Thread-safe.
///
/// While the registry can't be reached, each function waits and tries again, until a stop is
/// requested: then it throws Stopped. It throws Error (user) if the
/// registry does not let us in or the URL is none of a registry, and Error (external) for an answer
/// that makes no sense.
class SchemaRegistry final : public avro::NumberedSchemas {
 public:
  explicit SchemaRegistry(const RegistryOptions& options, std::stop_token stop = {});

  /// The schema that a message names, with the types it refers to. Asked once, then remembered for
  /// ever; what isn't there, or is of no use, for `unknown_for`.
  [[nodiscard]] avro::SchemaLookup find(std::uint32_t id) override;
  /// nullopt: the subject has no schema. Asked each time. Throws Error (user) if it is of no use.
  [[nodiscard]] std::optional<SubjectSchema> latest(std::string_view subject);
  /// The number of an Avro schema, which the subject has from now on, if not before. Throws Error
  /// (user) if it is no schema, or not compatible with those before it.
  [[nodiscard]] std::uint32_t register_schema(std::string_view subject, std::string_view json);
  /// Whether the subject would take an Avro schema. One without schemas takes any.
  [[nodiscard]] bool is_compatible(std::string_view subject, std::string_view json);

 private:
  using Steady = std::chrono::steady_clock;
  struct Unknown {
    std::string reason;
    Steady::time_point until;
  };

  [[nodiscard]] std::optional<avro::SchemaLookup> known(std::uint32_t id);
  [[nodiscard]] RegistryAnswer send(const std::string& path,
                                    const std::optional<std::string>& body = std::nullopt);
  [[nodiscard]] AskRegistry asker();

  RegistryHttp http_;
  std::chrono::milliseconds unknown_for_;
  std::stop_token stop_;
  std::mutex lock_;  // guards what follows
  std::map<std::uint32_t, avro::SharedSchema> known_;
  std::map<std::uint32_t, Unknown> unknown_;
};

}  // namespace millrace::kafka
