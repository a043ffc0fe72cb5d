// Records that name their schemas: a decoder for each schema that comes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "formats/avro/decoder.h"

namespace millrace::avro {

/// Decodes messages in Confluent's wire format (framing.h). Used by one thread.
class FramedDecoder final : public RecordDecoder {
 public:
  /// The decoder for a schema of the registry, all with the same columns. Called once a schema; may
  /// throw Error: a registry that can't be reached, or a schema that does not fit.
  using MakeDecoder = std::function<std::unique_ptr<Decoder>(std::uint32_t schema_id)>;

  explicit FramedDecoder(MakeDecoder make) : make_(std::move(make)) {}

  void begin(std::span<ColumnWriter* const> columns) override;
  /// Throws only what MakeDecoder throws.
  [[nodiscard]] std::optional<Malformation> decode(std::string_view record,
                                                   std::size_t row) override;

 private:
  struct Known {
    std::unique_ptr<Decoder> decoder;
    std::uint64_t chunk = 0;  ///< that it began
  };

  MakeDecoder make_;
  std::vector<ColumnWriter*> columns_;
  std::uint64_t chunk_ = 0;
  std::map<std::uint32_t, Known> known_;
};

}  // namespace millrace::avro
