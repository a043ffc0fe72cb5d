#include "connectors/kafka/registry.h"

#include <fmt/format.h>

#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "connectors/kafka/registry_references.h"

namespace millrace::kafka {

namespace {

using nlohmann::json;

constexpr std::size_t kReferencesMax = 256;
constexpr std::size_t kUnknownMax = 10'000;  // a damaged stream may name any number
// Numbers of schemas are Java's int.
constexpr std::int64_t kIdMax = 0x7fff'ffff;

[[noreturn]] void refuse(const RegistryAnswer& answer, std::string_view expected) {
  throw Error(Blame::external,
              fmt::format("{}; expected {} from a schema registry", answer.text(), expected));
}

/// What the registry says is not there, as opposed to a page that a web server does not have.
bool is_missing(const RegistryAnswer& answer) {
  return answer.status == 404 && answer.error_code() >= 40400 && answer.error_code() < 40500;
}

void expect_good(const RegistryAnswer& answer) {
  if (answer.status == 404 && !is_missing(answer)) {
    throw Error(Blame::user, answer.text() + "; is this the URL of a schema registry?");
  }
  if (answer.status < 200 || answer.status > 299) {
    refuse(answer, "status 200");
  }
  if (!answer.body.is_object()) {
    refuse(answer, "a JSON object");
  }
}

const json& member(const RegistryAnswer& answer, const json& of, const char* name) {
  const auto found = of.is_object() ? of.find(name) : of.end();
  if (found == of.end()) {
    refuse(answer, fmt::format("`{}`", name));
  }
  return *found;
}

const std::string& text_of(const RegistryAnswer& answer, const json& of, const char* name) {
  const json& value = member(answer, of, name);
  if (!value.is_string()) {
    refuse(answer, fmt::format("a text as `{}`", name));
  }
  return value.get_ref<const std::string&>();
}

std::int64_t count_of(const RegistryAnswer& answer, const json& of, const char* name) {
  const json& value = member(answer, of, name);
  // All that is not negative was read as unsigned.
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kIdMax) {
    refuse(answer, fmt::format("a number from 0 to {} as `{}`", kIdMax, name));
  }
  return value.get<std::int64_t>();
}

/// The body of a request that carries a schema.
std::string body_of(std::string_view schema) {
  return json{{"schema", schema}, {"schemaType", "AVRO"}}.dump(-1, ' ', false,
                                                               json::error_handler_t::replace);
}

std::string versions_path(std::string_view subject) {
  return fmt::format("/subjects/{}/versions", escaped(subject));
}

/// Fetches the schemas that a schema refers to, and those that they refer to.
class References {
 public:
  References(RegistryHttp& http, const std::stop_token& stop) : http_(http), stop_(stop) {}

  /// What is of no use in the answer, or in one that it refers to; empty: nothing.
  [[nodiscard]] std::string follow(const RegistryAnswer& answer, const std::string& what) {
    const auto type = answer.body.find("schemaType");
    if (type != answer.body.end() && *type != "AVRO") {
      // In ASCII, so that it may be cut anywhere.
      return fmt::format("{} is of type {:.40}, not AVRO", what,
                         type->dump(-1, ' ', /*ensure_ascii=*/true));
    }
    bytes_ += text_of(answer, answer.body, "schema").size();
    if (seen_.size() > kReferencesMax || bytes_ > RegistryHttp::kAnswerBytesMax) {
      return fmt::format("{} belongs to more than {} schemas, or too large ones", what,
                         kReferencesMax);
    }
    const auto references = answer.body.find("references");
    if (references == answer.body.end() || references->is_null()) {
      return "";
    }
    for (const json& reference : *references) {
      std::string trouble =
          fetch(text_of(answer, reference, "subject"), count_of(answer, reference, "version"));
      if (!trouble.empty()) {
        return trouble;
      }
    }
    return "";
  }

  /// Each behind those that it refers to.
  [[nodiscard]] const std::vector<ReferencedSchema>& all() const noexcept { return all_; }

 private:
  std::string fetch(const std::string& subject, std::int64_t version) {
    if (!seen_.emplace(subject, version).second) {
      return "";
    }
    const std::string what = fmt::format("`{}` version {}", subject, version);
    const RegistryAnswer answer =
        http_.send(fmt::format("{}/{}", versions_path(subject), version), std::nullopt, stop_);
    if (is_missing(answer)) {
      return fmt::format("the registry has no {}, to which a schema refers", what);
    }
    expect_good(answer);
    std::string trouble = follow(answer, what);
    all_.push_back({.name = what, .json = text_of(answer, answer.body, "schema")});
    return trouble;
  }

  RegistryHttp& http_;
  const std::stop_token& stop_;
  std::set<std::pair<std::string, std::int64_t>> seen_;
  std::vector<ReferencedSchema> all_;
  std::size_t bytes_ = 0;
};

}  // namespace

SchemaRegistry::SchemaRegistry(const RegistryOptions& options)
    : http_(options), unknown_for_(options.unknown_for) {}

SchemaLookup SchemaRegistry::schema(std::uint32_t id, const std::stop_token& stop) {
  if (id > kIdMax) {
    return {.schema = nullptr, .reason = fmt::format("no schema can have the number {}", id)};
  }
  if (auto found = known(id)) {
    return *std::move(found);
  }
  const RegistryAnswer answer = http_.send(fmt::format("/schemas/ids/{}", id), std::nullopt, stop);
  SchemaLookup lookup;
  if (is_missing(answer)) {
    lookup.reason = fmt::format("the registry has no schema {}", id);
  } else {
    expect_good(answer);
    lookup = parsed(answer, fmt::format("schema {}", id), stop);
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

/// The schema in an answer. `what` names it for messages.
SchemaLookup SchemaRegistry::parsed(const RegistryAnswer& answer, const std::string& what,
                                    const std::stop_token& stop) {
  References references(http_, stop);
  if (std::string trouble = references.follow(answer, what); !trouble.empty()) {
    return {.schema = nullptr, .reason = std::move(trouble)};
  }
  const std::string& text = text_of(answer, answer.body, "schema");
  try {
    return {.schema = std::make_shared<const avro::AvroSchema>(
                parse_with_references(text, references.all())),
            .reason = ""};
  } catch (const Error& error) {
    // The registry took it; those who wrote messages with it are not us.
    return {.schema = nullptr, .reason = fmt::format("{}: {}", what, error.what())};
  }
}

std::optional<SubjectSchema> SchemaRegistry::latest(std::string_view subject,
                                                    const std::stop_token& stop) {
  const RegistryAnswer answer = http_.send(versions_path(subject) + "/latest", std::nullopt, stop);
  if (is_missing(answer)) {
    return std::nullopt;
  }
  expect_good(answer);
  SchemaLookup lookup = parsed(answer, fmt::format("the latest schema of `{}`", subject), stop);
  if (!lookup.schema) {
    throw Error(Blame::user, fmt::format("{}: {}", answer.url, lookup.reason));
  }
  return SubjectSchema{.id = static_cast<std::uint32_t>(count_of(answer, answer.body, "id")),
                       .version = count_of(answer, answer.body, "version"),
                       .schema = std::move(lookup.schema)};
}

std::uint32_t SchemaRegistry::register_schema(std::string_view subject, std::string_view json,
                                              const std::stop_token& stop) {
  const RegistryAnswer answer = http_.send(versions_path(subject), body_of(json), stop);
  if (answer.status == 409) {
    throw Error(Blame::user, fmt::format("{}; change the schema, the subject, or which changes the "
                                         "registry lets it make",
                                         answer.text()));
  }
  if (answer.status == 422) {
    throw Error(Blame::user, answer.text());
  }
  expect_good(answer);
  return static_cast<std::uint32_t>(count_of(answer, answer.body, "id"));
}

bool SchemaRegistry::is_compatible(std::string_view subject, std::string_view json,
                                   const std::stop_token& stop) {
  const RegistryAnswer answer = http_.send(
      fmt::format("/compatibility{}/latest", versions_path(subject)), body_of(json), stop);
  if (is_missing(answer)) {
    return true;
  }
  if (answer.status == 422) {
    throw Error(Blame::user, answer.text());
  }
  expect_good(answer);
  const auto& verdict = member(answer, answer.body, "is_compatible");
  if (!verdict.is_boolean()) {
    refuse(answer, "true or false as `is_compatible`");
  }
  return verdict.get<bool>();
}

}  // namespace millrace::kafka
