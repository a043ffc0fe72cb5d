#include "formats/csv/text.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/strings.h"

namespace millrace::csv {

TextDecoder::TextDecoder(const Schema& schema) {
  if (schema.size() != 1 || schema.columns[0].type != "VARCHAR") {
    throw Error(Blame::user,
                fmt::format("a text is one VARCHAR column, not {}; name that one, such "
                            "as `line VARCHAR`",
                            schema.text()));
  }
  name_ = schema.columns[0].name;
}

std::optional<Malformation> TextDecoder::decode(std::string_view record, std::size_t row) {
  if (const auto bad = find_invalid_utf8(record)) {
    return Malformation{.column = name_,
                        .reason = fmt::format("not valid UTF-8 at byte {}", *bad + 1)};
  }
  if (column_ != nullptr) {
    column_->set_string(row, record);
  }
  return std::nullopt;
}

TextEncoder::TextEncoder(const Schema& schema) {
  if (schema.size() != 1) {
    throw Error(Blame::user,
                fmt::format("a text is made of one column, and there are: {}; select one, or make "
                            "one of them by concat_ws()",
                            schema.text()));
  }
  name_ = schema.columns[0].name;
  type_ = parse_type(schema.columns[0].type);
  if (!has_text(type_)) {
    throw Error(Blame::user, fmt::format("column {} ({}) has no text; cast it to VARCHAR", name_,
                                         schema.columns[0].type));
  }
}

std::optional<Malformation> TextEncoder::encode(const Chunk& rows, std::size_t row,
                                                std::string& to) {
  const std::size_t before = to.size();
  const ColumnView& column = rows.columns[0];
  if (column.is_null(row)) {
    return Malformation{.column = name_, .reason = "NULL has no text"};
  }
  if (type_.id == Type::Id::blob) {
    encode_base64(column.string(row), to);
    return std::nullopt;
  }
  if (write_text(type_, column, row, TimeFormats(), to)) {
    return std::nullopt;
  }
  to.resize(before);
  return Malformation{
      .column = name_,
      .reason = "a time that is infinite, or of a year that is not one of 0000 to 9999"};
}

}  // namespace millrace::csv
