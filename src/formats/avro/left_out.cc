#include "formats/avro/left_out.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "formats/avro/actions.h"
#include "formats/avro/columns.h"
#include "formats/avro/resolve.h"
#include "formats/schema_change.h"

namespace millrace::avro {

namespace {

using ActionKind = Action::Kind;

/// What is done with the value that is the row.
const Action& row_of(const Plan& plan) {
  const auto& parts = plan.root.parts;
  return plan.field.empty() ? plan.root : *std::ranges::find_if(parts, [](const Action& part) {
    return part.kind != ActionKind::skip;
  });
}

/// The record that a value is, or can be beside null; nullptr: it is something else.
const Action* record_in(const Action& action) {
  if (action.kind == ActionKind::record) {
    return &action;
  }
  if (action.kind != ActionKind::choose || values_of(*action.writer).size() != 1) {
    return nullptr;
  }
  const auto found = std::ranges::find(action.parts, ActionKind::record, &Action::kind);
  return found == action.parts.end() ? nullptr : &*found;
}

void gather(const Action& action, bool is_nested, std::vector<LeftOut>& to) {
  for (const Action& part : action.parts) {
    if (part.kind == ActionKind::skip) {
      to.push_back({.place = action.place + (action.place.empty() ? "" : ".") + part.place,
                    .type = part.writer,
                    .is_nested = is_nested});
    } else {
      gather(part, true, to);
    }
  }
}

/// `row`: where the record goes.
std::vector<RestField> rest_of(const Action& record, const Target& row) {
  const std::vector<Target> targets = row.parts();
  const auto& fields = record.writer->fields;
  std::vector<RestField> rest;
  // The parts are by the writer's fields; behind them come those that it does not have.
  for (std::size_t i = 0; i < fields.size(); i++) {
    const Action& part = record.parts[i];
    if (part.kind == ActionKind::skip) {
      rest.push_back({.name = fields[i].name, .column = fields[i].name, .type = fields[i].type});
    } else if (const Action* inner = record_in(part)) {
      const auto to = std::ranges::find(targets, inner->slot, &Target::slot);
      auto within = rest_of(*inner, *to);
      if (!within.empty()) {
        const auto& column = row.type->parts[static_cast<std::size_t>(to - targets.begin())].name;
        rest.push_back({.name = fields[i].name, .column = column, .fields = std::move(within)});
      }
    }
  }
  std::ranges::stable_partition(rest, &RestField::is_left_out);
  return rest;
}

Type type_of(const RestField& field) {
  if (field.is_left_out()) {
    return column_type(*field.type, field.name);
  }
  Type type{.id = Type::Id::structure};
  type.parts.reserve(field.fields.size());
  for (const RestField& part : field.fields) {
    type.parts.push_back({part.name, type_of(part)});
  }
  return type;
}

}  // namespace

std::vector<LeftOut> left_out(const Plan& plan) {
  std::vector<LeftOut> found;
  const Action& row = row_of(plan);
  const Action* record = record_in(row);
  gather(record == nullptr ? row : *record, record == nullptr, found);
  return found;
}

std::vector<RestField> rest_fields(const Plan& plan) {
  const Action* record = record_in(row_of(plan));
  return record == nullptr ? std::vector<RestField>()
                           : rest_of(*record, {.type = &plan.row, .slot = 0, .place = ""});
}

millrace::Schema columns_of(std::span<const RestField> fields) {
  millrace::Schema columns;
  columns.columns.reserve(fields.size());
  for (const RestField& field : fields) {
    const Type type = type_of(field);
    columns.columns.push_back({field.name, sql_text(type), physical_of(type)});
  }
  return columns;
}

Plan rest_plan(const Plan& plan) {
  const auto columns = columns_of(rest_fields(plan));
  return plan.field.empty() ? resolve(plan.writer, columns)
                            : resolve_field(plan.writer, plan.field, columns);
}

Plans::Resolve nothing_left_out(Plans::Resolve resolve) {
  return [resolve = std::move(resolve)](const SharedSchema& writer) {
    std::string why;
    try {
      Plan plan = resolve(writer);
      for (const LeftOut& field : left_out(plan)) {
        why += fmt::format("{}`{}`", why.empty() ? "" : ", ", field.place);
      }
      if (why.empty()) {
        return plan;
      }
    } catch (const Error& error) {
      throw formats::SchemaChange(error.what());
    }
    throw formats::SchemaChange("the columns have no such field as " + why);
  };
}

Plans::Resolve growing(Plans::Resolve resolve, millrace::Schema columns, Grow grow) {
  return [resolve = std::move(resolve), columns = std::move(columns),
          grow = std::move(grow)](const SharedSchema& writer) {
    Plan plan = resolve(writer);
    auto all = columns;
    for (const RestField& field : rest_fields(plan)) {
      if (field.is_left_out() && all.find(field.name) < 0) {
        all.columns.push_back(columns_of({&field, 1}).columns.front());
      }
    }
    if (all.size() > columns.size()) {
      const auto fresh = std::span(all.columns).subspan(columns.size());
      grow(all, {{fresh.begin(), fresh.end()}});
    }
    return plan;
  };
}

}  // namespace millrace::avro
