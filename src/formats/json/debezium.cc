#include "formats/json/debezium.h"

#include <fmt/format.h>

#include <array>
#include <utility>

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
  if (parts.op.empty() && parts.payload.starts_with('{')) {
    cursor_.go_to(parts.payload_place);
    parts = {};
    if (!read_parts(parts)) {
      return Malformation{.column = "", .reason = cursor_.failure()};
    }
  }
  return understand(parts, to);
}

/// Steps over an object; of a key that is there twice the first counts.
bool Envelope::read_parts(Parts& to) {
  const std::array<std::pair<std::string_view, std::string_view*>, 6> parts{{
      {"op", &to.op},
      {"before", &to.before},
      {"after", &to.after},
      {"source", &to.source},
      {"ts_ms", &to.ts_ms},
      {"payload", &to.payload},
  }};
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
    for (const auto& [name, part] : parts) {
      if (name == key && part->empty()) {
        *part = value;
        to.payload_place = part == &to.payload ? place : to.payload_place;
      }
    }
  } while (cursor_.take(','));
  return cursor_.expect('}');
}

std::optional<Malformation> Envelope::understand(const Parts& parts, Change& to) {
  if (parts.op.empty()) {
    return Malformation{.column = "op", .reason = "the message is no Debezium envelope: no `op`"};
  }
  const auto kind = kind_of(parts.op);
  if (!kind) {
    return Malformation{.column = "op",
                        .reason = fmt::format("unknown op {}", parts.op.substr(0, 20))};
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
  const auto ts_ms = without_null(parts.ts_ms);
  std::int64_t value = 0;
  if (!ts_ms.empty()) {
    if (!read_short_integer(ts_ms, value)) {
      return Malformation{.column = "ts_ms", .reason = "it is no number of milliseconds"};
    }
    to.ts_ms = value;
  }
  return std::nullopt;
}

}  // namespace millrace::json
