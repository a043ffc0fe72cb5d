// What a schema registry says, taken apart: bytes that somebody else wrote. No connections here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "formats/avro/plans.h"

namespace millrace::kafka {

/// Of one answer, and of all schemas that a schema belongs to.
inline constexpr std::size_t kAnswerBytesMax = std::size_t{16} << 20U;
/// Numbers of schemas are Java's int.
inline constexpr std::int64_t kIdMax = 0x7fff'ffff;

/// An answer that would not be another one if the request were repeated.
struct RegistryAnswer {
  long status = 0;
  nlohmann::json body;  ///< discarded (is_discarded) if it is no JSON, or nested too deep
  std::string url;      ///< that was asked; for messages

  /// The registry's own code of what is wrong (40403); 0: none.
  [[nodiscard]] std::int64_t error_code() const;
  /// "http://host/subjects: status 409: Schema being registered is incompatible ..."
  [[nodiscard]] std::string text() const;
};

/// What came over the wire.
[[nodiscard]] RegistryAnswer parse_answer(long status, std::string_view bytes, std::string url);

/// The newest schema of a subject.
struct SubjectSchema {
  std::uint32_t id = 0;
  std::int64_t version = 0;
  avro::SharedSchema schema;
};

/// Whether the registry says that what was asked for is not there, as opposed to a page that a web
/// server does not have.
[[nodiscard]] bool is_missing(const RegistryAnswer& answer);
/// Throws Error (user if the server is no registry, else external) for what is no success.
void expect_good(const RegistryAnswer& answer);

// Of a good answer. All throw Error (external) for one that makes no sense.

/// A number from 0 to kIdMax.
[[nodiscard]] std::int64_t number_in(const RegistryAnswer& answer, const char* name);
[[nodiscard]] bool flag_in(const RegistryAnswer& answer, const char* name);
/// Asks the registry for one thing more, by its path.
using AskRegistry = std::function<RegistryAnswer(const std::string& path)>;
/// The schema with those that it refers to, which are asked for. `what` names it for messages.
/// Throws what `ask` throws, too.
[[nodiscard]] avro::SchemaLookup schema_in(const RegistryAnswer& answer, const std::string& what,
                                           const AskRegistry& ask);

/// What a path takes: all but letters, digits and "-._~" as %XX.
[[nodiscard]] std::string escaped(std::string_view text);
/// Of a subject's schemas: "/subjects/orders-value/versions".
[[nodiscard]] std::string versions_path(std::string_view subject);

}  // namespace millrace::kafka
