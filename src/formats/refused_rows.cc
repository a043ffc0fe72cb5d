#include "formats/refused_rows.h"

#include <fmt/format.h>

#include "base/error.h"

namespace millrace::formats {

void RefusedRows::add(const Chunk& rows, std::size_t row, const Malformation& why) {
  if (sink_.on_refused == OnRefused::fail) {
    throw Error(Blame::external,
                fmt::format("sink {}: a row can't be written: {}{}{}", sink_.name, why.column,
                            why.column.empty() ? "" : ": ", why.reason));
  }
  if (!as_json_) {
    as_json_.emplace(sink_.schema, json::EncoderOptions{});
  }
  MalformedRow refused{.origin = sink_.origin, .column = why.column, .reason = why.reason};
  if (const auto unshown = as_json_->encode(rows, row, refused.raw)) {
    refused.reason +=
        fmt::format("; column {} can't be shown: {}", unshown->column, unshown->reason);
  }
  if (sink_.on_refused == OnRefused::drop) {
    receiver_.drop(refused);
  } else {
    receiver_.add(refused);
  }
}

}  // namespace millrace::formats
