#include "formats/debezium/avro_plans.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "formats/avro/actions.h"
#include "formats/avro/columns.h"
#include "formats/avro/leaf.h"

namespace millrace::debezium {

namespace {

using avro::Action;
using avro::Node;
using avro::Target;
using Id = Type::Id;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(Blame::user, fmt::format("avro: the schema is none of Debezium's change events: {}; "
                                       "leave `envelope` out if the record is the row",
                                       why));
}

const Node& field_of(const avro::AvroSchema& writer, std::string_view name) {
  if (writer.root().kind != avro::Kind::record) {
    refuse("it is of type " + avro::describe(writer.root()));
  }
  for (const auto& field : writer.root().fields) {
    if (field.name == name) {
      return *field.type;
    }
  }
  refuse(fmt::format("its record has no field `{}`", name));
}

/// The record of a row, which may be null.
const Node& record_of(const avro::AvroSchema& writer, std::string_view part) {
  const Node& node = field_of(writer, part);
  if (node.kind == avro::Kind::record) {
    return node;
  }
  for (const Node* branch : node.parts) {
    if (node.kind == avro::Kind::union_ && branch->kind == avro::Kind::record) {
      return *branch;
    }
  }
  refuse(fmt::format("its field `{}` is of type {}, not a record", part, avro::describe(node)));
}

/// Goes through the branches of a union; NULL for that of null.
template <class Make>
Action each_branch(const Node& node, const Target& to, Make make) {
  if (node.kind != avro::Kind::union_) {
    return make(node, to);
  }
  std::vector<Action> parts;
  parts.reserve(node.parts.size());
  for (const Node* branch : node.parts) {
    parts.push_back(branch->kind == avro::Kind::null ? avro::null_of(branch, to)
                                                     : make(*branch, to));
  }
  return avro::choose(node, to, std::move(parts));
}

Action scalar(const Node& node, const Target& to) {
  const auto leaf = avro::leaf_of(node, node, *to.type, avro::Rounding::refused);
  if (!leaf) {
    return avro::fail(node, to, "it is of type " + avro::describe(node));
  }
  return {.kind = Action::Kind::value,
          .slot = to.slot,
          .place = to.place,
          .writer = &node,
          .leaf = *leaf};
}

/// True, out of no bytes, and the record that is there is jumped over.
Action presence(const Node& node, const Target& to) {
  static const Node kBoolean{.kind = avro::Kind::boolean};
  Action constant{.kind = Action::Kind::constant, .slot = to.slot, .place = to.place};
  constant.text = "\x01";
  constant.parts.push_back(scalar(kBoolean, to));
  return avro::all_of(Action::Kind::record, node, to,
                      {avro::skip(node, to.place), std::move(constant)});
}

/// The `ts_ms` of the block `source`.
Action time_of_source(const Node& node, const Target& to) {
  std::vector<Action> parts;
  parts.reserve(node.fields.size() + 2);
  bool found = false;
  for (const auto& field : node.fields) {
    const bool wanted = field.name == "ts_ms" && !found;
    found |= wanted;
    parts.push_back(wanted ? each_branch(*field.type, to, scalar)
                           : avro::skip(*field.type, field.name));
  }
  if (!found) {
    parts.push_back(avro::null_of(nullptr, to));
    if (node.kind != avro::Kind::record) {
      parts.push_back(avro::skip(node, to.place));
    }
  }
  return avro::all_of(Action::Kind::record, node, to, std::move(parts));
}

}  // namespace

Schema columns_of_events(const avro::AvroSchema& writer) {
  const Type row = avro::column_type(record_of(writer, "after"), "");
  Schema schema;
  schema.columns.reserve(row.parts.size());
  for (const Type::Part& part : row.parts) {
    schema.columns.push_back({part.name, avro::sql_text(part.type), physical_of(part.type)});
  }
  return schema;
}

avro::Plan facts_plan(const avro::SharedSchema& writer) {
  avro::Plan plan{.row = {.id = Id::structure,
                          .parts = {{"op", {.id = Id::varchar}},
                                    {"before", {.id = Id::boolean}},
                                    {"after", {.id = Id::boolean}},
                                    {"source.ts_ms", {.id = Id::i64}}}},
                  .writer = writer};
  (void)field_of(*writer, "op");
  (void)record_of(*writer, "after");
  const Target row{.type = &plan.row, .slot = 0, .place = ""};
  const auto targets = row.parts();
  std::set<std::size_t> missing{Facts::kBefore, Facts::kTime};
  std::vector<Action> parts;
  parts.reserve(writer->root().fields.size() + missing.size());
  for (const auto& field : writer->root().fields) {
    if (field.name == "op") {
      parts.push_back(each_branch(*field.type, targets[Facts::kOp], scalar));
    } else if (field.name == "before" || field.name == "after") {
      const auto fact = field.name == "before" ? Facts::kBefore : Facts::kAfter;
      parts.push_back(each_branch(*field.type, targets[fact], presence));
      missing.erase(fact);
    } else if (field.name == "source") {
      parts.push_back(each_branch(*field.type, targets[Facts::kTime], time_of_source));
      missing.erase(Facts::kTime);
    } else {
      parts.push_back(avro::skip(*field.type, field.name));
    }
  }
  for (const auto fact : missing) {
    parts.push_back(avro::null_of(nullptr, targets[fact]));
  }
  plan.root = avro::all_of(Action::Kind::record, writer->root(), row, std::move(parts));
  avro::check(plan.root, 0);
  return plan;
}

avro::Plan row_plan(const avro::SharedSchema& writer, std::string_view part, const Schema& columns,
                    avro::Missing missing) {
  (void)record_of(*writer, part);
  return avro::resolve_field(writer, part, columns, missing);
}

std::vector<bool> columns_before(const avro::AvroSchema& writer, const Schema& columns) {
  std::set<std::string> names;
  for (const auto& field : record_of(writer, "before").fields) {
    names.insert(to_lower(field.name));
  }
  std::vector<bool> has(columns.size());
  std::transform(columns.columns.begin(), columns.columns.end(), has.begin(),
                 [&](const Column& column) { return names.contains(to_lower(column.name)); });
  return has;
}

EventPlans plans_of(const avro::SharedSchema& writer, const Schema& columns) {
  return {.facts = facts_plan(writer),
          .after = row_plan(writer, "after", columns, avro::Missing::refused),
          .before = row_plan(writer, "before", columns, avro::Missing::null)};
}

FramedEventPlans plans_of(
    avro::NumberedSchemas& schemas, const Schema& columns, const Schema& known,
    const std::function<formats::FramedPlans(avro::Plans::Resolve)>& plans_of_rows) {
  using avro::SharedSchema;
  const auto of_part = [&](const char* part) {
    return plans_of_rows([known, part](const SharedSchema& writer) {
      return row_plan(writer, part, known, avro::Missing::null);
    });
  };
  return {.facts = std::make_shared<avro::Plans>(schemas, facts_plan),
          .key = std::make_shared<avro::Plans>(schemas,
                                               [columns](const SharedSchema& writer) {
                                                 return avro::resolve(writer, columns,
                                                                      avro::Missing::null);
                                               }),
          .after = of_part("after"),
          .before = of_part("before")};
}

}  // namespace millrace::debezium
