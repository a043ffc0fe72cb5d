// Records that name their schemas: a decoder for each schema that comes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "formats/avro/decoder.h"
#include "formats/avro/plans.h"

namespace millrace::avro {

/// Decodes messages in Confluent's wire format (framing.h). Used by one thread.
class FramedDecoder final : public RecordDecoder {
 public:
  explicit FramedDecoder(std::shared_ptr<Plans> plans) : plans_(std::move(plans)) {}

  void begin(std::span<ColumnWriter* const> columns) override;
  /// Malformed are also messages that name no schema, or one that is not there or does not fit.
  /// Throws only what Plans throws.
  [[nodiscard]] std::optional<Malformation> decode(std::string_view record,
                                                   std::size_t row) override;

 private:
  struct Known {
    std::unique_ptr<Decoder> decoder;
    std::uint64_t chunk = 0;  ///< that it began
  };

  std::shared_ptr<Plans> plans_;
  std::vector<ColumnWriter*> columns_;
  std::uint64_t chunk_ = 0;
  std::map<std::uint32_t, Known> known_;
};

}  // namespace millrace::avro
