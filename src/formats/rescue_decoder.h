// Framed Avro, perhaps with a column for what the others do not have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/format.h"
#include "formats/avro/framed_decoder.h"
#include "formats/avro/plans.h"
#include "formats/avro/reading.h"
#include "formats/rescue.h"

namespace millrace::formats {

/// How records that name their schemas become rows. Shared by the decoders of all threads.
struct FramedPlans {
  std::shared_ptr<avro::Plans> known;
  std::shared_ptr<avro::Plans> rest;  ///< by rest_of() the same; nullptr: nothing is rescued
  std::size_t rescue_column = 0;      ///< `known` are those of the other columns
};
/// `schemas` must outlive them.
[[nodiscard]] FramedPlans framed_plans(avro::NumberedSchemas& schemas,
                                       const avro::Reading& reading);
[[nodiscard]] std::unique_ptr<RecordDecoder> make_framed_decoder(const FramedPlans& plans);

/// Fills one column with the fields of records that are no columns (rescue.h), a second time over
/// the record. The other columns are filled as by FramedDecoder. Used by one thread.
class RescueDecoder final : public RecordDecoder {
 public:
  /// The column to rescue into is VARCHAR.
  explicit RescueDecoder(FramedPlans plans) : plans_(std::move(plans)), known_(plans_.known) {}

  void begin(std::span<ColumnWriter* const> columns) override;
  /// Malformed are also records with a value to rescue that JSON has no form for, such as NaN.
  [[nodiscard]] std::optional<Malformation> decode(std::string_view record,
                                                   std::size_t row) override;

 private:
  FramedPlans plans_;
  avro::FramedDecoder known_;
  std::vector<ColumnWriter*> others_;
  ColumnWriter* to_ = nullptr;
  std::map<std::uint32_t, Rescue> rests_;  // by schema
};

}  // namespace millrace::formats
