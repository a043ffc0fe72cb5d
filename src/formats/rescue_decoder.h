// Framed Avro with a column for what the others do not have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/format.h"
#include "formats/avro/framed_decoder.h"
#include "formats/avro/plans.h"

namespace millrace::formats {

/// What `resolve` leaves out of records: their other fields (not those within them) as columns.
/// Throws Error (user) for a field that JSON has no form for.
[[nodiscard]] avro::Plans::Resolve rest_of(avro::Plans::Resolve resolve);

/// Fills one column with the fields of records that are no columns, as json::Encoder writes them:
/// one object; NULL if there are none. The other columns are filled as by FramedDecoder, whose code
/// also reads what is rescued, a second time over the record. Used by one thread.
class RescueDecoder final : public RecordDecoder {
 public:
  /// `known`: of the columns but number `column`, which is VARCHAR; `rest`: by rest_of() the same.
  RescueDecoder(std::shared_ptr<avro::Plans> known, std::shared_ptr<avro::Plans> rest,
                std::size_t column);
  ~RescueDecoder() override;

  void begin(std::span<ColumnWriter* const> columns) override;
  /// Malformed are also records with a value to rescue that JSON has no form for, such as NaN.
  [[nodiscard]] std::optional<Malformation> decode(std::string_view record,
                                                   std::size_t row) override;

 private:
  struct Rest;
  std::optional<Malformation> rescue(Rest& rest, std::string_view body, std::size_t row);

  avro::FramedDecoder known_;
  std::shared_ptr<avro::Plans> plans_;
  std::size_t column_;
  std::vector<ColumnWriter*> others_;
  ColumnWriter* to_ = nullptr;
  std::map<std::uint32_t, std::unique_ptr<Rest>> rests_;  // by schema; nullptr: nothing is left out
  std::string text_;
};

}  // namespace millrace::formats
