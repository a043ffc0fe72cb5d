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

/// Takes the column that is rescued into out of those that are declared, or adds it to those that
/// are not.
void split_rescue_column(const std::string& name, bool is_declared, StreamColumns& columns) {
  const int place = columns.all.find(name);
  if (!is_declared) {
    if (place >= 0) {
      throw Error(Blame::user, fmt::format("there are two columns {}; give `rescue_column` another "
                                           "name",
                                           name));
    }
    columns.rescue = columns.all.size();
    columns.all.columns.push_back({name, "VARCHAR", Physical::string});
    return;
  }
  if (place < 0 || columns.all.columns[static_cast<std::size_t>(place)].type != "VARCHAR" ||
      columns.all.size() == 1) {
    throw Error(
        Blame::user,
        fmt::format("rescue_column: there is no column {} of type VARCHAR beside others", name));
  }
  columns.rescue = static_cast<std::size_t>(place);
  columns.known.columns.erase(columns.known.columns.begin() + place);
}

}  // namespace

StreamColumns stream_columns(const Wanted& wanted,
                             const std::function<millrace::Schema()>& of_schema) {
  const bool is_declared = !wanted.declared.empty();
  StreamColumns columns;
  columns.all = is_declared ? wanted.declared : wanted.so_far.empty() ? of_schema() : wanted.so_far;
  columns.known = columns.all;
  if (wanted.on_change == OnSchemaChange::rescue) {
    split_rescue_column(wanted.rescue_column, is_declared, columns);
  }
  return columns;
}

Reading reading_by(Plans::Resolve resolve, const Wanted& wanted, StreamColumns columns) {
  Reading reading{
      .columns = std::move(columns.all), .resolve = std::move(resolve), .rescue = columns.rescue};
  if (wanted.on_change == OnSchemaChange::fail) {
    reading.resolve = nothing_left_out(std::move(reading.resolve));
  } else if (wanted.on_change == OnSchemaChange::add_columns) {
    reading.resolve = growing(std::move(reading.resolve), std::move(columns.known), wanted.grow);
  } else if (wanted.on_change == OnSchemaChange::rescue) {
    reading.rest = formats::rest_of(reading.resolve);
  }
  return reading;
}

Reading make_reading(const Wanted& wanted) {
  const auto reader =
      as_record(wanted.reader, wanted.declared, wanted.value_column, wanted.schema_option);
  auto columns = stream_columns(wanted, [&] { return columns_of(*reader); });
  // Columns that grow are more than those of the reader's schema.
  const bool by_reader = wanted.declared.empty() && wanted.on_change != OnSchemaChange::add_columns;
  const auto resolved = [wanted, reader, by_reader,
                         known = columns.known](const SharedSchema& written) {
    const auto writer = as_record(written, wanted.declared.empty() ? millrace::Schema() : known,
                                  wanted.value_column, wanted.schema_option);
    return by_reader ? resolve(writer, reader) : resolve(writer, known, Missing::null);
  };
  return reading_by(resolved, wanted, std::move(columns));
}

}  // namespace millrace::avro
