// Records of Avro files as rows.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "connectors/files/row_filler.h"
#include "core/malformed.h"
#include "formats/avro/file_rows.h"

namespace millrace {

/// What the rows of a source are. Fixed once it is made, and used by several threads.
struct AvroLayout : RowLayout {
  std::unique_ptr<avro::FileRows> rows;
};

/// Those who have written with one schema, JSON.
struct AvroWriter {
  std::string schema;
  avro::FileDecoder decoder;
  std::uint64_t chunk = 0;  ///< that the decoder began
};

/// Fills the rows of chunks. Used by one thread.
///
/// In quarantine a record has its writer's schema as its `header`, so that it can be read again.
/// What is no single record has none: a block that is damaged, or what is left of one whose records
/// can't be told apart any more.
class AvroRows {
 public:
  /// Both outlive it.
  AvroRows(const AvroLayout& layout, MalformedReceiver& malformed)
      : layout_(layout), rows_(layout, malformed) {}

  /// For records of this schema, which is that of `file`. Throws Error (user) for what is no
  /// schema, SchemaChange and ColumnsGrew.
  [[nodiscard]] AvroWriter writer(const std::string& schema, const std::string& file) const;
  /// Before the first row of a chunk.
  void begin(ChunkWriter& to);

  /// Some records that follow each other in a file.
  struct Records {
    std::string_view bytes;
    std::int64_t count = 0;
    std::int64_t offset = 0;  ///< of their block in the file
  };
  /// Takes a record away; all of them, if nobody can tell where the next one begins. True: the row
  /// is filled. Throws Error if a malformed record is to stop the pipeline.
  bool add(AvroWriter& writer, const std::string& origin, Records& records, std::size_t row);
  /// A record that was malformed before.
  bool add_again(AvroWriter& writer, const MalformedRow& kept, std::size_t row);
  /// Bytes that are no single record. Throws the same Error.
  void lose(const MalformedRow& what) { rows_.lose(what); }

 private:
  void begin(AvroWriter& writer);

  const AvroLayout& layout_;
  RowFiller rows_;
  std::uint64_t chunk_ = 0;
};

}  // namespace millrace
