#include "connectors/kafka/registry_answers.h"

#include <fmt/format.h>

#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "connectors/kafka/registry_references.h"

namespace millrace::kafka {

namespace {

using nlohmann::json;

constexpr int kJsonDepthMax = 32;
constexpr std::size_t kMessageBytesMax = 500;
constexpr std::size_t kReferencesMax = 256;

json parse(std::string_view text) {
  bool is_too_deep = false;
  const auto limit = [&](int depth, json::parse_event_t /*event*/, json& /*value*/) {
    is_too_deep |= depth > kJsonDepthMax;
    return !is_too_deep;
  };
  json parsed = json::parse(text, limit, /*allow_exceptions=*/false);
  return is_too_deep ? json(json::value_t::discarded) : parsed;
}

[[noreturn]] void refuse(const RegistryAnswer& answer, std::string_view expected) {
  throw Error(Blame::external,
              fmt::format("{}; expected {} from a schema registry", answer.text(), expected));
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

/// Fetches the schemas that a schema refers to, and those that they refer to.
class References {
 public:
  explicit References(const AskRegistry& ask) : ask_(ask) {}

  /// What is of no use in the answer, or in one that it refers to; empty: nothing.
  [[nodiscard]] std::string follow(const RegistryAnswer& answer, const std::string& what) {
    const auto type = answer.body.find("schemaType");
    if (type != answer.body.end() && *type != "AVRO") {
      // In ASCII, so that it may be cut anywhere.
      return fmt::format("{} is of type {:.40}, not AVRO", what,
                         type->dump(-1, ' ', /*ensure_ascii=*/true));
    }
    bytes_ += text_of(answer, answer.body, "schema").size();
    if (seen_.size() > kReferencesMax || bytes_ > kAnswerBytesMax) {
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
    const RegistryAnswer answer = ask_(fmt::format("{}/{}", versions_path(subject), version));
    if (is_missing(answer)) {
      return fmt::format("the registry has no {}, to which a schema refers", what);
    }
    expect_good(answer);
    std::string trouble = follow(answer, what);
    all_.push_back({.name = what, .json = text_of(answer, answer.body, "schema")});
    return trouble;
  }

  const AskRegistry& ask_;
  std::set<std::pair<std::string, std::int64_t>> seen_;
  std::vector<ReferencedSchema> all_;
  std::size_t bytes_ = 0;
};

}  // namespace

std::int64_t RegistryAnswer::error_code() const {
  const auto code = body.is_object() ? body.find("error_code") : body.end();
  return code != body.end() && code->is_number_integer() ? code->get<std::int64_t>() : 0;
}

std::string RegistryAnswer::text() const {
  std::string message;
  if (body.is_object() && body.contains("message") && body["message"].is_string()) {
    message = excerpt(body["message"].get_ref<const std::string&>(), kMessageBytesMax);
  }
  return fmt::format("{}: status {}{}{}", url, status, message.empty() ? "" : ": ", message);
}

RegistryAnswer parse_answer(long status, std::string_view bytes, std::string url) {
  return {.status = status, .body = parse(bytes), .url = std::move(url)};
}

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

std::int64_t number_in(const RegistryAnswer& answer, const char* name) {
  return count_of(answer, answer.body, name);
}

bool flag_in(const RegistryAnswer& answer, const char* name) {
  const json& value = member(answer, answer.body, name);
  if (!value.is_boolean()) {
    refuse(answer, fmt::format("true or false as `{}`", name));
  }
  return value.get<bool>();
}

avro::SchemaLookup schema_in(const RegistryAnswer& answer, const std::string& what,
                             const AskRegistry& ask) {
  References references(ask);
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

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || std::string_view("-._~").contains(c);
    if (is_plain) {
      result += c;
    } else {
      result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return result;
}

std::string versions_path(std::string_view subject) {
  return fmt::format("/subjects/{}/versions", escaped(subject));
}

}  // namespace millrace::kafka
