#include "connectors/files/avro_rows.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/strings.h"

namespace millrace {

void AvroRows::begin(ChunkWriter& to) {
  columns_.begin(to, layout_.schema.size());
  ++chunk_;
}

void AvroRows::begin(AvroWriter& writer) {
  if (writer.chunk != chunk_) {
    writer.decoder.begin(columns_.all().first(layout_.decoded));
    writer.chunk = chunk_;
  }
  columns_.mark();
}

/// A row that is none of NULLs.
void AvroRows::fill_corrupt(std::size_t row) {
  if (layout_.has_corrupt() && columns_[layout_.decoded] != nullptr) {
    columns_[layout_.decoded]->set_null(row);
  }
}

bool AvroRows::add(AvroWriter& writer, const std::string& origin, Records& records,
                   std::size_t row) {
  begin(writer);
  const auto left = records.count--;
  auto result = writer.decoder.next(records.bytes, row);
  if (!result.why) {
    fill_corrupt(row);
    return true;
  }
  columns_.forget(row);
  MalformedRow malformed{.origin = origin,
                         .line = records.offset,
                         .column = std::move(result.why->column),
                         .raw = std::string(result.record),
                         .reason = std::move(result.why->reason)};
  if (!result.lost) {
    malformed.header = writer.schema;
    return refuse(malformed, row);
  }
  records.count = 0;
  malformed.reason +=
      fmt::format("; with it {} of the block can't be read", human_count(left, "record"));
  lose(malformed);
  return false;
}

bool AvroRows::add_again(AvroWriter& writer, const MalformedRow& kept, std::size_t row) {
  begin(writer);
  std::string_view bytes = kept.raw;
  auto result = writer.decoder.next(bytes, row);
  if (!result.why && !bytes.empty()) {
    result.why = Malformation{.column = "", .reason = "there are bytes behind the record"};
  }
  if (!result.why) {
    fill_corrupt(row);
    return true;
  }
  columns_.forget(row);
  MalformedRow again = kept;
  again.column = std::move(result.why->column);
  again.reason = std::move(result.why->reason);
  return refuse(again, row);
}

bool AvroRows::refuse(const MalformedRow& record, std::size_t row) {
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
  set_null(columns_.all().first(layout_.decoded), row);
  if (layout_.has_corrupt() && columns_[layout_.decoded] != nullptr) {
    columns_[layout_.decoded]->set_string(row, record.raw);
  }
  return true;
}

void AvroRows::lose(const MalformedRow& what) {
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

void AvroRows::fail(const MalformedRow& what) {
  throw Error(Blame::external,
              fmt::format("`{}`, block at byte {}: {}{}{}; set `on_malformed: quarantine` to put "
                          "such records aside and go on",
                          what.origin, what.line, what.column, what.column.empty() ? "" : ": ",
                          what.reason));
}

}  // namespace millrace
