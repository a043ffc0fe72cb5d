// Avro files, read block by block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "connectors/files/avro_rows.h"
#include "core/source.h"
#include "formats/avro/container.h"

namespace millrace {

/// The schema, JSON, that the first file was written with. Throws Error that names it.
[[nodiscard]] std::string avro_schema_of(const FileScan& scan);

/// Gives the records of files in their order. Holds one block at a time.
class AvroReader final : public RowReader {
 public:
  /// `layout` and `malformed` outlive it.
  AvroReader(const AvroLayout& layout, FileScan files, MalformedReceiver& malformed)
      : rows_(layout, malformed), files_(std::move(files)) {}
  std::size_t read(ChunkWriter& to) override;

 private:
  bool next_block();
  void open(const FileScan::File& file);
  void close();
  void lose_rest();
  void lose(std::string reason, std::int64_t offset, const std::function<std::string_view()>& next);

  AvroRows rows_;
  FileScan files_;
  std::size_t next_file_ = 0;
  // Of the file that is open:
  std::string path_;
  std::optional<avro::ContainerReader> blocks_;
  std::optional<AvroWriter> writer_;
  AvroRows::Records records_;  // of the block at hand
};

/// Gives once more the records that were malformed when they were read. What was lost stays so.
class KeptAvroReader final : public RowReader {
 public:
  /// All outlive it.
  KeptAvroReader(const AvroLayout& layout, const MalformedRows& kept, MalformedReceiver& malformed)
      : rows_(layout, malformed), kept_(kept), malformed_(malformed) {}
  std::size_t read(ChunkWriter& to) override;

 private:
  AvroWriter* writer_of(const MalformedRow& kept);

  AvroRows rows_;
  const MalformedRows& kept_;
  MalformedReceiver& malformed_;
  std::map<std::string, AvroWriter> writers_;
};

}  // namespace millrace
