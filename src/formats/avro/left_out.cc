#include "formats/avro/left_out.h"

#include <fmt/format.h>

#include <utility>

#include "formats/schema_change.h"

namespace millrace::avro {

namespace {

void gather(const Action& action, bool is_nested, std::vector<LeftOut>& to) {
  for (const Action& part : action.parts) {
    if (part.kind == Action::Kind::skip) {
      to.push_back({.place = action.place + (action.place.empty() ? "" : ".") + part.place,
                    .type = part.writer,
                    .is_nested = is_nested});
    } else {
      gather(part, true, to);
    }
  }
}

}  // namespace

std::vector<LeftOut> left_out(const Plan& plan) {
  std::vector<LeftOut> found;
  gather(plan.root, plan.root.kind != Action::Kind::record, found);
  return found;
}

Plans::Resolve nothing_left_out(Plans::Resolve resolve, Whole what) {
  return [resolve = std::move(resolve), what](const SharedSchema& writer) {
    std::string why;
    try {
      Plan plan = resolve(writer);
      for (const LeftOut& field : left_out(plan)) {
        if (field.is_nested || what == Whole::record) {
          why += fmt::format("{}`{}`", why.empty() ? "" : ", ", field.place);
        }
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

}  // namespace millrace::avro
