// Framed Avro with a column for what the others do not have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/format.h"
#include "formats/avro/framed_decoder.h"
#include "formats/avro/plans.h"
#include "formats/rescue.h"

namespace millrace::formats {

/// Fills one column with the fields of records that are no columns (rescue.h), a second time over
/// the record. The other columns are filled as by FramedDecoder. Used by one thread.
class RescueDecoder final : public RecordDecoder {
 public:
  /// `known`: of the columns but number `column`, which is VARCHAR; `rest`: by rest_of() the same.
  RescueDecoder(std::shared_ptr<avro::Plans> known, std::shared_ptr<avro::Plans> rest,
                std::size_t column);

  void begin(std::span<ColumnWriter* const> columns) override;
  /// Malformed are also records with a value to rescue that JSON has no form for, such as NaN.
  [[nodiscard]] std::optional<Malformation> decode(std::string_view record,
                                                   std::size_t row) override;

 private:
  avro::FramedDecoder known_;
  std::shared_ptr<avro::Plans> plans_;
  std::size_t column_;
  std::vector<ColumnWriter*> others_;
  ColumnWriter* to_ = nullptr;
  std::map<std::uint32_t, Rescue> rests_;  // by schema
};

}  // namespace millrace::formats
