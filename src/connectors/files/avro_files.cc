#include "connectors/files/avro_files.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/files.h"
#include "connectors/files/avro_reader.h"
#include "core/growing_columns.h"
#include "formats/avro/reading.h"

namespace millrace {

using formats::OnSchemaChange;

namespace {

std::string place_of(const MalformedRow& record) {
  return fmt::format("`{}`, block at byte {}", record.origin, record.line);
}

std::string_view to_have_new_fields(const FilesSourceOptions& options) {
  if (!options.schema.empty()) {
    return "add the column to `schema`";
  }
  return options.schema_file.empty()
             ? "name the columns in a `schema`, which `millrace infer` makes of the file, or set "
               "`on_schema_change: add_columns`"
             : "add the field to the schema in `schema_file`";
}

}  // namespace

avro::Wanted AvroFiles::wanted(const FindFile& find_file) const {
  avro::Wanted wanted{.on_change = options_.on_schema_change.value_or(OnSchemaChange::ignore),
                      .rescue_column = options_.rescue_column,
                      .so_far = so_far_};
  wanted.grow = [source = source_](const Schema& columns, const Schema& fresh) {
    throw ColumnsGrew(source, columns, fresh.text());
  };
  if (!options_.schema.empty()) {
    wanted.declared = database_->parse_schema(options_.schema);
  } else if (!options_.schema_file.empty()) {
    wanted.reader = avro::file_schema(read_file(options_.schema_file));
  } else if (so_far_.empty()) {
    wanted.reader = avro::file_schema(avro_schema_of(find_file()));
  }
  return wanted;
}

const Schema& AvroFiles::schema(const FindFile& find_file) {
  if (layout_.rows == nullptr) {
    auto rows = std::make_unique<avro::FileRows>(avro::make_reading(wanted(find_file)));
    layout_.set_columns(rows->columns(), options_.format.corrupt_record_column, "BLOB");
    layout_.on_malformed = options_.format.on_malformed;
    layout_.place = place_of;
    layout_.to_have_new_fields = to_have_new_fields(options_);
    layout_.rows = std::move(rows);
  }
  return layout_.schema;
}

SliceInput AvroFiles::read(FileScan files, MalformedReceiver& malformed) {
  return std::make_unique<AvroReader>(layout_, std::move(files), malformed);
}

SliceInput AvroFiles::read_again(const MalformedRows& rows, const std::string& /*folder*/,
                                 MalformedReceiver& malformed) {
  return std::make_unique<KeptAvroReader>(layout_, rows, malformed);
}

}  // namespace millrace
