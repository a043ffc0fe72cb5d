#include "formats/csv/encoder.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "formats/csv/fields.h"

namespace millrace::csv {

Encoder::Encoder(const Schema& schema, Options options)
    : options_(std::move(options)), formats_(options_) {
  check(options_);
  names_.reserve(schema.size());
  types_.reserve(schema.size());
  for (const Column& column : schema.columns) {
    names_.push_back(column.name);
    types_.push_back(parse_type(column.type));
    if (!has_text(types_.back())) {
      throw Error(Blame::user, fmt::format("column {} ({}) can't be written as CSV; cast it to "
                                           "VARCHAR, such as by to_json()",
                                           column.name, column.type));
    }
  }
}

std::optional<Malformation> Encoder::encode(const Chunk& rows, std::size_t row, std::string& to) {
  const std::size_t before = to.size();
  for (std::size_t c = 0; c < types_.size(); ++c) {
    if (c > 0) {
      to += options_.delimiter;
    }
    const std::size_t begin = to.size();
    if (rows.columns[c].is_null(row)) {
      to += options_.null_text;
    } else if (write_text(types_[c], rows.columns[c], row, formats_, to)) {
      quote_if_needed(begin, options_, to);
    } else {
      to.resize(before);
      return Malformation{.column = names_[c],
                          .reason =
                              "a time that is infinite, or of a year that is not one of "
                              "0000 to 9999"};
    }
  }
  return std::nullopt;
}

}  // namespace millrace::csv
