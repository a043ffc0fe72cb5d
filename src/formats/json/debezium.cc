#include "formats/json/debezium.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/strings.h"
#include "formats/json/numbers.h"

namespace millrace::json {
namespace {

using Kind = Change::Kind;

std::optional<Kind> kind_of(std::string_view op) {
  constexpr std::array kKinds = std::to_array<std::pair<std::string_view, Kind>>({
      {"\"c\"", Kind::create},
      {"\"u\"", Kind::update},
      {"\"d\"", Kind::remove},
      {"\"r\"", Kind::read},
      {"\"t\"", Kind::truncate},
      {"\"m\"", Kind::message},
  });
  for (const auto& [text, kind] : kKinds) {
    if (text == op) {
      return kind;
    }
  }
  return std::nullopt;
}

std::string_view without_null(std::string_view text) { return text == "null" ? "" : text; }

/// False: it is neither a whole number nor null nor missing.
bool read_milliseconds(std::string_view text, std::optional<std::int64_t>& to) {
  std::int64_t value = 0;
  if (without_null(text).empty()) {
    return true;
  }
  if (!read_short_integer(text, value)) {
    return false;
  }
  to = value;
  return true;
}

bool is_object_or_nothing(std::string_view text) { return text.empty() || text.front() == '{'; }

}  // namespace

std::optional<Malformation> Envelope::open(std::string_view message, Change& to) {
  to = {};
  if (message.empty() || message == "null") {
    return std::nullopt;
  }
  Parts parts;
  if (!cursor_.start(message) || !read_parts(parts) || !cursor_.finish()) {
    return Malformation{.column = "", .reason = cursor_.failure()};
  }
  if (parts.op.empty() && parts.payload == "null") {
    return std::nullopt;
  }
  std::string_view schema;
  if (parts.op.empty() && parts.payload.starts_with('{')) {
    schema = without_null(parts.schema);
    cursor_.go_to(parts.payload_place);
    parts = {};
    if (!read_parts(parts)) {
      return Malformation{.column = "", .reason = cursor_.failure()};
    }
  }
  auto wrong = understand(parts, to);
  to.schema = schema;
  return wrong;
}

std::optional<Malformation> Envelope::open_key(std::string_view key, Wrapped& to) {
  to = {.schema = {}, .payload = key};
  Parts parts;
  if (!cursor_.start(key) || !(cursor_.peek() == '{' ? read_parts(parts) : cursor_.skip()) ||
      !cursor_.finish()) {
    return Malformation{.column = "key", .reason = cursor_.failure()};
  }
  const bool is_wrapped = !parts.schema.empty() && is_object_or_nothing(without_null(parts.schema));
  if (is_wrapped && !parts.payload.empty()) {
    to = {.schema = without_null(parts.schema), .payload = parts.payload};
  }
  return std::nullopt;
}

bool Envelope::read_parts(Parts& to) {
  const std::array members = std::to_array<Member>({
      {"op", &to.op},
      {"before", &to.before},
      {"after", &to.after},
      {"source", &to.source, &to.source_place},
      {"ts_ms", &to.ts_ms},
      {"schema", &to.schema},
      {"payload", &to.payload, &to.payload_place},
  });
  return read_members(members);
}

/// Steps over an object; of a key that is there twice the first counts.
bool Envelope::read_members(std::span<const Member> members) {
  if (!cursor_.expect('{')) {
    return false;
  }
  if (cursor_.take('}')) {
    return true;
  }
  do {
    std::string_view key;
    std::string_view value;
    if (!cursor_.key(key) || !cursor_.key_is_valid(key)) {
      return false;
    }
    const auto place = cursor_.place();
    if (!cursor_.skip(value)) {
      return false;
    }
    for (const auto& member : members) {
      if (member.name == key && member.text->empty()) {
        *member.text = value;
        if (member.place != nullptr) {
          *member.place = place;
        }
      }
    }
  } while (cursor_.take(','));
  return cursor_.expect('}');
}

/// The `ts_ms` of the block `source`, which has been checked before.
bool Envelope::read_source_time(const Parts& parts, std::string_view& to) {
  if (!parts.source.starts_with('{')) {
    return true;
  }
  cursor_.go_to(parts.source_place);
  const std::array members = std::to_array<Member>({{"ts_ms", &to}});
  return read_members(members);
}

std::optional<Malformation> Envelope::understand(const Parts& parts, Change& to) {
  if (parts.op.empty()) {
    return Malformation{.column = "op", .reason = "the message is no Debezium envelope: no `op`"};
  }
  const auto kind = kind_of(parts.op);
  if (!kind) {
    return Malformation{.column = "op",
                        .reason = fmt::format("unknown op {}", excerpt(parts.op, 20))};
  }
  to.kind = *kind;
  to.before = without_null(parts.before);
  to.after = without_null(parts.after);
  to.source = without_null(parts.source);
  if (!is_object_or_nothing(to.before)) {
    return Malformation{.column = "before", .reason = "it is no object"};
  }
  const bool wants_after = *kind == Kind::create || *kind == Kind::update || *kind == Kind::read;
  if (!is_object_or_nothing(to.after) || (wants_after && to.after.empty())) {
    return Malformation{.column = "after", .reason = "it is no object"};
  }
  if (!read_milliseconds(parts.ts_ms, to.ts_ms)) {
    return Malformation{.column = "ts_ms", .reason = "it is no number of milliseconds"};
  }
  std::string_view changed;
  if (!read_source_time(parts, changed) || !read_milliseconds(changed, to.source_ts_ms)) {
    return Malformation{.column = "source.ts_ms", .reason = "it is no number of milliseconds"};
  }
  return std::nullopt;
}

}  // namespace millrace::json
