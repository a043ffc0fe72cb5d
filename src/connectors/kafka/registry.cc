#include "connectors/kafka/registry.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"

namespace millrace::kafka {

namespace {

using avro::SchemaLookup;
using nlohmann::json;

constexpr std::size_t kUnknownMax = 10'000;  // a damaged stream may name any number

/// The body of a request that carries a schema.
std::string body_of(std::string_view schema) {
  return json{{"schema", schema}, {"schemaType", "AVRO"}}.dump(-1, ' ', false,
                                                               json::error_handler_t::replace);
}

}  // namespace

SchemaRegistry::SchemaRegistry(const RegistryOptions& options, std::stop_token stop)
    : http_(options), unknown_for_(options.unknown_for), stop_(std::move(stop)) {}

RegistryAnswer SchemaRegistry::send(const std::string& path,
                                    const std::optional<std::string>& body) {
  return http_.send(path, body, stop_);
}

SchemaLookup SchemaRegistry::find(std::uint32_t id) {
  if (id > kIdMax) {
    return {.schema = nullptr, .reason = fmt::format("no schema can have the number {}", id)};
  }
  if (auto found = known(id)) {
    return *std::move(found);
  }
  const RegistryAnswer answer = send(fmt::format("/schemas/ids/{}", id));
  SchemaLookup lookup;
  if (is_missing(answer)) {
    lookup.reason = fmt::format("the registry has no schema {}", id);
  } else {
    expect_good(answer);
    lookup = schema_in(answer, fmt::format("schema {}", id), asker());
  }
  const std::lock_guard guard(lock_);
  if (lookup.schema) {
    // Another thread may have asked, too; its schema is as good.
    lookup.schema = known_.emplace(id, lookup.schema).first->second;
    unknown_.erase(id);
  } else {
    if (unknown_.size() >= kUnknownMax) {
      unknown_.clear();
    }
    unknown_[id] = {.reason = lookup.reason, .until = Steady::now() + unknown_for_};
  }
  return lookup;
}

std::optional<SchemaLookup> SchemaRegistry::known(std::uint32_t id) {
  const std::lock_guard guard(lock_);
  if (const auto found = known_.find(id); found != known_.end()) {
    return SchemaLookup{.schema = found->second, .reason = ""};
  }
  if (const auto found = unknown_.find(id);
      found != unknown_.end() && Steady::now() < found->second.until) {
    return SchemaLookup{.schema = nullptr, .reason = found->second.reason};
  }
  return std::nullopt;
}

AskRegistry SchemaRegistry::asker() {
  return [this](const std::string& path) { return send(path); };
}

std::optional<SubjectSchema> SchemaRegistry::latest(std::string_view subject) {
  const RegistryAnswer answer = send(versions_path(subject) + "/latest");
  if (is_missing(answer)) {
    return std::nullopt;
  }
  expect_good(answer);
  SchemaLookup lookup =
      schema_in(answer, fmt::format("the latest schema of `{}`", subject), asker());
  if (!lookup.schema) {
    throw Error(Blame::user, fmt::format("{}: {}", answer.url, lookup.reason));
  }
  return SubjectSchema{.id = static_cast<std::uint32_t>(number_in(answer, "id")),
                       .version = number_in(answer, "version"),
                       .schema = std::move(lookup.schema)};
}

std::uint32_t SchemaRegistry::register_schema(std::string_view subject, std::string_view json) {
  const RegistryAnswer answer = send(versions_path(subject), body_of(json));
  if (answer.status == 409) {
    throw Error(Blame::user, fmt::format("{}; change the schema, the subject, or which changes the "
                                         "registry lets it make",
                                         answer.text()));
  }
  if (answer.status == 422) {
    throw Error(Blame::user, answer.text());
  }
  expect_good(answer);
  return static_cast<std::uint32_t>(number_in(answer, "id"));
}

bool SchemaRegistry::is_compatible(std::string_view subject, std::string_view json) {
  const RegistryAnswer answer =
      send(fmt::format("/compatibility{}/latest", versions_path(subject)), body_of(json));
  if (is_missing(answer)) {
    return true;
  }
  if (answer.status == 422) {
    throw Error(Blame::user, answer.text());
  }
  expect_good(answer);
  return flag_in(answer, "is_compatible");
}

}  // namespace millrace::kafka
