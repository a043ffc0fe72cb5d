// Object container files: a schema and blocks of records (specification 1.12, "Object Container
// Files"). Over any stream of bytes; no files are opened here.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "formats/avro/codec.h"
#include "formats/input_file.h"

namespace millrace::avro {

/// Reads up to so many bytes; 0 at the end. May throw Error.
using ReadBytes = formats::ReadBytes;
/// Takes all of the bytes. May throw Error.
using WriteBytes = std::function<void(std::string_view bytes)>;
using SyncMarker = std::array<char, 16>;

struct ContainerLimits {
  std::size_t header_bytes = 16U << 20U;
  std::size_t block_bytes = 256U << 20U;  ///< compressed or not
};

/// Reads a container file block by block. Used by one thread.
class ContainerReader {
 public:
  /// Reads the header. Throws Error (user) if the file is none, or its codec is not known.
  explicit ContainerReader(ReadBytes read, const ContainerLimits& limits = {});

  /// The writer's schema, as JSON.
  [[nodiscard]] const std::string& schema() const { return metadata_.at("avro.schema"); }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }
  [[nodiscard]] Codec codec() const noexcept { return codec_; }

  enum class Found : std::uint8_t {
    block,
    end,
    damaged,  ///< damage() says why; the next one is looked for by its sync marker
  };
  Found next();

  // Of the block found, until the next():

  [[nodiscard]] std::int64_t records() const noexcept { return records_; }
  /// The records one after the other, for Decoder::decode_next(). When all are read, no bytes
  /// should be left.
  [[nodiscard]] std::string_view bytes() const noexcept { return block_; }
  [[nodiscard]] const std::string& damage() const noexcept { return damage_; }
  /// Where it begins in the file.
  [[nodiscard]] std::int64_t offset() const noexcept { return offset_; }
  /// The bytes of what is damaged, from offset() to where the next block may begin: up to so many
  /// (1 at least) at each call, valid until the next one; empty: that was all. What nobody takes is
  /// jumped over by next().
  [[nodiscard]] std::string_view take_damaged(std::size_t bytes_max);

 private:
  void read_header();
  void read_metadata();
  bool fill(std::size_t bytes);
  bool take(std::size_t bytes, std::string_view& to);
  bool take_long(std::int64_t& to);
  bool peek_head(std::int64_t& size, std::size_t& bytes);
  Found damaged(std::string reason, std::size_t whole);

  ReadBytes read_;
  ContainerLimits limits_;
  std::string buffer_;
  std::size_t used_ = 0;     // of the buffer
  std::int64_t passed_ = 0;  // bytes of the file that are no longer in the buffer
  std::map<std::string, std::string> metadata_;
  Codec codec_ = Codec::null;
  SyncMarker marker_{};
  // What was damaged and is not taken yet: so many bytes, or, lost, all up to the next marker.
  std::size_t damaged_ = 0;
  bool lost_ = false;
  std::int64_t records_ = 0;
  std::int64_t offset_ = 0;
  std::string block_;
  std::string damage_;
};

struct ContainerOptions {
  Codec codec = Codec::deflate;
  std::size_t block_bytes = 64U << 10U;  ///< a block ends when it has so many, uncompressed
  /// Has to differ from file to file, and not occur in the data: random bytes. Given by the caller,
  /// so that a file that is written again is the same.
  SyncMarker marker{};
  std::map<std::string, std::string> metadata;  ///< of the user's; names without "avro."
};

/// What a file begins with. `schema` is JSON.
[[nodiscard]] std::string container_header(std::string_view schema,
                                           const ContainerOptions& options);

/// Makes the blocks of a container file. Used by one thread; several may make blocks of one file.
class BlockWriter {
 public:
  /// `write` gets a block at each call.
  BlockWriter(WriteBytes write, const ContainerOptions& options)
      : write_(std::move(write)),
        codec_(options.codec),
        block_bytes_(options.block_bytes),
        marker_(options.marker) {}
  /// Adds the bytes of one record.
  void add(std::string_view record);
  /// Writes what is not written yet: after the last record.
  void finish();

 private:
  WriteBytes write_;
  Codec codec_;
  std::size_t block_bytes_;
  SyncMarker marker_;
  std::int64_t records_ = 0;
  std::string block_;
  std::string compressed_;
};

/// Writes a container file. Used by one thread.
class ContainerWriter {
 public:
  /// Writes the header. `schema` is JSON.
  ContainerWriter(const WriteBytes& write, std::string_view schema, const ContainerOptions& options)
      : blocks_(write, options) {
    write(container_header(schema, options));
  }
  // As those of BlockWriter.
  void add(std::string_view record) { blocks_.add(record); }
  void finish() { blocks_.finish(); }

 private:
  BlockWriter blocks_;
};

}  // namespace millrace::avro
