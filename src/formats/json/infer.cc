#include "formats/json/infer.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "core/times.h"
#include "formats/json/numbers.h"
#include "formats/json/plan.h"
#include "formats/json/strings.h"

namespace millrace::json {
namespace {

constexpr std::size_t kMaxFields = 1000;

// What values were seen at a place, one bit each.
constexpr std::uint32_t kBoolean = 1U << 0U;
constexpr std::uint32_t kInteger = 1U << 1U;
constexpr std::uint32_t kWideInteger = 1U << 2U;
constexpr std::uint32_t kNumber = 1U << 3U;
constexpr std::uint32_t kDate = 1U << 4U;
constexpr std::uint32_t kMoment = 1U << 5U;
constexpr std::uint32_t kMomentWithOffset = 1U << 6U;
constexpr std::uint32_t kText = 1U << 7U;
constexpr std::uint32_t kObject = 1U << 8U;
constexpr std::uint32_t kArray = 1U << 9U;

std::uint32_t kind_of_string(std::string_view text) {
  Moment moment;
  if (!read_moment(text, moment)) {
    return kText;
  }
  return !moment.has_time ? kDate : moment.has_offset ? kMomentWithOffset : kMoment;
}

std::uint32_t kind_of_number(std::string_view text) {
  Int128 value = 0;
  if (text.find_first_of(".eE") == std::string_view::npos &&
      read_scaled(text, 0, Rounding::none, value) == Fault::none) {
    return static_cast<std::int64_t>(value) == value ? kInteger : kWideInteger;
  }
  double real = 0;
  return read_float(text, real) == Fault::none ? kNumber : kText;
}

bool is_one_of(std::uint32_t kinds, std::uint32_t allowed) { return (kinds & ~allowed) == 0; }

}  // namespace

struct Inference::Shape {
  std::uint32_t kinds = 0;
  bool has_too_many_fields = false;
  std::vector<std::pair<std::string, std::unique_ptr<Shape>>> fields;
  std::unordered_map<std::string, std::size_t> places;  // by the names in lower case
  std::unique_ptr<Shape> element;

  /// nullptr: it can't have one more.
  Shape* field(const std::string& name) {
    const auto [at, is_new] = places.try_emplace(to_lower(name), fields.size());
    if (!is_new) {
      return fields[at->second].second.get();
    }
    if (name.empty() || fields.size() == kMaxFields) {
      has_too_many_fields |= !name.empty();
      places.erase(at);
      return nullptr;
    }
    return fields.emplace_back(name, std::make_unique<Shape>()).second.get();
  }
};

Inference::Inference() : record_(std::make_unique<Shape>()) {}
Inference::~Inference() = default;

std::optional<Malformation> Inference::add(std::string_view record) {
  if (!cursor_.start(record)) {
    return Malformation{.column = "", .reason = cursor_.failure()};
  }
  // Checked first, so that the walk need not look for mistakes.
  const auto begin = cursor_.place();
  const bool is_object = cursor_.peek() == '{';
  if (!cursor_.skip() || !cursor_.finish()) {
    return Malformation{.column = "", .reason = cursor_.failure()};
  }
  if (!is_object) {
    return Malformation{.column = "", .reason = "the record is not a JSON object"};
  }
  cursor_.go_to(begin);
  look(*record_, 0);
  return std::nullopt;
}

void Inference::look(Shape& shape, std::size_t depth) {
  const char first = cursor_.peek();
  if ((first == '{' || first == '[') && depth + 1 < kMaxTypeDepth) {
    shape.kinds |= first == '{' ? kObject : kArray;
    if (first == '{') {
      look_at_object(shape, depth);
      return;
    }
    cursor_.step();
    if (shape.element == nullptr) {
      shape.element = std::make_unique<Shape>();
    }
    while (!cursor_.take(']')) {
      look(*shape.element, depth + 1);
      (void)cursor_.take(',');
    }
    return;
  }
  const std::string_view text = cursor_.here();
  std::string meant;
  switch (first) {
    case 'n':
      break;
    case 't':
    case 'f':
      shape.kinds |= kBoolean;
      break;
    case '"':
      shape.kinds |= unescape(Cursor::inside(text), meant) ? kind_of_string(meant) : kText;
      break;
    case '{':
    case '[':
      shape.kinds |= kText;  // too deep for a type
      break;
    default:
      shape.kinds |= kind_of_number(text);
      break;
  }
  (void)cursor_.skip();
}

void Inference::look_at_object(Shape& shape, std::size_t depth) {
  cursor_.step();
  std::string_view key;
  std::string name;
  while (!cursor_.take('}')) {
    Shape* field = nullptr;
    if (cursor_.key(key) && unescape(key, name)) {
      field = shape.field(name);
    }
    if (field != nullptr) {
      look(*field, depth + 1);
    } else {
      (void)cursor_.skip();
    }
    (void)cursor_.take(',');
  }
}

Schema Inference::schema() const {
  Schema schema;
  for (const auto& [name, shape] : record_->fields) {
    std::string type = type_of(*shape);
    const Physical physical = physical_of(type);
    schema.columns.push_back({.name = name, .type = std::move(type), .physical = physical});
  }
  return schema;
}

std::string Inference::type_of(const Shape& shape) {
  const std::uint32_t kinds = shape.kinds;
  if (kinds == 0) {
    return "VARCHAR";
  }
  if (kinds == kBoolean) {
    return "BOOLEAN";
  }
  if (is_one_of(kinds, kInteger | kWideInteger | kNumber)) {
    return (kinds & kNumber) != 0 ? "DOUBLE" : (kinds & kWideInteger) != 0 ? "HUGEINT" : "BIGINT";
  }
  if (is_one_of(kinds, kDate | kMoment)) {
    return kinds == kDate ? "DATE" : "TIMESTAMP";
  }
  if (kinds == kMomentWithOffset) {
    return "TIMESTAMP WITH TIME ZONE";
  }
  if (kinds == kObject && !shape.fields.empty() && !shape.has_too_many_fields) {
    return struct_of(shape);
  }
  if (kinds == kArray) {
    return type_of(*shape.element) + "[]";
  }
  return "VARCHAR";
}

std::string Inference::struct_of(const Shape& shape) {
  std::string text = "STRUCT(";
  for (const auto& [name, field] : shape.fields) {
    // Always in quotes: a name might be a word of SQL.
    text += fmt::format("{}{} {}", text.ends_with('(') ? "" : ", ", in_quotes(name, '"'),
                        type_of(*field));
  }
  return text + ")";
}

}  // namespace millrace::json
