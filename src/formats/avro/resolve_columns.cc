#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "base/strings.h"
#include "formats/avro/actions.h"
#include "formats/avro/columns.h"
#include "formats/avro/leaf.h"
#include "formats/avro/resolve.h"

namespace millrace::avro {

namespace {

using Id = Type::Id;
using ActionKind = Action::Kind;

std::string mismatch(const Node& writer, const Type& type) {
  std::string text = fmt::format("avro type {} can't be read as {} without loss", describe(writer),
                                 sql_text(type));
  const bool simple = writer.parts.empty() && writer.fields.empty();
  if (simple && writer.precision <= 38) {
    text += fmt::format("; declare {}, and convert it in SQL", sql_text(column_type(writer, "")));
  } else if (simple) {
    text += "; declare BLOB";
  }
  return text;
}

/// Where names are. The very same name counts, or else the first that is the same but for capital
/// letters.
class Places {
 public:
  explicit Places(const std::vector<std::string>& names) : none_(names.size()) {
    for (std::size_t i = 0; i < names.size(); i++) {
      exact_.emplace(names[i], i);
      lowered_.emplace(to_lower(names[i]), i);
    }
  }
  /// As many as there are: nowhere.
  [[nodiscard]] std::size_t find(std::string_view name) const {
    if (const auto found = exact_.find(name); found != exact_.end()) {
      return found->second;
    }
    const auto found = lowered_.find(to_lower(name));
    return found == lowered_.end() ? none_ : found->second;
  }

 private:
  std::size_t none_;
  std::map<std::string, std::size_t, std::less<>> exact_;
  std::map<std::string, std::size_t> lowered_;
};

/// Goes through a writer's schema and the declared types side by side.
class ColumnResolver {
 public:
  explicit ColumnResolver(Missing missing) : missing_(missing) {}

  Action value(const Node& writer, const Target& to) {
    if (++made_ > kActionsMax) {
      return fail(writer, to, "too large");  // which checked() says for the whole
    }
    if (writer.kind == Kind::union_) {
      return to.slot != 0 && is_of_branches(writer, *to.type) ? branches(writer, to)
                                                              : any_branch(writer, to);
    }
    if (writer.kind == Kind::null) {
      return null_of(&writer, to);
    }
    if (writer.kind == Kind::record && to.type->id == Id::structure) {
      return record(writer, to);
    }
    if (writer.kind == Kind::array && to.type->id == Id::list) {
      return all_of(ActionKind::list, writer, to, {value(*writer.parts[0], to.part(0))});
    }
    if (writer.kind == Kind::map && to.type->id == Id::map &&
        to.type->parts[0].type.id == Id::varchar) {
      return all_of(ActionKind::map, writer, to, {value(*writer.parts[0], to.part(1))});
    }
    if (writer.kind == Kind::enumeration && to.type->id == Id::varchar) {
      return symbols(writer, to);
    }
    const auto leaf = leaf_of(writer, writer, *to.type, Rounding::refused);
    if (!leaf) {
      return fail(writer, to,
                  to.slot == 0 ? fmt::format("a row is a record, and the data is of type {}",
                                             describe(writer))
                               : mismatch(writer, *to.type));
    }
    return {.kind = ActionKind::value,
            .slot = to.slot,
            .place = to.place,
            .writer = &writer,
            .leaf = *leaf};
  }

  /// One field of a record as `to`.
  Action field(const Node& writer, std::string_view name, const Target& to) {
    std::vector<Action> parts;
    parts.reserve(writer.fields.size());
    for (const Field& field : writer.fields) {
      parts.push_back(field.name == name ? value(*field.type, to) : skip(*field.type, field.name));
    }
    return all_of(ActionKind::record, writer, to, std::move(parts));
  }

  /// How many actions there are.
  [[nodiscard]] int made() const noexcept { return made_; }

 private:
  /// Whether a STRUCT's fields are a union's branches, not the fields of one of them.
  static bool is_of_branches(const Node& writer, const Type& type) {
    const auto names = branch_names(values_of(writer));
    const Places places(names);
    return type.id == Id::structure && names.size() > 1 &&
           std::ranges::all_of(type.parts, [&](const Type::Part& part) {
             return places.find(part.name) < names.size();
           });
  }

  Action branches(const Node& writer, const Target& to) {
    const auto names = branch_names(values_of(writer));
    const Places fields(names_of(to.type->parts));
    const std::vector<Target> targets = to.parts();
    std::vector<Action> parts;
    std::size_t at = 0;  // of the branches that are not null
    for (const Node* branch : writer.parts) {
      if (branch->kind == Kind::null) {
        parts.push_back(null_of(branch, to));
        continue;
      }
      const std::string& name = names[at++];
      const std::size_t field = fields.find(name);
      parts.push_back(
          field < to.type->parts.size()
              ? only_branch(*branch, to, field, value(*branch, targets[field]))
              : fail(*branch, to, fmt::format("the column has no field for branch `{}`", name)));
    }
    return choose(writer, to, std::move(parts));
  }

  Action any_branch(const Node& writer, const Target& to) {
    std::vector<Action> parts;
    parts.reserve(writer.parts.size());
    for (const Node* branch : writer.parts) {
      parts.push_back(value(*branch, to));
    }
    return choose(writer, to, std::move(parts));
  }

  Action record(const Node& writer, const Target& to) {
    std::vector<std::string> names;
    names.reserve(writer.fields.size());
    for (const Field& field : writer.fields) {
      names.push_back(field.name);
    }
    const Places places(names);
    const std::vector<Target> targets = to.parts();
    // By the writer's fields, in whose order the bytes are.
    std::vector<std::size_t> wanted_by(names.size(), to.type->parts.size());
    std::vector<Action> parts;
    std::vector<Action> missing;
    for (std::size_t i = 0; i < to.type->parts.size(); i++) {
      const std::string& name = to.type->parts[i].name;
      const std::size_t found = places.find(name);
      if (found < names.size()) {
        wanted_by[found] = i;
      } else if (missing_ == Missing::null) {
        missing.push_back(null_of(nullptr, targets[i]));
      } else {
        missing.push_back(
            fail(writer, targets[i], "the data has no such field; " + did_you_mean(name, names)));
      }
    }
    for (std::size_t i = 0; i < names.size(); i++) {
      const Node& type = *writer.fields[i].type;
      parts.push_back(wanted_by[i] < to.type->parts.size() ? value(type, targets[wanted_by[i]])
                                                           : skip(type, writer.fields[i].name));
    }
    std::ranges::move(missing, std::back_inserter(parts));
    return all_of(ActionKind::record, writer, to, std::move(parts));
  }

  static Action symbols(const Node& writer, const Target& to) {
    Action action{
        .kind = ActionKind::symbol, .slot = to.slot, .place = to.place, .writer = &writer};
    action.symbols.assign(writer.symbols.begin(), writer.symbols.end());
    return action;
  }

  static std::vector<std::string> names_of(const std::vector<Type::Part>& parts) {
    std::vector<std::string> names;
    names.reserve(parts.size());
    for (const Type::Part& part : parts) {
      names.push_back(part.name);
    }
    return names;
  }

  Missing missing_;
  int made_ = 0;
};

}  // namespace

Plan resolve(const std::shared_ptr<const AvroSchema>& writer, const millrace::Schema& columns,
             Missing missing) {
  Plan plan{.row = row_type(columns), .writer = writer};
  ColumnResolver resolver(missing);
  plan.root = resolver.value(writer->root(), {.type = &plan.row, .slot = 0, .place = ""});
  check(plan.root, resolver.made());
  return plan;
}

Plan resolve_field(const std::shared_ptr<const AvroSchema>& writer, std::string_view field,
                   const millrace::Schema& columns, Missing missing) {
  Plan plan{.row = row_type(columns), .writer = writer, .field = std::string(field)};
  ColumnResolver resolver(missing);
  plan.root = resolver.field(writer->root(), field, {.type = &plan.row, .slot = 0, .place = ""});
  check(plan.root, resolver.made());
  return plan;
}

}  // namespace millrace::avro
