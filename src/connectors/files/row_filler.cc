#include "connectors/files/row_filler.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "formats/schema_change.h"

namespace millrace {

void RowLayout::set_columns(Schema of_records, const std::string& corrupt, const char* type) {
  schema = std::move(of_records);
  decoded = schema.size();
  if (corrupt.empty()) {
    return;
  }
  if (schema.find(corrupt) >= 0) {
    throw Error(Blame::user,
                fmt::format("there are two columns {}; give the `corrupt_record_column` another "
                            "name",
                            corrupt));
  }
  schema.columns.push_back({corrupt, type, Physical::string});
}

/// A row that is none of NULLs.
void RowFiller::done(std::size_t row) {
  if (layout_.has_corrupt() && columns_[layout_.decoded] != nullptr) {
    columns_[layout_.decoded]->set_null(row);
  }
}

bool RowFiller::refuse(MalformedRow record, Malformation why, std::string_view text,
                       std::size_t row) {
  columns_.forget(row);
  if (why.is_schema_change) {
    throw formats::SchemaChange(layout_.place(record), why, layout_.to_have_new_fields);
  }
  record.column = std::move(why.column);
  record.reason = std::move(why.reason);
  switch (layout_.on_malformed) {
    case OnMalformed::fail:
      fail(record);
    case OnMalformed::drop:
      malformed_.drop(record);
      return false;
    case OnMalformed::quarantine:
      malformed_.add(record);
      return false;
    case OnMalformed::permissive:
      break;
  }
  malformed_.pass(record);
  set_null(columns(), row);
  if (layout_.has_corrupt() && columns_[layout_.decoded] != nullptr) {
    columns_[layout_.decoded]->set_string(row, text);
  }
  return true;
}

void RowFiller::lose(const MalformedRow& what) {
  switch (layout_.on_malformed) {
    case OnMalformed::fail:
      fail(what);
    case OnMalformed::drop:
      if (what.part <= 1) {
        malformed_.drop(what);
      }
      break;
    case OnMalformed::quarantine:
    case OnMalformed::permissive:  // nobody knows of how many rows
      malformed_.add(what);
      break;
  }
}

void RowFiller::fail(const MalformedRow& what) const {
  throw Error(
      Blame::external,
      fmt::format("{}: {}{}{}; set `on_malformed: quarantine` to put such records aside "
                  "and go on",
                  layout_.place(what), what.column, what.column.empty() ? "" : ": ", what.reason));
}

}  // namespace millrace
