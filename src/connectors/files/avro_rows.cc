#include "connectors/files/avro_rows.h"

#include <fmt/format.h>

#include <utility>

#include "base/strings.h"
#include "formats/schema_change.h"

namespace millrace {

AvroWriter AvroRows::writer(const std::string& schema, const std::string& file) const {
  try {
    return {.schema = schema, .decoder = avro::FileDecoder(layout_.rows->plan(schema))};
  } catch (const formats::SchemaChange& change) {
    throw formats::SchemaChange(fmt::format("`{}`", file), {.column = "", .reason = change.what()},
                                layout_.to_have_new_fields);
  }
}

void AvroRows::begin(ChunkWriter& to) {
  rows_.begin(to);
  ++chunk_;
}

void AvroRows::begin(AvroWriter& writer) {
  if (writer.chunk != chunk_) {
    writer.decoder.begin(rows_.columns());
    writer.chunk = chunk_;
  }
  rows_.mark();
}

bool AvroRows::add(AvroWriter& writer, const std::string& origin, Records& records,
                   std::size_t row) {
  begin(writer);
  const auto left = records.count--;
  auto result = writer.decoder.next(records.bytes, row);
  if (!result.why) {
    rows_.done(row);
    return true;
  }
  MalformedRow malformed{
      .origin = origin, .line = records.offset, .raw = std::string(result.record)};
  if (!result.lost) {
    malformed.header = writer.schema;
    return rows_.refuse(std::move(malformed), std::move(*result.why), result.record, row);
  }
  rows_.forget(row);
  records.count = 0;
  malformed.column = std::move(result.why->column);
  malformed.reason = fmt::format("{}; with it {} of the block can't be read", result.why->reason,
                                 human_count(left, "record"));
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
    rows_.done(row);
    return true;
  }
  return rows_.refuse(kept, std::move(*result.why), kept.raw, row);
}

}  // namespace millrace
