#include "formats/avro/reading.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "formats/avro/columns.h"
#include "formats/avro/left_out.h"
#include "formats/avro/resolve.h"
#include "formats/avro/value_record.h"
#include "formats/rescue.h"

namespace millrace::avro {

namespace {

using formats::OnSchemaChange;

SharedSchema record_of(const SharedSchema& schema, const Wanted& wanted) {
  return as_record(schema, wanted.declared, wanted.value_column, wanted.schema_option);
}

/// The fields that a plan leaves out and that can be columns beside these: no name differs from
/// another one in case alone.
millrace::Schema fresh_columns(const millrace::Schema& columns, const Plan& plan) {
  millrace::Schema fresh;
  for (const LeftOut& field : left_out(plan)) {
    if (!field.is_nested && columns.find(field.place) < 0 && fresh.find(field.place) < 0) {
      const Type type = column_type(*field.type, field.place);
      fresh.columns.push_back({field.place, sql_text(type), physical_of(type)});
    }
  }
  return fresh;
}

/// What is new in a writer's schema becomes columns.
Reading growing(const Wanted& wanted) {
  const auto columns =
      wanted.so_far.empty() ? columns_of(*record_of(wanted.reader, wanted)) : wanted.so_far;
  return {.columns = columns, .resolve = [wanted, columns](const SharedSchema& writer) {
            auto plan = resolve(record_of(writer, wanted), columns, Missing::null);
            if (const auto fresh = fresh_columns(columns, plan); !fresh.empty()) {
              auto all = columns;
              all.columns.insert(all.columns.end(), fresh.columns.begin(), fresh.columns.end());
              wanted.grow(all, fresh);
            }
            return plan;
          }};
}

/// Takes the column that is rescued into out of those that are declared, or adds it to those that
/// are not. Gives its place among all.
std::size_t split_rescue_column(const std::string& name, millrace::Schema& declared,
                                millrace::Schema& all) {
  if (declared.empty()) {
    if (all.find(name) >= 0) {
      throw Error(Blame::user, fmt::format("there are two columns {}; give `rescue_column` another "
                                           "name",
                                           name));
    }
    all.columns.push_back({name, "VARCHAR", Physical::string});
    return all.size() - 1;
  }
  const int place = declared.find(name);
  if (place < 0 || declared.columns[static_cast<std::size_t>(place)].type != "VARCHAR" ||
      declared.size() == 1) {
    throw Error(
        Blame::user,
        fmt::format("rescue_column: there is no column {} of type VARCHAR beside others", name));
  }
  declared.columns.erase(declared.columns.begin() + place);
  return static_cast<std::size_t>(place);
}

}  // namespace

Reading make_reading(Wanted wanted) {
  if (wanted.on_change == OnSchemaChange::add_columns) {
    return growing(wanted);
  }
  const auto reader = record_of(wanted.reader, wanted);
  Reading reading;
  reading.columns = wanted.declared.empty() ? columns_of(*reader) : wanted.declared;
  const bool rescues = wanted.on_change == OnSchemaChange::rescue;
  if (rescues) {
    reading.rescue = split_rescue_column(wanted.rescue_column, wanted.declared, reading.columns);
  }
  const bool fails = wanted.on_change == OnSchemaChange::fail;
  reading.resolve = [wanted = std::move(wanted), reader](const SharedSchema& written) {
    const auto writer = record_of(written, wanted);
    return wanted.declared.empty() ? resolve(writer, reader)
                                   : resolve(writer, wanted.declared, Missing::null);
  };
  if (fails) {
    reading.resolve = nothing_left_out(std::move(reading.resolve));
  }
  if (rescues) {
    reading.rest = formats::rest_of(reading.resolve);
  }
  return reading;
}

}  // namespace millrace::avro
