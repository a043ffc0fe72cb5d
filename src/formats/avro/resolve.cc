#include "formats/avro/resolve.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/strings.h"
#include "formats/avro/actions.h"
#include "formats/avro/columns.h"
#include "formats/avro/default_value.h"
#include "formats/avro/leaf.h"

namespace millrace::avro {

namespace {

using ActionKind = Action::Kind;

bool same_name(const Node& writer, const Node& reader) {
  const std::string_view name = short_name(writer.name);
  return name == short_name(reader.name) ||
         std::ranges::any_of(reader.aliases, [&](const std::string& alias) {
           return alias == writer.name || short_name(alias) == name;
         });
}

bool is_promoted(Kind from, Kind to) {
  switch (from) {
    case Kind::int_:
      return to == Kind::long_ || to == Kind::float_ || to == Kind::double_;
    case Kind::long_:
      return to == Kind::float_ || to == Kind::double_;
    case Kind::float_:
      return to == Kind::double_;
    case Kind::string:
      return to == Kind::bytes;
    case Kind::bytes:
      return to == Kind::string;
    default:
      return false;
  }
}

/// Whether two types, no unions, are to be resolved with each other. What is inside of arrays, maps
/// and records is not looked at: it fails in its own place.
bool matches(const Node& writer, const Node& reader) {
  if (writer.logical == Logical::decimal && reader.logical == Logical::decimal) {
    return writer.precision == reader.precision && writer.scale == reader.scale;
  }
  if (writer.kind != reader.kind) {
    return is_promoted(writer.kind, reader.kind);
  }
  return writer.name.empty() || (same_name(writer, reader) && writer.size == reader.size);
}

/// The reader's branch for a writer's type: the very same before the first that matches, so that a
/// union read by itself stays as it is.
const Node* branch_for(const Node& writer, const Node& reader_union) {
  const Node* found = nullptr;
  for (const Node* branch : reader_union.parts) {
    if (!matches(writer, *branch)) {
      continue;
    }
    if (branch->kind == writer.kind && branch->name == writer.name) {
      return branch;
    }
    found = found == nullptr ? branch : found;
  }
  return found;
}

std::string mismatch(const Node& writer, const Node& reader) {
  std::string text = fmt::format("the data is of type {}, the reader's schema wants {}",
                                 describe(writer), describe(reader));
  if (writer.kind == reader.kind && !writer.name.empty() && !same_name(writer, reader)) {
    text += fmt::format("; give it the alias `{}` if it is the same", writer.name);
  }
  return text;
}

/// Goes through a writer's and a reader's schema side by side.
class SchemaResolver {
 public:
  Action value(const Node& writer, const Node& reader, const Target& to) {
    if (++made_ > kActionsMax) {
      return fail(writer, to, "too large");  // which checked() says for the whole
    }
    if (writer.kind == Kind::union_) {
      std::vector<Action> parts;
      parts.reserve(writer.parts.size());
      for (const Node* branch : writer.parts) {
        parts.push_back(value(*branch, reader, to));
      }
      return choose(writer, to, std::move(parts));
    }
    if (reader.kind == Kind::union_) {
      return into_union(writer, reader, to);
    }
    if (!matches(writer, reader)) {
      return fail(writer, to, mismatch(writer, reader));
    }
    switch (writer.kind) {
      case Kind::null:
        return null_of(&writer, to);
      case Kind::record:
        return record(writer, reader, to);
      case Kind::array:
        return all_of(ActionKind::list, writer, to,
                      {value(*writer.parts[0], *reader.parts[0], to.part(0))});
      case Kind::map:
        return all_of(ActionKind::map, writer, to,
                      {value(*writer.parts[0], *reader.parts[0], to.part(1))});
      case Kind::enumeration:
        return symbols(writer, reader, to);
      default:
        return leaf(writer, reader, to);
    }
  }

  /// How many actions there are.
  [[nodiscard]] int made() const noexcept { return made_; }

 private:
  Action into_union(const Node& writer, const Node& reader, const Target& to) {
    const Node* branch = branch_for(writer, reader);
    if (branch == nullptr) {
      return fail(writer, to, mismatch(writer, reader));
    }
    const auto values = values_of(reader);
    if (branch->kind == Kind::null || values.size() == 1) {
      return value(writer, *branch, to);
    }
    const auto field = static_cast<std::size_t>(std::ranges::find(values, branch) - values.begin());
    return only_branch(writer, to, field, value(writer, *branch, to.part(field)));
  }

  static Action leaf(const Node& writer, const Node& reader, const Target& to) {
    const Node& meaning = writer.logical == Logical::none ? reader : writer;
    const auto leaf = leaf_of(writer, meaning, *to.type, Rounding::as_promoted);
    if (!leaf) {
      return fail(writer, to, mismatch(writer, reader));
    }
    return {.kind = ActionKind::value,
            .slot = to.slot,
            .place = to.place,
            .writer = &writer,
            .leaf = *leaf};
  }

  static Action symbols(const Node& writer, const Node& reader, const Target& to) {
    Action action{
        .kind = ActionKind::symbol, .slot = to.slot, .place = to.place, .writer = &writer};
    action.symbols.reserve(writer.symbols.size());
    const std::set<std::string_view> known(reader.symbols.begin(), reader.symbols.end());
    for (const std::string& symbol : writer.symbols) {
      action.symbols.push_back(known.contains(symbol) ? std::optional(symbol)
                                                      : reader.default_symbol);
    }
    return action;
  }

  Action record(const Node& writer, const Node& reader, const Target& to) {
    const std::size_t none = reader.fields.size();
    const std::vector<Target> targets = to.parts();
    const Places places = places_of(writer.fields);
    std::vector<std::size_t> wanted_by(writer.fields.size(), none);
    std::vector<Action> missing;
    for (std::size_t i = 0; i < reader.fields.size(); i++) {
      const std::size_t found = find(places, reader.fields[i]);
      if (found < writer.fields.size() && wanted_by[found] == none) {
        wanted_by[found] = i;
      } else {
        missing.push_back(from_default(writer, reader.fields[i], targets[i]));
      }
    }
    // By the writer's fields, in whose order the bytes are.
    std::vector<Action> parts;
    for (std::size_t i = 0; i < writer.fields.size(); i++) {
      const Node& type = *writer.fields[i].type;
      parts.push_back(wanted_by[i] != none
                          ? value(type, *reader.fields[wanted_by[i]].type, targets[wanted_by[i]])
                          : skip(type, writer.fields[i].name));
    }
    std::ranges::move(missing, std::back_inserter(parts));
    return all_of(ActionKind::record, writer, to, std::move(parts));
  }

  /// A default is read like data, from bytes that are made here.
  Action from_default(const Node& writer, const Field& field, const Target& to) {
    if (!field.default_value) {
      return fail(writer, to,
                  "the data has no such field, and the reader's has no default; give "
                  "it one, or an alias");
    }
    auto bytes = encode_default(*field.type, *field.default_value);
    if (!bytes) {
      return fail(writer, to,
                  fmt::format("the default {} is no value of type {}",
                              excerpt(field.default_value->dump(), 80), describe(*field.type)));
    }
    Action action{.kind = ActionKind::constant, .slot = to.slot, .place = to.place};
    action.text = std::move(*bytes);
    action.parts.push_back(value(*field.type, *field.type, to));
    return action;
  }

  /// Where fields are, by their names.
  using Places = std::map<std::string_view, std::size_t>;
  static Places places_of(const std::vector<Field>& fields) {
    Places places;
    for (std::size_t i = 0; i < fields.size(); i++) {
      places.emplace(fields[i].name, i);
    }
    return places;
  }
  /// The place of what a reader's field is called in the data; as many as there are: nowhere.
  static std::size_t find(const Places& places, const Field& field) {
    auto found = places.find(field.name);
    for (const std::string& alias : field.aliases) {
      found = found == places.end() ? places.find(alias) : found;
    }
    return found == places.end() ? places.size() : found->second;
  }

  int made_ = 0;
};

}  // namespace

Plan resolve(const std::shared_ptr<const AvroSchema>& writer,
             const std::shared_ptr<const AvroSchema>& reader) {
  Plan plan{.row = row_type(*reader), .writer = writer, .reader = reader};
  SchemaResolver resolver;
  const Target row{.type = &plan.row, .slot = 0, .place = ""};
  plan.root = resolver.value(writer->root(), reader->root(), row);
  check(plan.root, resolver.made());
  return plan;
}

Plan resolve(const std::shared_ptr<const AvroSchema>& writer) { return resolve(writer, writer); }

}  // namespace millrace::avro
