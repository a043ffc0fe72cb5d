#include "connectors/files/avro_files.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "connectors/files/avro_reader.h"

namespace millrace {

const Schema& AvroFiles::schema(const std::function<std::string()>& find_file) {
  if (layout_.rows != nullptr) {
    return layout_.schema;
  }
  std::unique_ptr<avro::FileRows> rows;
  if (!options_.schema.empty()) {
    rows = std::make_unique<avro::FileRows>(database_->parse_schema(options_.schema));
  } else if (!options_.schema_file.empty()) {
    rows = std::make_unique<avro::FileRows>(read_file(options_.schema_file));
  } else {
    rows = std::make_unique<avro::FileRows>(avro_schema_of(find_file()));
  }
  layout_.schema = rows->columns();
  layout_.decoded = layout_.schema.size();
  layout_.on_malformed = options_.format.on_malformed;
  if (const auto& name = options_.format.corrupt_record_column; !name.empty()) {
    if (layout_.schema.find(name) >= 0) {
      throw Error(Blame::user,
                  fmt::format("there are two columns {}; give the `corrupt_record_column` another "
                              "name",
                              name));
    }
    layout_.schema.columns.push_back({name, "BLOB", Physical::string});
  }
  layout_.rows = std::move(rows);
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
