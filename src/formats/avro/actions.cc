#include "formats/avro/actions.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"

namespace millrace::avro {

namespace {

Slot slots_of(const Type& type) {
  Slot slots = 1;
  for (const Type::Part& part : type.parts) {
    slots += slots_of(part.type);
  }
  return slots;
}

Target part_at(const Target& of, std::size_t index, Slot slot) {
  const Type& type = *of.type;
  Target inner{.type = &type.parts[index].type, .slot = slot, .place = of.place};
  if (type.id == Type::Id::list) {
    inner.place += "[]";
  } else if (type.id == Type::Id::map) {
    inner.place += "{}";
  } else {
    inner.place += (of.place.empty() ? "" : ".") + excerpt(type.parts[index].name, kShownBytes);
  }
  return inner;
}

bool failed(const Action& action) { return action.kind == Action::Kind::fail; }

}  // namespace

Target Target::part(std::size_t index) const {
  Slot first = slot + 1;
  for (std::size_t i = 0; i < index; i++) {
    first += slots_of(type->parts[i].type);
  }
  return part_at(*this, index, first);
}

std::vector<Target> Target::parts() const {
  std::vector<Target> targets;
  targets.reserve(type->parts.size());
  Slot first = slot + 1;
  for (std::size_t i = 0; i < type->parts.size(); i++) {
    targets.push_back(part_at(*this, i, first));
    first += slots_of(type->parts[i].type);
  }
  return targets;
}
Action fail(const Node& writer, const Target& to, std::string text) {
  return {.kind = Action::Kind::fail,
          .slot = to.slot,
          .place = to.place,
          .writer = &writer,
          .text = std::move(text)};
}

Action skip(const Node& writer, std::string place) {
  return {.kind = Action::Kind::skip, .place = std::move(place), .writer = &writer};
}

Action null_of(const Node* writer, const Target& to) {
  if (to.slot == 0) {
    return {.kind = Action::Kind::fail, .writer = writer, .text = "null is no row"};
  }
  return {.kind = Action::Kind::set_null, .slot = to.slot, .place = to.place, .writer = writer};
}

Action all_of(Action::Kind kind, const Node& writer, const Target& to, std::vector<Action> parts) {
  if (const auto found = std::ranges::find_if(parts, failed); found != parts.end()) {
    Action failure = std::move(*found);
    failure.writer = &writer;
    failure.slot = to.slot;
    return failure;
  }
  return {.kind = kind,
          .slot = to.slot,
          .place = to.place,
          .writer = &writer,
          .parts = std::move(parts)};
}

Action choose(const Node& writer, const Target& to, std::vector<Action> branches) {
  bool any = false;
  Action* failure = nullptr;
  for (std::size_t i = 0; i < branches.size(); i++) {
    if (failed(branches[i])) {
      failure = failure == nullptr && writer.parts[i]->kind != Kind::null ? &branches[i] : failure;
    } else {
      any = any || branches.size() == 1 || writer.parts[i]->kind != Kind::null;
    }
  }
  if (!any && failure != nullptr) {
    return all_of(Action::Kind::choose, writer, to, {std::move(*failure)});
  }
  return {.kind = Action::Kind::choose,
          .slot = to.slot,
          .place = to.place,
          .writer = &writer,
          .parts = std::move(branches)};
}

Action only_branch(const Node& writer, const Target& to, std::size_t branch, Action part) {
  Action action = all_of(Action::Kind::only_branch, writer, to, {std::move(part)});
  action.branch = static_cast<std::uint32_t>(branch);
  return action;
}

void check(const Action& root, int made) {
  if (made > kActionsMax) {
    throw Error(Blame::user,
                "avro: the schemas name their types so often that they get too large; read fewer "
                "columns, or cut the types");
  }
  if (failed(root)) {
    throw Error(Blame::user,
                fmt::format("avro: {}{}", root.place.empty() ? "" : "column " + root.place + ": ",
                            root.text));
  }
}

}  // namespace millrace::avro
