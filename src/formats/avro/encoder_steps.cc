#include "formats/avro/encoder_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "formats/avro/columns.h"
#include "formats/avro/default_value.h"
#include "formats/avro/encoder.h"
#include "formats/avro/logical.h"
#include "formats/avro/wire.h"

namespace millrace::avro {

namespace {

using Id = Type::Id;

constexpr int kStepsMax = 100'000;  // a small schema may name a large type many times
constexpr int kDepthMax = 64;

/// The nanoseconds of an SQL time's unit; 0: no time.
std::int64_t nanos_of(Id id) {
  switch (id) {
    case Id::timestamp_s:
      return 1'000'000'000;
    case Id::timestamp_ms:
      return 1'000'000;
    case Id::timestamp:
    case Id::timestamp_tz:
    case Id::time:
      return 1000;
    case Id::timestamp_ns:
      return 1;
    default:
      return 0;
  }
}

/// Whole numbers of at most 32 bits with their sign, and of at most 64.
bool fits_int(Id id) {
  return id == Id::i8 || id == Id::i16 || id == Id::i32 || id == Id::u8 || id == Id::u16;
}
bool fits_long(Id id) { return fits_int(id) || id == Id::u32 || id == Id::i64; }

/// The very same name, or else the first that is the same but for capital letters.
std::optional<std::size_t> find(std::span<const Type::Part> fields, std::string_view name) {
  auto found = std::ranges::find(fields, name, &Type::Part::name);
  if (found == fields.end()) {
    found = std::ranges::find_if(
        fields, [&](const Type::Part& each) { return equal_ignoring_case(each.name, name); });
  }
  return found == fields.end() ? std::nullopt
                               : std::optional(static_cast<std::size_t>(found - fields.begin()));
}

// What is not nested. Each gives false if values of the type have no bytes of the node's.

bool fit_time(WriteStep& step, const Node& node, const Type& type) {
  const std::int64_t from = nanos_of(type.id);
  const std::int64_t to = nanos_of(node.logical);
  if (from == 0 || to == 0 || is_time_of_day(node.logical) != (type.id == Id::time)) {
    return false;
  }
  step.write = Write::time;
  step.factor = from >= to ? from / to : -(to / from);
  return true;
}

bool fit_decimal(WriteStep& step, const Node& node, const Type& type) {
  const bool is_whole = fits_long(type.id) || type.id == Id::u64 || type.id == Id::i128;
  if ((type.id != Id::decimal && !is_whole) || node.precision > 38 || node.scale < type.scale) {
    return false;
  }
  step.write = Write::decimal;
  step.digits = node.precision;
  step.shift = node.scale - type.scale;
  return true;
}

bool fit_bytes(WriteStep& step, const Node& node, const Type& type) {
  const Id id = type.id;
  step.size = node.size;
  switch (node.logical) {
    case Logical::decimal:
      return fit_decimal(step, node, type);
    case Logical::duration:
      step.write = Write::interval;
      return id == Id::interval;
    case Logical::uuid:
      step.write = node.kind == Kind::fixed ? Write::uuid_bytes
                   : id == Id::uuid         ? Write::uuid_text
                                            : Write::checked_uuid;
      return id == Id::uuid || (id == Id::varchar && node.kind == Kind::string);
    default:
      break;
  }
  if (node.kind == Kind::enumeration) {
    step.write = Write::symbol;
    step.symbols = node.symbols;
    return id == Id::varchar;
  }
  if (node.kind == Kind::string && id == Id::uuid) {
    step.write = Write::uuid_text;
    return true;
  }
  step.write = node.kind == Kind::fixed ? Write::fixed : Write::text;
  return node.kind == Kind::string ? id == Id::varchar
                                   : id == Id::blob || (id == Id::varchar && node.size == 0);
}

bool fit(WriteStep& step, const Node& node, const Type& type) {
  switch (node.kind) {
    case Kind::boolean:
      step.write = Write::boolean;
      return type.id == Id::boolean;
    case Kind::int_:
    case Kind::long_:
      if (node.logical == Logical::date) {
        step.write = Write::date;
        return type.id == Id::date;
      }
      if (node.logical != Logical::none) {
        return fit_time(step, node, type);
      }
      step.write = Write::whole;
      return node.kind == Kind::int_ ? fits_int(type.id) : fits_long(type.id);
    case Kind::float_:
      step.write = Write::f32;
      return type.id == Id::f32;
    case Kind::double_:
      step.write = type.id == Id::f32 ? Write::f32_to_f64 : Write::f64;
      return type.id == Id::f32 || type.id == Id::f64;
    case Kind::bytes:
    case Kind::string:
    case Kind::fixed:
    case Kind::enumeration:
      return fit_bytes(step, node, type);
    default:
      return false;
  }
}

/// Goes through a schema and the columns' types side by side. Functions give nullopt for what does
/// not fit, and refusal() says why.
class StepMaker {
 public:
  std::optional<WriteStep> record(const Node& node, const Type& type, const std::string& place) {
    WriteStep step{.write = Write::record, .columns = type.parts.size(), .name = place};
    std::vector<bool> written(type.parts.size(), false);
    for (const Field& field : node.fields) {
      const std::string inner = place.empty() ? field.name : place + "." + field.name;
      const auto column = find(type.parts, field.name);
      auto part =
          column ? value(*field.type, type.parts[*column].type, inner) : constant(field, inner);
      if (!part) {
        return std::nullopt;
      }
      part->name = field.name;
      if (column) {
        part->name = type.parts[*column].name;
        part->column = *column;
        written[*column] = true;
      }
      step.parts.push_back(std::move(*part));
    }
    for (std::size_t i = 0; i < written.size(); i++) {
      if (!written[i]) {
        const std::string& name = type.parts[i].name;
        return refuse(place.empty() ? name : fmt::format("{}.{}", place, name),
                      "the schema has no such field; leave the column out, or add the field");
      }
    }
    return step;
  }

  /// Where, and why.
  [[nodiscard]] std::string refusal() const {
    return made_ > kStepsMax
               ? fmt::format(
                     "avro: more than {} types of the schema are looked at to find those of "
                     "the columns; give it unions of fewer records",
                     kStepsMax)
               : fmt::format("avro: column {}: {}", refused_place_, refused_reason_);
  }

 private:
  std::optional<WriteStep> value(const Node& node, const Type& type, const std::string& place) {
    if (++made_ > kStepsMax || depth_ == kDepthMax) {
      return refuse(place, fmt::format("nested deeper than {} levels", kDepthMax));
    }
    depth_++;
    auto step = node.kind == Kind::union_ ? union_of(node, type, place) : plain(node, type, place);
    depth_--;
    return step;
  }

  /// Of any type but a union.
  std::optional<WriteStep> plain(const Node& node, const Type& type, const std::string& place) {
    if (node.kind == Kind::record && type.id == Id::structure) {
      return record(node, type, place);
    }
    if (node.kind == Kind::array && type.id == Id::list) {
      return elements(Write::array, node, type.parts[0].type, place, "[]");
    }
    if (node.kind == Kind::map && type.id == Id::map) {
      if (type.parts[0].type.id != Id::varchar) {
        return refuse(place, fmt::format("keys of Avro's maps are texts, not {}; cast them to "
                                         "VARCHAR",
                                         sql_text(type.parts[0].type)));
      }
      return elements(Write::map, node, type.parts[1].type, place, "{}");
    }
    WriteStep step{.name = place};
    return fit(step, node, type) ? std::optional(std::move(step)) : mismatch(node, type, place);
  }

  std::optional<WriteStep> elements(Write write, const Node& node, const Type& type,
                                    const std::string& place, const char* brackets) {
    auto part = value(*node.parts[0], type, place + brackets);
    if (!part) {
      return std::nullopt;
    }
    WriteStep step{.write = write, .columns = write == Write::map ? 2U : 1U, .name = place};
    step.parts.push_back(std::move(*part));
    return step;
  }

  std::optional<WriteStep> union_of(const Node& node, const Type& type, const std::string& place) {
    auto step =
        is_of_branches(node, type) ? branches(node, type, place) : first_branch(node, type, place);
    const auto null = std::ranges::find(node.parts, Kind::null, &Node::kind);
    if (step && null != node.parts.end()) {
      step->null_branch = null - node.parts.begin();
    }
    return step;
  }

  /// Whether a STRUCT's fields are a union's branches, not the fields of one of them: as the
  /// decoder sees it.
  static bool is_of_branches(const Node& node, const Type& type) {
    const auto names = branch_names(values_of(node));
    return type.id == Id::structure && names.size() > 1 &&
           std::ranges::all_of(type.parts, [&](const Type::Part& part) {
             return std::ranges::any_of(names, [&](const std::string& name) {
               return equal_ignoring_case(name, part.name);
             });
           });
  }

  std::optional<WriteStep> branches(const Node& node, const Type& type, const std::string& place) {
    WriteStep step{.write = Write::branches, .columns = type.parts.size(), .name = place};
    const auto values = values_of(node);
    const auto names = branch_names(values);
    for (std::size_t i = 0; i < values.size(); i++) {
      const auto field = find(type.parts, names[i]);
      if (!field) {
        continue;  // a branch that is never written
      }
      auto part = value(*values[i], type.parts[*field].type, place + "." + names[i]);
      if (!part) {
        return std::nullopt;
      }
      part->name = type.parts[*field].name;
      part->column = *field;
      part->value_branch = std::ranges::find(node.parts, values[i]) - node.parts.begin();
      step.parts.push_back(std::move(*part));
    }
    return step;
  }

  std::optional<WriteStep> first_branch(const Node& node, const Type& type,
                                        const std::string& place) {
    // What is wrong furthest inside says most.
    std::string deepest = place;
    std::string reason = fmt::format("{} can't be written as {}", sql_text(type), describe(node));
    for (std::size_t i = 0; i < node.parts.size(); i++) {
      if (node.parts[i]->kind == Kind::null) {
        continue;
      }
      if (auto step = value(*node.parts[i], type, place)) {
        step->value_branch = static_cast<std::int64_t>(i);
        return step;
      }
      if (refused_place_.size() > deepest.size()) {
        deepest = refused_place_;
        reason = refused_reason_;
      }
    }
    return refuse(deepest, reason);
  }

  std::optional<WriteStep> constant(const Field& field, const std::string& place) {
    WriteStep step{.write = Write::constant};
    auto bytes = encode_default(*field.type, field.default_value.value_or(nullptr));
    if (!bytes) {
      return refuse(place, field.default_value
                               ? "the default of the schema's field is no value of its type"
                               : "the schema has this field, which is neither a column nor may be "
                                 "null; select it, or give the field a default");
    }
    step.constant = std::move(*bytes);
    return step;
  }

  std::nullopt_t mismatch(const Node& node, const Type& type, const std::string& place) {
    return refuse(place, fmt::format("{} can't be written as {}", sql_text(type), describe(node)));
  }
  std::nullopt_t refuse(const std::string& place, std::string reason) {
    refused_place_ = place;
    refused_reason_ = std::move(reason);
    return std::nullopt;
  }

  int made_ = 0;
  int depth_ = 0;
  std::string refused_place_;
  std::string refused_reason_;
};

}  // namespace

WriteStep record_step(const AvroSchema& schema, const millrace::Schema& columns) {
  if (schema.root().kind != Kind::record) {
    throw Error(Blame::user, fmt::format("avro: rows are written as records, and the schema is {}",
                                         describe(schema.root())));
  }
  StepMaker maker;
  auto step = maker.record(schema.root(), row_type(columns), "");
  if (!step) {
    throw Error(Blame::user, maker.refusal());
  }
  return std::move(*step);
}

}  // namespace millrace::avro
